"""The comparison as a whole: what it leaves behind is what was measured."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments import load_network, load_result
from experiments.bring import imported
from experiments.compare import compare
from experiments.single import read_inputs
from experiments.spec import Spec
from experiments.statistics import summarise
from networks import BlindspotsError

NETWORKS = ["fc-b", "fc-blt", "mine", "brought_model:TimeAveraged"]


@pytest.fixture(scope="module")
def result(small_run: Path) -> xr.Dataset:
    return load_result(small_run)


def network_of(run: Path, name: str, individual: int) -> torch.nn.Module:
    return imported(name) if ":" in name else load_network(run, name, individual)


def test_the_result_is_labelled_by_what_was_asked(result: xr.Dataset) -> None:
    assert list(result["network"].values) == NETWORKS
    assert list(result["source"].values) == ["independent-fc-b", *NETWORKS]
    assert result["correct"].dims == (
        *("network", "individual", "source", "attack", "epsilon", "image"),
    )
    assert result.sizes["image"] == 40
    assert result.attrs["data"].startswith("scikit-learn digits")
    assert result["recurrence"].sel(network="fc-blt") == "both"
    assert int(result["parameters"].sel(network="brought_model:TimeAveraged")) == 7850


def test_every_outcome_follows_from_saved_weights_and_saved_inputs(
    small_run: Path, result: xr.Dataset
) -> None:
    """Recomputed from the files alone, each prediction in the result comes out again."""
    compared = 0
    for directory in sorted((small_run / "inputs").iterdir()):
        tensors, facts = read_inputs(directory)
        attack = facts["attack"]
        source, individual = directory.name.removesuffix(f"-{attack}").rsplit("-", 1)
        source = next(s for s in result["source"].values if s.replace(":", "_") == source)
        for name in NETWORKS:
            here = result["prediction"].sel(
                network=name, individual=int(individual), source=source, attack=attack
            )
            if ":" in name and int(individual) > 0:
                assert (here == -1).all()
                continue
            network = network_of(small_run, name, int(individual))
            with torch.no_grad():
                answers = torch.stack([network(x).argmax(1) for x in tensors["inputs"]])
            np.testing.assert_array_equal(here.values, answers.numpy())
            compared += 1
    assert compared > 20


def test_saved_inputs_carry_the_hash_of_their_bytes(small_run: Path) -> None:
    provenance = json.loads((small_run / "provenance.json").read_text())
    for directory in (small_run / "inputs").iterdir():
        tensors, _ = read_inputs(directory)
        digest = hashlib.sha256(tensors["inputs"].numpy().tobytes()).hexdigest()
        assert provenance["inputs_sha256"][directory.name] == digest


def test_tampered_inputs_are_refused(small_run: Path, tmp_path: Path) -> None:
    whole = (small_run / "inputs" / "fc-b-0-pgd-linf" / "inputs.safetensors").read_bytes()
    changed = bytearray(whole)
    for at in range(len(whole) // 2, len(whole), 5000):
        changed[at] ^= 1
    (tmp_path / "inputs.safetensors").write_bytes(changed)
    with pytest.raises(BlindspotsError, match="SHA-256 differs"):
        read_inputs(tmp_path)


def test_white_box_is_at_least_as_strong_as_noise(result: xr.Dataset) -> None:
    summary = summarise(result, [], generator=np.random.default_rng(0), resamples=50)
    white = summary["accuracy"].sel(view="white-box", attack="pgd-linf", epsilon=0.2)
    noise = summary["accuracy"].sel(view="same-inputs", attack="uniform", epsilon=0.2)
    trained = ["fc-b", "fc-blt", "mine"]
    assert (summary["clean_accuracy"].sel(network=trained) > 0.8).all()
    assert (white.sel(network=trained) < 0.1).all()
    assert (noise.sel(network=trained) > white.sel(network=trained) + 0.5).all()


def test_noise_is_made_once_for_all(result: xr.Dataset) -> None:
    noise = result["correct"].sel(attack="uniform")
    assert (noise.sel(source="fc-b") == -1).all()
    assert (noise.sel(source="independent-fc-b", individual=0) >= 0).all()


def test_distances_keep_to_the_budget(result: xr.Dataset) -> None:
    far = result["distance_linf"].sel(attack="pgd-linf")
    over = far - result["epsilon"]
    assert float(over.max()) <= 1e-6
    assert float(far.sel(epsilon=0.2, source="fc-b").mean()) > 0.19


def test_the_run_directory_holds_what_a_reader_needs(small_run: Path) -> None:
    for name in ("spec.toml", "provenance.json", "result.nc", "report.html", "log.jsonl"):
        assert (small_run / name).stat().st_size > 0
    assert (small_run / "figures" / "curves-pgd-linf.png").exists()
    page = (small_run / "report.html").read_text()
    assert "This is not MNIST" in page
    assert 'src="data:image/png;base64,' in page
    assert "://" not in page.partition("<pre>")[0]  # base64 has no colon


def test_the_same_comparison_again_computes_nothing(
    small_run: Path,
    small_spec: Spec,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("experiments.compare.finish", lambda *given: None)
    again = shutil.copytree(small_run, tmp_path / "run")
    before, old = (again / "log.jsonl").read_text(), load_result(again)
    new = compare(small_spec, again, console=Console(quiet=True), device="cpu")
    assert (again / "log.jsonl").read_text() == before
    xr.testing.assert_identical(new.drop_attrs(), old.drop_attrs())


def test_another_comparison_does_not_overwrite_a_run(small_run: Path, small_spec: Spec) -> None:
    other = small_spec.model_copy(update={"seed": 1})
    with pytest.raises(BlindspotsError, match="holds another experiment"):
        compare(other, small_run, console=Console(quiet=True))


def test_a_directory_with_other_files_is_left_alone(small_spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BlindspotsError, match="no experiment's"):
        compare(small_spec, tmp_path, console=Console(quiet=True))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_loaded_networks_are_differentiable_by_their_input(small_run: Path) -> None:
    network = load_network(small_run, "fc-blt", 1)
    images = torch.rand(3, 1, 28, 28, requires_grad=True)
    logits = network(images)
    assert logits.shape == (3, 10)
    logits.sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("name", "individual", "says"),
    [("fc-blx", 0, "did you mean 'fc-b"), ("fc-b", 7, "it has 0, 1")],
)
def test_networks_that_a_run_lacks(small_run: Path, name: str, individual: int, says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        load_network(small_run, name, individual)


def test_results_of_another_format_are_refused(small_run: Path, tmp_path: Path) -> None:
    result = load_result(small_run)
    result.attrs["format"] = 99
    result.to_netcdf(tmp_path / "result.nc", engine="netcdf4")
    with pytest.raises(BlindspotsError, match="format 99"):
        load_result(tmp_path)


def test_damaged_results_are_refused(small_run: Path, tmp_path: Path) -> None:
    half = (small_run / "result.nc").read_bytes()[:3000]
    (tmp_path / "result.nc").write_bytes(half)
    with pytest.raises(BlindspotsError, match="not a labelled result"):
        load_result(tmp_path)
