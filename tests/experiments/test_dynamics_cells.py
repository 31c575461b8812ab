"""The command ``dynamics`` on networks that run in cells."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments import load_network
from experiments.dynamics.command import dynamics
from experiments.dynamics.figures import Drawn
from experiments.dynamics.subject import in_cells
from experiments.result import load_result
from experiments.store import write_dataset
from networks import Physiology
from sim import Network
from sim.brian.detailed import Detailed

IMAGES = 6
CELLS = "tiny-spiking@cells"


@pytest.fixture(scope="module")
def watched(
    cells_run: Path, cells_alone: None, work_here: Callable[..., AbstractContextManager[Any]]
) -> xr.Dataset:
    """The dynamics of a tiny network in cells."""
    with work_here(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.dynamics.command.draw_individual", lambda *a: Drawn({}, []))
        return dynamics(
            cells_run, [CELLS], individual=None, shown=[], images=IMAGES, attack=None,
            epsilon=None, crafted_on=None, intervene=False, pathways=[], data=None, workers=1,
            console=Console(quiet=True),
        )  # fmt: skip


def test_cells_answer_as_they_were_scored(watched: xr.Dataset, cells_run: Path) -> None:
    compared = load_result(cells_run)
    last = watched["right"].sel(network=CELLS, individual=0).isel(time=-1)
    clean = compared["clean_correct"].sel(network=CELLS, individual=0)[:IMAGES]
    np.testing.assert_array_equal(last.sel(condition="clean"), clean)
    place = {
        "network": CELLS, "individual": 0, "source": "tiny-spiking", "attack": "pgd-linf",
        "epsilon": 0.1,
    }  # fmt: skip
    attacked = compared["correct"].sel(place)[:IMAGES]
    np.testing.assert_array_equal(last.sel(condition="adversarial"), attacked)


def test_cells_are_measured_in_steps_and_kept_in_ms(watched: xr.Dataset, cells_run: Path) -> None:
    assert watched.sizes["time"] == 8
    out = cells_run / "dynamics" / "pgd-linf-0.1" / f"{CELLS}-0"
    kept = xr.load_dataset(out / "recordings.nc", engine="netcdf4")
    assert kept.attrs["time_unit"] == "ms"
    assert kept["v1.output"].dtype == bool
    both = kept["v1.output"].sel(condition=["clean", "adversarial"]).to_numpy().astype(float)
    per_step = both.reshape(2, 8, -1, *both.shape[2:]).sum(2)  # condition, step, image, unit
    by_hand = np.sqrt(((per_step[1] - per_step[0]) ** 2).mean(-1))
    found = watched["divergence"].sel(condition="adversarial", area="v1").squeeze()
    np.testing.assert_allclose(found.transpose("time", "image"), by_hand, rtol=1e-5)
    assert "drive_share" not in watched


def test_cells_of_another_command_are_built_from_what_it_left(
    cells_run: Path, tmp_path: Path
) -> None:
    left = xr.Dataset(
        {"gain": (("variant", "area"), [[1.0, 1.0], [2.0, 3.0]])},
        coords={"variant": ["bare", "together"], "area": ["v1", "v2"]},
        attrs={"physiology": Physiology(dt_ms=1.0).model_dump_json(), "seed": 4},
    )
    write_dataset(left, tmp_path / "activity.nc")
    network = load_network(cells_run, "tiny-spiking", 0)
    assert isinstance(network, Network)
    cells = in_cells(network, tmp_path / "activity.nc")
    assert isinstance(cells, Detailed)
    assert cells.seed == 4
    assert cells.physiology.dt_ms == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([CELLS, "--interventions"], "on torch to intervene on"),
        (["FC10@cells"], "has no cells of 'FC10'"),
        ([CELLS, "--individual", "3"], "has no individual 3"),
    ],
)
def test_what_cells_cannot_do(
    words: list[str], said: str, cells_run: Path, cells_alone: None, refused: Callable[..., str]
) -> None:
    assert said in refused("dynamics", cells_run, *words)
