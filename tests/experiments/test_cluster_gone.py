"""Where all workers that could come have gone, nobody waits for them."""

from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from experiments import cluster, remote
from experiments.crew import Refused
from networks import BlindspotsError

distributed = pytest.importorskip("distributed")


@dataclass
class Started:
    """The client of a scheduler without workers, whose cluster was to start workers 0 and 1."""

    states: dict[int, str]

    def hands(self) -> cluster.Hands:
        nannies = {
            name: SimpleNamespace(status=distributed.Status[each])
            for name, each in self.states.items()
        }
        self.cluster = SimpleNamespace(workers=nannies, plan={0, 1})
        client = SimpleNamespace(cluster=self.cluster, nthreads=dict)
        site = remote.Site(Path(), "", Path(), (), "plain", "float32", "", False)
        return cluster.Hands(client, site, SimpleQueue())


def test_a_worker_here_that_may_come_back_is_waited_for() -> None:
    assert list(Started({0: "failed", 1: "running"}).hands().heard()) == []


def test_workers_here_that_cannot_be_started_again_end_the_command() -> None:
    hands = Started({0: "failed", 1: "closed"}).hands()
    with pytest.raises(BlindspotsError, match=r"No worker is left. They .* run the same"):
        list(hands.heard())


@pytest.mark.parametrize("other", ["running", "failed"])
def test_a_worker_that_was_refused_counts_once(other: str) -> None:
    """Its nanny is closed too, which tells of one worker that went, and not of two."""
    hands = Started({0: "closed", 1: other}).hands()
    hands.told.put(Refused("a", 0, "It is not fit."))
    if other == "running":
        assert [each.why for each in hands.heard()] == ["It is not fit."]
    else:
        with pytest.raises(BlindspotsError, match=r"No worker is left. It is not fit."):
            list(hands.heard())


@pytest.mark.parametrize(
    "first", ["failed", "running"]
)  # a job of Slurm runs, as far as dask knows
def test_a_worker_that_dask_has_forgotten_does_not_come_back(first: str) -> None:
    """That it does to nannies, and to jobs of one worker, some time after the worker was lost."""
    started = Started({0: first, 1: "running"})
    hands = started.hands()
    assert list(hands.heard()) == []
    del started.cluster.workers[0]
    assert list(hands.heard()) == []
    started.cluster.workers[1].status = distributed.Status.failed
    with pytest.raises(BlindspotsError, match=r"No worker is left. They .* run the same"):
        list(hands.heard())
