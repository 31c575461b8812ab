"""The command ``spike-trains``: a few moved spikes of the input, aimed and at random."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments.bench import Bench, scored
from experiments.kept import Kept
from experiments.spike_moves import Move, moves_table, spike_trains
from experiments.store import read_dataset, unit_path
from experiments.training import save_individual
from networks import BlindspotsError, Latency, Poisson, wiring_named
from networks.derive import coded
from sim import Network


def quiet(done: float, score: float) -> None:
    """Nobody looks."""


def moved(directory: Path, code: Latency | Poisson, bench: Bench) -> xr.Dataset:
    """What one unit of work leaves for an untrained network whose input has a code."""
    wiring = coded(wiring_named("fc-blt-spiking"), code)
    network = Network.initial(wiring, 0)
    directory.mkdir()
    save_individual(network, {"seed": 0}, directory)
    unit = Move(Kept(directory, code.model, bench), (0, 2, 6), 10, 0, bench)
    unit.run(quiet)
    return read_dataset(unit_path(unit.stage, unit.key) / unit.product)


@pytest.mark.parametrize("code", [Latency(), Poisson(gain=0.5)])
def test_more_moves_leave_no_more_images(
    code: Latency | Poisson, tmp_path: Path, cache: Path, bench: Bench
) -> None:
    result = moved(tmp_path / "network", code, bench)
    aimed = result["correct"].sel(kind="aimed").to_numpy()
    assert (np.diff(aimed, axis=0) <= 0).all()
    assert (result["correct"].sel(budget=0, kind="random") == aimed[0]).all()
    assert aimed.shape == (3, 10)
    if isinstance(code, Latency):  # one spike for each pixel that is bright enough
        images = scored(bench, 10).images
        bright = (images > code.threshold).flatten(1).sum(1)
        assert result["spikes"].to_numpy().tolist() == bright.tolist()


def test_the_table_fits_and_tells_both_kinds(tmp_path: Path) -> None:
    correct = np.ones((2, 2, 4), np.int8)
    correct[0, 1, 1:] = 0
    result = xr.Dataset(
        {"correct": (("kind", "budget", "image"), correct), "spikes": ("image", [9, 9, 9, 9])},
        coords={"kind": ["aimed", "random"], "budget": [0, 3], "network": "coded"},
    )
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(moves_table(result))
    text = console.export_text()
    assert "25.0" in text
    assert "of 9 spikes" in text


@pytest.mark.parametrize(
    ("names", "budgets", "says"),
    [
        ([], [3], "is not spikes"),
        (["fc-b"], [3], "'fc-b' .* is not spikes"),
        (["fc-x"], [3], "no network 'fc-x' in"),
    ],
)
def test_what_cannot_be_moved_is_refused(
    small_run: Path, cache: Path, names: list[str], budgets: list[int], says: str
) -> None:
    with pytest.raises(BlindspotsError, match=says):
        spike_trains(
            small_run,
            names,
            individual=0,
            images=5,
            budgets=budgets,
            data=None,
            workers=1,
            console=Console(quiet=True),
        )
