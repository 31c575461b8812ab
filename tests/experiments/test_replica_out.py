"""What ``blindspots replica --out`` keeps and draws, and that it is nothing without --out."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner, Result

from experiments.cli import app
from experiments.data.dataset import load_data, scored_images
from experiments.recordings import MOST, first_true, fooled
from experiments.training import load_individual, save_individual
from experiments.units import save_tensors, sha256_of
from networks import BlindspotsError, wiring_named
from sim import Network, run

FIGURES = {f"{name}.png" for name in ("raster", "traces", "rates")}


def told(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["replica", *map(str, arguments)], env={"COLUMNS": "250"})


def sentence(*arguments: object) -> str:
    result = told(*arguments)
    assert isinstance(result.exception, BlindspotsError), result.output
    return str(result.exception)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run with the weights of an individual called "mine"; here its directory."""
    wiring = wiring_named("FC100-100-10-spiking").replace(name="mine")
    directory = tmp_path / "run" / "networks" / "mine" / "individual-0"
    directory.mkdir(parents=True)
    save_individual(Network.initial(wiring, seed=5), {}, directory)
    return directory


@pytest.fixture
def inputs(trained: Path, empty_cache: Path) -> Path:
    """A set of the run: twelve digits, darkened at one epsilon and upside down at the next."""
    data = load_data()
    split = scored_images(data, 12)[0]
    images = torch.stack([0.9 * split.images, split.images.flip(2)])
    facts = {
        **{"attack": "pgd-linf", "crafted_on": "mine", "data": data.name},
        **{"epsilons": (0.05, 0.2), "sha256": sha256_of(images)},
    }
    directory = trained.parents[2] / "inputs" / "mine-0-pgd-linf"
    directory.mkdir(parents=True)
    tensors = {"inputs": images, "labels": split.labels}
    save_tensors(tensors, directory / "inputs.safetensors", facts)
    return directory


def test_nothing_is_written_without_out(
    trained: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = set(tmp_path.rglob("*"))
    assert told(trained, "--inputs", inputs, "--images", 2).exit_code == 0
    assert set(tmp_path.rglob("*")) == before


def test_recordings_and_figures_of_clean_images(
    trained: Path, empty_cache: Path, tmp_path: Path
) -> None:
    result = told(trained, "--images", 12, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert f"Recordings and figures: {tmp_path / 'out'}" in result.output.replace("\n", "")
    folder = tmp_path / "out" / "mine"
    assert names(folder) == {"clean-torch.nc", "clean-brian2.nc", *FIGURES}
    data = load_data()
    split, index = scored_images(data, MOST)
    expected = run(load_individual(trained).double(), split.images.double())
    for simulator in ("torch", "brian2"):
        kept = xr.load_dataset(folder / f"clean-{simulator}.nc", engine="netcdf4")
        assert kept.attrs["simulator"] == simulator
        assert kept.attrs["data"] == data.name
        assert kept.attrs["weights"] == "trained"
        assert kept["image"].values.tolist() == index.tolist()
        assert kept["label"].values.tolist() == split.labels.tolist()
        for name in ("h1.output", "h2.potential", "logits"):
            np.testing.assert_allclose(kept[name], expected[name], atol=1e-12)
        assert kept["h1.output"].attrs["threshold"] == 1.0


def test_of_crafted_inputs_the_largest_epsilon_beside_the_clean_images(
    trained: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set is called as in the run."""
    run_directory = trained.parents[2]
    words = ("mine", "--run", run_directory, "--inputs", inputs.name, "--images", 3)
    assert told(*words, "--out", tmp_path / "out").exit_code == 0
    both = {f"{what}-{on}.nc" for what in ("clean", "pgd-linf-0.2") for on in ("torch", "brian2")}
    folder = tmp_path / "out" / "mine"
    assert names(folder) == {*both, *FIGURES, "contrast.png"}
    clean, crafted = (
        xr.load_dataset(folder / f"{what}-torch.nc", engine="netcdf4")
        for what in ("clean", "pgd-linf-0.2")
    )
    assert crafted.attrs["attack"] == "pgd-linf"
    assert crafted.attrs["epsilon"] == 0.2
    pixels = [each["input.output"].values[0].reshape(-1, 28, 28) for each in (clean, crafted)]
    np.testing.assert_array_equal(pixels[1], pixels[0][:, ::-1])
    monkeypatch.setattr("experiments.recordings.draw", lambda *given: None)
    chosen = tmp_path / "chosen"
    assert told(*words, "--out", chosen, "--epsilon", 0.05).exit_code == 0
    assert "pgd-linf-0.05-brian2.nc" in names(chosen / "mine")


def test_untrained_weights_are_said_in_the_recordings(empty_cache: Path, tmp_path: Path) -> None:
    result = told("fc-b-spiking", "--images", 1, "--seed", 3, "--out", tmp_path)
    assert result.exit_code == 0
    kept = xr.load_dataset(tmp_path / "fc-b-spiking" / "clean-torch.nc", engine="netcdf4")
    assert kept.attrs["weights"] == "drawn from seed 3"


def test_the_contrast_shows_a_fooled_image() -> None:
    logits = np.eye(3)[[0, 1, 1, 2]]
    label = {"label": ("image", [0, 2, 1, 2])}
    clean = xr.Dataset({"logits": (("image", "class"), logits)}, coords=label)
    crafted = xr.Dataset({"logits": (("image", "class"), np.eye(3)[[0, 1, 0, 0]])}, coords=label)
    which = fooled(clean, crafted)
    assert which.values.tolist() == [False, False, True, True]
    assert first_true(which) == 2
    assert first_true(which & False) == 0


def test_what_cannot_be_kept_is_one_sentence(trained: Path, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (trained, "--inputs", inputs, "--images", 2)
    assert "choose from 0.05, 0.2" in sentence(*words, "--out", out, "--epsilon", 0.1)
    assert "give both" in sentence(*words, "--epsilon", 0.2)
    assert "give both" in sentence(trained, "--out", out, "--epsilon", 0.2)
    assert "called 'mine'" in sentence(trained, *words, "--out", out)
    assert not out.exists()
    out.write_text("in the way")
    assert f"'{out}' cannot be written" in sentence(*words, "--out", out)
    assert out.read_text() == "in the way"


def test_inputs_of_other_data_have_no_clean_images(
    trained: Path, empty_cache: Path, tmp_path: Path
) -> None:
    images = torch.rand((1, 2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    facts = {
        **{"attack": "fgsm", "crafted_on": "another", "data": "MNIST"},
        **{"epsilons": (0.1,), "sha256": sha256_of(images)},
    }
    labels = torch.zeros(2, dtype=torch.int64)
    save_tensors({"inputs": images, "labels": labels}, tmp_path / "inputs.safetensors", facts)
    words = (trained, "--inputs", tmp_path)
    assert told(*words).exit_code == 0
    assert "crafted from other images (MNIST)" in sentence(*words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_half_file(
    trained: Path, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    words = (trained, "--images", 1, "--out", tmp_path / "out")
    for target in ("xarray.Dataset.to_netcdf", "matplotlib.figure.Figure.savefig"):
        with monkeypatch.context() as patch:
            patch.setattr(target, full)
            assert "cannot be written (No space left on device)" in sentence(*words)
        assert not [name for name in names(tmp_path / "out" / "mine") if name.startswith(".")]
