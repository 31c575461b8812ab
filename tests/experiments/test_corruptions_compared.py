"""A comparison on corrupted images: everyone on the same bytes, and its numbers by hand."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console
from safetensors.torch import load_file

from experiments import load_network, load_result
from experiments.bench import Bench, scored
from experiments.bring import imported
from experiments.compare import compare, finish, summarised
from experiments.corruptions import MNIST_C, corrupt, corruption_named
from experiments.corruptions.comparison import corrupted_sets
from experiments.inputs import Corrupt
from experiments.single import read_inputs, score_saved
from experiments.spec import Spec, spec_from
from experiments.statistics.corruptions import mean_errors
from experiments.units import product
from networks import BlindspotsError

Working = Callable[..., AbstractContextManager]
NETWORKS = ["fc-b", "fc-blt", "mine", "brought_model:TimeAveraged"]
ASKED = ["shot_noise", "stripe", "rotation"]


@pytest.fixture(scope="module")
def spec(small_settings: dict[str, object]) -> Spec:
    return spec_from(small_settings, corruptions=ASKED)


@pytest.fixture(scope="module")
def run(
    small_run: Path, spec: Spec, here_on_digits: Working, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small comparison once more, with corruptions; its figures are another test's."""
    out = tmp_path_factory.mktemp("corrupted") / "run"
    with here_on_digits() as work:
        compare(spec, out, console=Console(quiet=True), device="cpu")
    assert {unit.stage for unit in work.done} == {"corrupt", "score"}
    return out


@pytest.fixture(scope="module")
def result(run: Path) -> xr.Dataset:
    return load_result(run)


def test_every_answer_follows_from_saved_weights_and_saved_images(
    run: Path, result: xr.Dataset
) -> None:
    assert list(result["corruption"].values) == ASKED
    assert result["corruption_correct"].dims == (
        *("network", "individual", "corruption", "severity", "image"),
    )
    for name in ASKED:
        tensors, facts = read_inputs(run / "corrupted" / name)
        for network in NETWORKS:
            model = imported(network) if ":" in network else load_network(run, network, 0)
            for severity, images in zip(facts["epsilons"], tensors["inputs"], strict=True):
                here = result.sel(network=network, individual=0, corruption=name, severity=severity)
                with torch.no_grad():
                    answers = model(images)
                answers = answers.mean(0) if answers.ndim == 3 else answers
                predicted = answers.argmax(1)
                np.testing.assert_array_equal(here["corruption_prediction"], predicted)
                right = (predicted == tensors["labels"]).to(torch.int8)
                np.testing.assert_array_equal(here["corruption_correct"], right)
        measured = (result["corruption_correct"] >= 0).sel(corruption=name, individual=0)
        assert list(result["severity"][measured.all(["network", "image"])]) == facts["epsilons"]
        assert int(measured.any(["network", "image"]).sum()) == len(facts["epsilons"])


def test_saved_images_are_those_of_the_corruption_and_carry_their_hash(
    run: Path, bench: Bench, spec: Spec
) -> None:
    hashes = json.loads((run / "provenance.json").read_text())["inputs_sha256"]
    clean = scored(bench, 40).images[:, 0].numpy()
    for name, unit in corrupted_sets(spec, bench).items():
        tensors, _ = read_inputs(run / "corrupted" / name)
        digest = hashlib.sha256(tensors["inputs"].numpy().tobytes()).hexdigest()
        assert hashes[f"corrupted/{name}"] == digest
        for severity, images in zip(unit.severities, tensors["inputs"], strict=True):
            generator = np.random.default_rng(unit.seed)
            again = corrupt(name, clean, severity=severity, generator=generator)
            np.testing.assert_array_equal(images[:, 0], again)


def test_what_was_measured_without_corruptions_stays_as_it_is(
    small_run: Path, result: xr.Dataset
) -> None:
    before = load_result(small_run)
    assert "corruption_correct" not in before
    for name in before.variables:
        xr.testing.assert_equal(before[name].variable, result[name].variable)


