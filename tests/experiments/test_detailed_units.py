"""Units of ``blindspots detailed``: what tells them apart, and going on where it stopped."""

import json
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments import load_result
from experiments.bench import Bench, bench_for
from experiments.detailed.command import Aim, conditions, detail, variants
from experiments.detailed.examine import Condition, Examine, on_torch_in_ms
from experiments.spec import read_settings
from experiments.store import unit_path
from experiments.training import load_individual
from networks import INGREDIENTS, Physiology, physiology_from

pytestmark = pytest.mark.usefixtures("cells_alone")

NAME, IMAGES, EPSILON = "tiny-spiking", 24, 0.1
VARIANTS = ["torch", "bare", *INGREDIENTS, "together"]
SHOWN = ["clean", "uniform", "same inputs", "torch's own"]


@pytest.fixture
def own_bench(cells_alone: None) -> Bench:
    return bench_for(None, "cpu")


def fewer(physiology: Physiology) -> dict[str, Physiology]:
    """Stands in for all the variants."""
    return {"bare": physiology.only(), "together": physiology}


def quickly(
    unit: Examine, shown: list[torch.Tensor], report: object
) -> tuple[list[xr.Dataset], xr.Dataset]:
    """Stands in for the cells, which take longer."""
    network = load_individual(unit.directory)
    facts = dict.fromkeys(("gain", "calibrated_rate", "trained_rate"), ("area", [1.0, 1.0]))
    recordings = [on_torch_in_ms(network, images, unit.physiology) for images in shown]
    return recordings, xr.Dataset(facts, {"area": ["v1", "v2"]})


def test_what_was_interrupted_goes_on_where_it_stopped(
    cells_copy: Path,
    cells_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    work_here: Callable[..., AbstractContextManager[Any]],
) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache"))
    settings = read_settings(cells_directory / "cells.toml") | {"dt_ms": 2.0}

    works: list[Any] = []

    def once(most: int = 1000) -> xr.Dataset:
        with work_here(most) as work, pytest.MonkeyPatch.context() as patch:
            works.append(work)
            patch.setattr("experiments.detailed.command.drawn", lambda *given: {})
            patch.setattr(Examine, "_in_cells", quickly)
            patch.setattr("experiments.detailed.command.ablations", fewer)
            (found,) = detail(
                cells_copy,
                [NAME],
                individual=0,
                images=3,
                attack="pgd-linf",
                epsilon=0.05,
                physiology=physiology_from(settings),
                data=None,
                workers=1,
                console=Console(quiet=True),
            )
        return found

    with pytest.raises(KeyboardInterrupt):
        once(1)
    whole = once()
    names = [[unit.variant for unit in work.done] for work in works]
    assert names == [["torch"], ["bare", "together"]]
    again = once()
    assert works[2].done == []
    xr.testing.assert_identical(again, whole)
    assert whole.sizes["image"] == 3
    assert whole.attrs["epsilon"] == 0.05


def test_units_are_told_apart_by_all_that_matters(
    cells_run: Path, own_bench: Bench, tmp_path: Path
) -> None:
    shown = (Condition("clean"), Condition("x", Path("x"), 0.1, "abc"))
    rest = (Path("a/individual-0"), "weights", Physiology(), shown, 5, 0, own_bench)
    unit = Examine("together", "detailed", *rest)
    others = [
        Examine("bare", "detailed", *rest),
        Examine("together", "torch", *rest),
        Examine("together", "detailed", rest[0], "other", *rest[2:]),
        Examine("together", "detailed", *rest[:2], Physiology(dt_ms=0.5), *rest[3:]),
        Examine("together", "detailed", *rest[:3], shown[:1], *rest[4:]),
        Examine("together", "detailed", *rest[:4], 6, *rest[5:]),
        Examine("together", "detailed", *rest[:5], 1, *rest[6:]),
    ]
    elsewhere = Examine("together", "detailed", Path("b/individual-0"), *rest[1:])
    assert len({each.key for each in (unit, *others)}) == 8
    assert elsewhere.key == unit.key  # the weights decide, not where they lie
    assert pickle.loads(pickle.dumps(unit)) == unit
    assert not unit_path(unit.stage, unit.key).exists()


def test_the_conditions_are_sets_of_the_run(cells_run: Path, own_bench: Bench) -> None:
    aim = Aim(cells_run, NAME, 0, "pgd-linf", EPSILON, IMAGES)
    shown = conditions(aim, load_result(cells_run))
    assert [each.name for each in shown] == SHOWN
    hashes = json.loads((cells_run / "provenance.json").read_text())["inputs_sha256"]
    for each in shown[1:]:
        assert each.sha256 == hashes[each.inputs.name]
        assert each.epsilon == EPSILON
    units = variants(aim, shown, Physiology(), own_bench)
    assert [unit.variant for unit in units] == VARIANTS
    assert {unit.engine for unit in units[1:]} == {"detailed"}
    assert units[-1].physiology == Physiology()
    assert units[3].physiology.ingredients == ("conductances",)
