"""Workers are named on the command line in a few ways, and in no other."""

import pytest

from experiments.workers import Cluster, workers_named
from networks import BlindspotsError


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("7", 7),
        ("local", Cluster("local")),
        ("slurm:12", Cluster("slurm", 12)),
        ("node7:8786", Cluster("running", address="node7:8786")),
        ("tcp://10.0.0.7:8786", Cluster("running", address="tcp://10.0.0.7:8786")),
        ("tcp://[fe80::1]:8786", Cluster("running", address="tcp://[fe80::1]:8786")),
    ],
)
def test_workers_by_name(text: str, named: int | Cluster) -> None:
    assert workers_named(text) == named


@pytest.mark.parametrize("text", ["", "0", "local:0", "local:two", "slurm:-1", "cloud", "node7"])
def test_nobody_by_that_name(text: str) -> None:
    with pytest.raises(BlindspotsError, match=f"Nobody is called '{text}'; write"):
        workers_named(text)