def test_levels_and_defaults_are_labelled(result: xr.Dataset) -> None:
    assert result["default_severity"].values.tolist() == [5, 1, 0]
    assert result["corruption_kind"].values.tolist() == ["mnist-c", "mnist-c", "sweep"]
    levels = result["corruption_level"]
    assert levels.sel(corruption="rotation").values.tolist() == [10, 20, 30, 45, 60, 90]
    assert float(levels.sel(corruption="shot_noise", severity=5)) == 3
    assert np.isnan(levels.sel(corruption="stripe")).all()
    examples = result["example_corrupted"]
    assert np.isfinite(examples.sel(corruption="rotation")).all()
    assert np.isnan(examples.sel(corruption="stripe", severity=slice(2, None))).all()


def test_the_same_comparison_again_computes_nothing(
    run: Path, spec: Spec, work_here: Working, cache: Path
) -> None:
    with work_here() as work:
        compare(spec, run, console=Console(quiet=True), device="cpu")
    assert not work.done


def test_the_page_and_the_terminal_state_the_results_numbers(
    run: Path, result: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("figures.draw_all", lambda *given: {})
    console = Console(width=80, record=True, file=(tmp_path / "said").open("w"))
    finish(tmp_path, result, console)
    said = console.export_text()
    page = (tmp_path / "report.html").read_text().split("Accuracy on corrupted images")[1]
    assert "MNIST-C-style, re-implemented" in page
    for name in NETWORKS:
        right = result["corruption_correct"].sel(network=name) == 1
        right = right.where(result["corruption_correct"].sel(network=name) >= 0)
        both = [right.sel(corruption=c, severity=s) for c, s in (("shot_noise", 5), ("stripe", 1))]
        cells = page.split(f"<tr><td>{name}</td>")[1].split("</tr>")[0]
        for each in both:
            assert f"<td>{100 * float(each.mean()):.1f}</td>" in cells
        mean = np.mean([float(each.mean()) for each in both])
        assert f"<td>{100 * mean:.1f} [" in cells
        assert f"{100 * mean:.1f} [" in said
    assert "<td>1.00 [1.00, 1.00]</td>" in page.split("<tr><td>fc-b</td>")[1]
    assert max(map(len, said.splitlines()[:-1])) <= 80
    assert "…" not in said


def test_saved_images_score_any_network(run: Path, result: xr.Dataset, tmp_path: Path) -> None:
    console = Console(width=120, record=True, file=(tmp_path / "said").open("w"))
    score_saved(run / "corrupted" / "stripe", "fc-b", run, 1, console)
    right = result["corruption_correct"].sel(network="fc-b", individual=1, corruption="stripe")
    said = console.export_text()
    assert f"{100 * float(right.sel(severity=1).mean()):.1f}" in said
    assert "severity" in said


def test_a_summary_rests_on_what_was_measured(result: xr.Dataset) -> None:
    one = result.copy(deep=True)
    one["corruption_correct"].loc[{"network": "fc-blt", "corruption": "stripe"}] = -1
    one["corruption_correct"].loc[{"network": "fc-b", "individual": 0}] = -1
    summary = summarised(one)
    assert np.isnan(summary["mean_corruption_error"].sel(network="fc-blt"))
    assert np.isnan(summary["corruption_accuracy"].sel(network="fc-blt", corruption="stripe")).all()
    assert str(summary["corruption_baseline"].values) == "fc-b"
    alone = result["corruption_correct"].sel(network="fc-b", individual=1, corruption="stripe")
    np.testing.assert_allclose(
        summary["corruption_accuracy"].sel(network="fc-b", corruption="stripe", severity=1),
        float(alone.sel(severity=1).mean()),
    )
    nothing = result.copy(deep=True)
    nothing["corruption_correct"][:] = -1
    assert "corruption_accuracy" not in summarised(nothing)


# --- the mean corruption error


def test_mean_errors_by_hand() -> None:
    base = np.zeros((2, 1, 10))
    base[0, 0, :2] = base[1, 0, :5] = 1
    worse = np.zeros((2, 2, 10))
    worse[0, :, :4] = worse[1, 0, :5] = 1
    rows = mean_errors(
        {"base": base, "worse": worse}, "base",
        generator=np.random.default_rng(0), resamples=300,
    )  # fmt: skip
    np.testing.assert_allclose(rows["base"][3:], 1)
    np.testing.assert_allclose(rows["base"][0], 1 - (0.2 + 0.5) / 2)
    np.testing.assert_allclose(rows["worse"][0], 1 - (0.4 + 0.25) / 2)
    np.testing.assert_allclose(rows["worse"][3], (2.0 + 0.5) / 2)
    assert rows["worse"][4] < rows["worse"][3] < rows["worse"][5]


def test_no_errors_count_as_half_an_image() -> None:
    none, some = np.zeros((1, 1, 20)), np.zeros((1, 1, 20))
    some[0, 0, :3] = 1
    rows = mean_errors(
        {"none": none, "some": some}, "none", generator=np.random.default_rng(0), resamples=100
    )
    assert rows["some"][3] == pytest.approx(6.0)
    np.testing.assert_array_equal(rows["none"], [1, 1, 1, 1, 1, 1])
    assert np.isfinite(rows["some"]).all()


def test_intervals_of_the_mean_are_as_wide_as_theory_says() -> None:
    """Images are redrawn whole: where all corruptions fool on the same images, nothing averages."""
    rng = np.random.default_rng(1)
    alike = np.repeat((rng.random((1, 1, 1000)) < 0.3).astype(float), 5, axis=0)
    apart = (rng.random((5, 1, 1000)) < 0.3).astype(float)
    rows = mean_errors({"alike": alike, "apart": apart}, "alike", generator=rng, resamples=2000)
    for name, errors in (("alike", alike), ("apart", apart)):
        expected = 2 * 1.96 * errors.mean((0, 1)).std() / np.sqrt(1000)
        assert rows[name][2] - rows[name][1] == pytest.approx(expected, rel=0.1)


# --- the files of MNIST-C, and mistakes


def test_files_of_mnist_c_are_scored_as_they_are(tmp_path: Path, cache: Path, bench: Bench) -> None:
    (tmp_path / "fog").mkdir()
    array = np.random.default_rng(0).integers(0, 256, (10000, 28, 28, 1), np.uint8)
    np.save(tmp_path / "fog" / "test_images.npy", array)
    unit = Corrupt("fog", (5,), 30, 0, bench, tmp_path, "abc")
    assert unit.origin == "MNIST-C"
    assert unit.key != Corrupt("fog", (5,), 30, 0, bench, tmp_path, "abd").key
    assert unit.key == Corrupt("fog", (5,), 30, 7, bench, Path("elsewhere"), "abc").key
    unit.run(lambda done, score: None)
    from experiments.data.dataset import scored_images

    chosen = scored_images(bench.load(), 30)[1]
    inputs = load_file(product(unit))["inputs"]
    assert inputs.shape == (1, 30, 1, 28, 28)
    np.testing.assert_array_equal(np.rint(255 * inputs[0, :, 0].numpy()), array[chosen, :, :, 0])


def test_mnist_c_goes_with_mnist_alone(spec: Spec, bench: Bench) -> None:
    with pytest.raises(BlindspotsError, match="go with MNIST, not with scikit-learn digits"):
        corrupted_sets(spec.model_copy(update={"mnist_c": "somewhere"}), bench)


def test_severities_of_a_comparison(spec: Spec, bench: Bench) -> None:
    some = spec.model_copy(update={"corruptions": ("mnist-c", "contrast")})
    sets = corrupted_sets(some, bench)
    assert {n: s.severities for n, s in sets.items() if n != "contrast"} == {
        c.name: (c.default,) for c in MNIST_C
    }
    assert sets["contrast"].severities == (1, 2, 3, 4, 5, 6, 7)
    assert len({each.seed for each in sets.values()}) == len(sets)
    every = corrupted_sets(some.model_copy(update={"severities": "all"}), bench)
    assert every["fog"].severities == (1, 2, 3, 4, 5)
    assert every["stripe"].severities == (1,)
    assert every["fog"].seed == sets["fog"].seed
    assert corruption_named("fog").level() == corruption_named("fog").level(5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"corruptions": ["fogg"]}, "did you mean 'fog'"),
        ({"corruptions": ["fog", "fog"]}, "'fog' is given twice"),
        ({"severities": "some"}, "severities"),
        ({"severities": "all", "mnist_c": "x"}, "hold one severity"),
    ],
)
def test_mistakes_in_a_specification_are_named(
    small_settings: dict[str, object], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(BlindspotsError, match=says):
        spec_from({**small_settings, **changes})
