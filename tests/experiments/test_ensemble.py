"""The command ``attack``: what a run's networks withstand, stage by stage."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments.attacks.worst import stages
from experiments.ensemble import CLEAN, attack, stage_table
from experiments.result import load_network, load_result
from networks import BlindspotsError


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_run, tmp_path / "run")


@pytest.fixture
def work(work_here: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    with work_here() as here:
        monkeypatch.setattr("experiments.attacks.worst.STEPS", 8)
        monkeypatch.setattr("experiments.attacks.worst.QUERIES", 40)
        yield here


def attacked(run: Path, *names: str, **changes: object) -> xr.Dataset:
    usual = {"individual": 0, "images": 20, "norm": "linf", "epsilon": 0.05, "data": None}
    given = {**usual, "workers": 1, "console": Console(quiet=True), **changes}
    return attack(run, list(names), **given)  # type: ignore[arg-type]


def test_every_stage_leaves_fewer_and_costs_what_it_shows(run: Path, work) -> None:  # type: ignore[no-untyped-def]
    result = attacked(run, "fc-b", "fc-blt")
    plain, recurrent = (result.sel(network=name) for name in ("fc-b", "fc-blt"))
    for here, name in ((plain, "fc-b"), (recurrent, "fc-blt")):
        listed = [CLEAN, *(s.name for s in stages(load_network(run, name), "linf"))]
        there = (here["correct"] >= 0).any("image")
        assert here["stage"].values[there.values].tolist() == listed
        right = here["correct"].values[there.values]
        assert (np.diff(right, axis=0) <= 0).all()
        assert (right[-1] < right[0]).any()
        assert (here["seconds"].isnull() == ~there).all()
        asked, steps = here["backward"].sel(stage="PGD, cross-entropy"), 8
        assert asked <= steps * right[0].sum()
    clean = load_result(run)["clean_correct"].sel(network="fc-b", individual=0)[:20]
    assert (plain["correct"].sel(stage=CLEAN).values == clean.values).all()
    saved = xr.load_dataset(run / "attack" / "linf-0.05.nc")
    xr.testing.assert_equal(saved, result)
    assert len(json.loads(saved.attrs["weights_sha256"])) == 2


def test_what_was_attacked_is_not_attacked_again(run: Path, work) -> None:  # type: ignore[no-untyped-def]
    first = attacked(run, "fc-b", images=10)
    count = len(work.done)
    again = attacked(run, "fc-b", images=10)
    assert len(work.done) == count
    xr.testing.assert_equal(first, again)


def test_the_table_tells_each_stage(run: Path, work) -> None:  # type: ignore[no-untyped-def]
    result = attacked(run, "fc-b", images=10)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(stage_table(result.sel(network="fc-b")))
    text = console.export_text()
    for stage in result["stage"].values:
        assert str(stage) in text


@pytest.mark.parametrize(
    ("names", "changes", "says"),
    [
        (["fc-bx"], {}, "fc-bt|fc-b"),
        (["brought_model:TimeAveraged"], {}, "is no network that"),
        (["fc-b"], {"images": 10_000}, "ask for at most"),
        (["fc-b"], {"individual": 9}, "has no individual 9"),
    ],
)
def test_what_cannot_be_attacked_is_refused(
    run: Path, cache: Path, names: list[str], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(BlindspotsError, match=says):
        attacked(run, *names, **changes)
