"""What ``blindspots detailed`` cannot examine, in one sentence, before any work."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import load_result
from experiments.bench import Bench
from experiments.plan import plan
from experiments.spec import spec_from
from networks import wiring_named

pytestmark = pytest.mark.usefixtures("cells_alone")

NAME, CELLS = "tiny-spiking", "tiny-spiking@cells"
IMAGES, STEPS, EPSILON = 24, 8, 0.1
Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", 25], r"attacked 24 images; ask for at most so many, not 25\.$"),
        (["--attack", "pgd-l2"], r"There is no attack 'pgd-l2' in '.*'; did you mean 'pgd-linf'"),
        (["--attack", "uniform"], r"'uniform' is noise.*--attack: pgd-linf\.$"),
        (["--epsilon", 0.07], r"There is no epsilon 0\.07 in '.*'; choose from 0\.05"),
        (["--individual", 3], rf"'{NAME}' has no individual 3 in '.*'; it has 0\.$"),
        (["tiny-spikin"], rf"There is no network 'tiny-spikin' in '.*'; did you mean '{NAME}'"),
        ([NAME, "tiny-spikin"], r"There is no network 'tiny-spikin' in '.*'; "),
        (["FC10"], rf"'FC10' has no spiking units.*name one of {NAME}\.$"),
        ([CELLS], rf"'{CELLS}' runs in cells already; name '{NAME}'\.$"),
    ],
)
def test_what_cannot_be_examined_is_refused_before_any_work(
    refused: Refused, cells_run: Path, words: list[object], says: str
) -> None:
    number_of_images = [] if "--images" in words else ["--images", IMAGES]
    said = refused("detailed", cells_run, *words, *number_of_images)
    assert re.search(says, said), said


def test_a_directory_that_is_no_run(refused: Refused, tmp_path: Path) -> None:
    assert "holds no result.nc" in refused("detailed", tmp_path)


def test_a_run_of_other_data(refused: Refused, cells_copy: Path) -> None:
    result = load_result(cells_copy).assign_attrs(data="MNIST", data_sha256="0")
    result.to_netcdf(cells_copy / "result.nc", engine="netcdf4")
    said = refused("detailed", cells_copy, "--images", 2)
    assert said == f"'{cells_copy}' was made with MNIST; MNIST is not here."


def test_a_run_where_nothing_spikes(refused: Refused, cells_copy: Path) -> None:
    result = load_result(cells_copy).sel(network=["FC10"])
    result.to_netcdf(cells_copy / "result.nc", engine="netcdf4")
    said = refused("detailed", cells_copy, "--images", 2)
    assert said.startswith(
        f"No network in '{cells_copy}' spikes, so there are no cells to simulate; "
    )


def test_inputs_that_were_not_kept(refused: Refused, cells_copy: Path) -> None:
    shutil.rmtree(cells_copy / "inputs" / f"{NAME}-0-pgd-linf")
    said = refused("detailed", cells_copy, "--images", 2)
    assert f"{NAME}-0-pgd-linf' is not there" in said
    assert 'keep = "all"' in said
    assert not (cells_copy / "detailed").exists()


def test_weights_without_their_history(refused: Refused, cells_copy: Path) -> None:
    path = cells_copy / "networks" / NAME / "individual-0" / "training.json"
    path.write_text("{}")
    assert refused("detailed", cells_copy, "--images", 2).startswith(f"'{path}' cannot be read (")


def test_a_file_where_the_results_would_go(refused: Refused, cells_copy: Path) -> None:
    (cells_copy / "detailed").write_text("in the way")
    said = refused("detailed", cells_copy, "--images", 2)
    out = cells_copy / "detailed" / f"{NAME}-0-pgd-linf-0.1"
    assert said.startswith(f"'{out}' cannot be written (")


def test_another_examination_is_not_overwritten(refused: Refused, cells_copy: Path) -> None:
    out = cells_copy / "detailed" / f"{NAME}-0-pgd-linf-0.1"
    out.mkdir(parents=True)
    (out / "spec.toml").write_text("images = 7")
    said = refused("detailed", cells_copy, "--images", 2)
    assert said.startswith(f"'{out}' holds another examination")
    assert (out / "spec.toml").read_text() == "images = 7"


def test_catalogue_networks_spike_or_not(cells_settings: dict[str, Any], bench: Bench) -> None:
    """Every spiking one, and no other, is planned in cells."""
    names = ["fc-b", "fc-b-spiking", "fc-blt-spiking"]
    planned = plan(spec_from({**cells_settings, "networks": names}), bench)
    assert [e.name for e in planned.entries] == [
        *names, "fc-b-spiking@cells", "fc-blt-spiking@cells",
    ]  # fmt: skip
    assert planned.entries[-1].wiring == wiring_named("fc-blt-spiking")
