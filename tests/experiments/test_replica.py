"""The command ``blindspots replica``: what it compares, what it says, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.replica import spiking_names
from experiments.training import save_individual
from experiments.units import save_tensors, sha256_of
from networks import NAMES, BlindspotsError, wiring_named
from sim import Network, run
from sim.brian import Agreement, Mismatch


def told(*arguments: object, columns: int = 250) -> Result:
    width = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, ["replica", *map(str, arguments)], env=width)


def sentence(*arguments: object) -> str:
    result = told(*arguments)
    assert isinstance(result.exception, BlindspotsError)
    return str(result.exception)


def row(text: str, *starts: str) -> list[str]:
    """The cells of the one table row that begins with ``starts``."""
    rows = [line.split() for line in text.splitlines()]
    (found,) = [cells for cells in rows if cells[: len(starts)] == list(starts)]
    return found[len(starts) :]


def spikes(network: Network, images: torch.Tensor) -> int:
    found = run(network.double(), images.double())
    areas = [a.name for a in network.wiring.areas if a.unit.model == "lif"]
    return int(sum(found[f"{area}.output"].values.sum() for area in areas))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A directory with the weights of an individual called "mine"."""
    network = Network.initial(wiring_named("fc-bl-spiking").replace(name="mine"), seed=5)
    for value in network.values.values():
        value.data *= 3
    directory = tmp_path / "individual"
    directory.mkdir()
    save_individual(network, {}, directory)
    return directory


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A set of five images at two epsilons."""
    images = torch.rand((2, 5, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    facts = {
        **{"attack": "pgd-linf", "crafted_on": "another", "data": "made-up digits"},
        **{"epsilons": (0.05, 0.2), "sha256": sha256_of(images)},
    }
    labels = torch.zeros(5, dtype=torch.int64)
    save_tensors({"inputs": images, "labels": labels}, tmp_path / "inputs.safetensors", facts)
    return tmp_path


def test_trained_weights_on_crafted_inputs(trained: Path, inputs: Path) -> None:
    """A row per epsilon, of the first images; the spikes are those of the saved network."""
    from experiments.single import read_inputs
    from experiments.training import load_individual

    result = told(trained, "--inputs", inputs, "--images", 3)
    assert result.exit_code == 0
    images = read_inputs(inputs)[0]["inputs"][:, :3]
    expected = [spikes(load_individual(trained), each) for each in images]
    assert "on made-up digits" in result.output
    for epsilon, count in zip(("0.05", "0.2"), expected, strict=True):
        cells = row(result.output, "mine", "3", "pgd-linf", "at", epsilon)
        assert cells[:2] == [f"{count:,}", "0"]
        assert 0 < float(cells[2]) < 1e-10 < float(cells[3])
    steps = wiring_named("fc-bl-spiking").steps
    assert f"0 spikes differ, of {sum(expected):,} in {6 * 256 * steps:,} compared" in result.output
    assert "Nobody" not in result.output
    assert "drawn from seed" not in result.output


@pytest.mark.parametrize("way", ["synapses", "product"])
def test_first_weights_are_drawn_from_the_seed_and_that_is_said(
    empty_cache: Path, way: str
) -> None:
    result = told("fc-b-spiking", "--images", 2, "--seed", 7, "--way", way)
    assert result.exit_code == 0
    cells = row(result.output, "fc-b-spiking", "2", "clean")
    assert int(cells[0]) > 0
    assert "The weights of fc-b-spiking are drawn from seed 7: nobody trained them" in result.output
    assert f"Brian2 by {way}." in result.output
    assert "scikit-learn digits" in result.output


def test_a_wiring_file_and_several_networks(
    empty_cache: Path, tmp_path: Path, trained: Path
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(wiring_named("fc-bt-spiking").replace(name="own").to_toml())
    result = told(path, trained, "--images", 1)
    assert result.exit_code == 0
    assert row(result.output, "own", "1", "clean")
    assert row(result.output, "mine", "1", "clean")
    assert "The weights of own are drawn from seed 0" in result.output


def test_a_difference_is_named_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, trained: Path, inputs: Path
) -> None:
    first = Mismatch(2, "h1", 77, 4, 1.0000000001, 0.9999999999, 1.0)

    def differ(
        network: Network, images: torch.Tensor, way: str | None, done: Callable[[int], None]
    ) -> Agreement:
        return Agreement(len(images), 1000, 50, 3, 2e-10, 1e-10, ("product",), first)

    monkeypatch.setattr("experiments.replica.compare", differ)
    result = told(trained, "--inputs", inputs)
    assert result.exit_code == 1
    assert row(result.output, "mine", "5", "pgd-linf", "at", "0.2")[1] == "3"
    assert (
        "mine, pgd-linf at 0.2: first differing at image 2, area 'h1', unit 77, step 4: the "
        "membrane is 1.0000000001 on torch and 0.9999999999 on Brian2, 1e-10 from the threshold 1.0"
    ) in result.output
    assert "6 spikes differ, of 100 in 2,000 compared" in result.output


def test_it_fits_80_columns(empty_cache: Path) -> None:
    result = told("conv-blt-modular-spiking-control-compute", "--images", 1, columns=80)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout


def test_without_names_the_catalogues_spiking_networks_are_meant() -> None:
    expected = [n for n in NAMES if any(a.unit.model == "lif" for a in wiring_named(n).areas)]
    assert spiking_names() == expected
    assert len(expected) == 53


def test_what_cannot_be_compared_is_refused(empty_cache: Path, tmp_path: Path) -> None:
    assert "'fc-blt' has no spiking units" in sentence("fc-blt", "--images", 1)
    assert "import path; only wirings" in sentence("module:network")
    assert "did you mean 'synapses'" in sentence("fc-b-spiking", "--way", "synapse")
    assert "Name the networks" in sentence("--run", tmp_path)
    assert "holds no trained network" in sentence(tmp_path)
    assert "did you mean 'fc-b-spiking'" in sentence("fc-b-spikin")
    assert "not a set of crafted inputs" in sentence("fc-b-spiking", "--inputs", tmp_path)


def test_a_delay_shorter_than_a_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    text = wiring_named("fc-b-spiking").replace(name="own").to_toml()
    path.write_text(text.replace("delay = 1", "delay = 0", 1))
    says = sentence(path)
    assert "projections.0.delay" in says
    assert "greater than or equal to 1, not 0" in says


def test_weights_that_are_not_numbers_are_refused(empty_cache: Path, trained: Path) -> None:
    from experiments.training import load_individual

    network = load_individual(trained)
    network.values["weight/h1>h1"].data[0, 0] = np.nan
    save_individual(network, {}, trained)
    assert "'weight/h1>h1' of 'mine' holds values that are not finite (1 of 16384)" in sentence(
        trained, "--images", 1
    )
