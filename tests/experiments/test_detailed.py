"""Cells in a comparison and in ``blindspots detailed``: measured, kept, said and refused."""

import contextlib
import io
import json
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments import cli, load_network, load_result
from experiments.bench import Bench, scored
from experiments.compare import bench_for, compare
from experiments.detailed import Aim, conditions, detail, variants
from experiments.detailed_report import accuracy_table, activity_table, matching, number, survival
from experiments.examine import MEASURES, Condition, Examine, on_torch_in_ms
from experiments.plan import plan
from experiments.result import assemble
from experiments.single import read_inputs
from experiments.spec import Spec, read_settings, read_spec, spec_from
from experiments.store import unit_path
from experiments.training import load_individual
from experiments.units import CALIBRATED_ON, Unit, is_complete
from networks import INGREDIENTS, BlindspotsError, Physiology, physiology_from, wiring_named
from sim import run as run_trained
from sim.brian.detailed import Detailed, calibrate
from tests.experiments.conftest import digits_alone

NAME, CELLS = "tiny-spiking", "tiny-spiking@detailed"
IMAGES, STEPS, EPSILON = 24, 8, 0.1
VARIANTS = ["torch", "bare", *INGREDIENTS, "together"]
SHOWN = ["clean", "uniform", "same inputs", "torch's own"]
PHYSIOLOGY = "dt_ms = 1.0\ningredients = ['currents', 'jitter', 'noise', 'heterogeneity']\n"
WIRING = """
name = "tiny-spiking"
steps = 8
areas = [
  { name = "input", shape = [1, 28, 28], unit = { model = "input" } },
  { name = "v1", shape = [24], unit = { model = "lif", beta = 0.9, threshold = 1.0 } },
  { name = "v2", shape = [16], unit = { model = "lif", beta = 0.8, threshold = 1.0 } },
  { name = "output", shape = [10], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "v1" },
  { source = "v1", target = "v2" },
  { source = "v2", target = "v1", kind = "top-down" },
  { source = "v2", target = "output" },
]
"""
Call = Callable[..., tuple[int, str, str]]


class Work:
    """Stands in for the worker processes: works on units here, and counts them."""

    def __init__(self, most: int = 1000):
        self.most, self.done = most, list[Unit]()

    def __call__(self, units: Iterable[Unit], workers: int, tell: Callable[..., None]) -> dict:
        for unit in units:
            self(unit.needs, workers, tell)
            if is_complete(unit):
                continue
            if len(self.done) == self.most:
                raise KeyboardInterrupt
            tell({"what": "planned", "unit": unit})
            tell({"what": "started", "unit": unit})
            unit.run(lambda done, score: None)
            tell({"what": "done", "unit": unit, "seconds": 0.0})
            self.done.append(unit)
        return {}


@contextlib.contextmanager
def working(work: Work) -> Iterator[Work]:
    """Units are worked on by ``work``; figures are coarse, those of comparisons left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.compare.complete", work)
        patch.setattr("experiments.detailed.complete", work)
        patch.setattr("figures.draw_all", lambda *given: {})
        patch.setattr("figures.save.DPI", 30)
        patch.setattr("figures.save.FORMATS", {"png": {}})
        yield work


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("detailed")
    (directory / "tiny.toml").write_text(WIRING)
    (directory / "cells.toml").write_text(PHYSIOLOGY)
    return directory


@pytest.fixture(scope="module")
def settings(here: Path) -> dict[str, Any]:
    return {
        "networks": ["FC10", str(here / "tiny.toml")],
        "sources": ["FC10"],
        "individuals": 1,
        "images": IMAGES,
        "attacks": ["uniform", "pgd-linf"],
        "epsilons": [0.05, EPSILON],
        "reference_attack": "pgd-linf",
        "reference_epsilon": EPSILON,
        "training": {"epochs": 10, "batch": 50, "rate": 5e-3},
        "seed": 1,
        "options": {"pgd-linf": {"steps": 8}},
        "engine": "detailed",
        "physiology": {
            "dt_ms": 1.0,
            "ingredients": ["currents", "jitter", "noise", "heterogeneity"],
        },
    }


@pytest.fixture(scope="module")
def spec(settings: dict[str, Any]) -> Spec:
    return spec_from(settings)


@pytest.fixture(scope="module", autouse=True)
def alone(here: Path) -> Iterator[None]:
    """The bundled digits, and a cache for these tests."""
    with digits_alone(here / "cache"):
        yield


@pytest.fixture(scope="module")
def run(here: Path, spec: Spec) -> Path:
    with working(Work()):
        compare(spec, here / "run", device="cpu", console=Console(quiet=True))
    return here / "run"


@pytest.fixture(scope="module")
def result(run: Path) -> xr.Dataset:
    return load_result(run)


@pytest.fixture(scope="module")
def own_bench(run: Path) -> Bench:
    return bench_for(None, "cpu")


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Calls ``blindspots`` in an empty directory: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def told(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["blindspots", *map(str, words)])
        capsys.readouterr()
        with working(Work(0)), pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(end.value.code or 0), said.out, said.err

    return told


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """The run once more, to be changed."""

    def linked(source: str, target: str) -> None:
        if source.endswith((".nc", ".json", ".toml")):
            shutil.copy(source, target)
        else:
            os.link(source, target)

    leave = shutil.ignore_patterns("detailed")
    return shutil.copytree(run, tmp_path / "copy", copy_function=linked, ignore=leave)


def sentence(call: Call, *words: object) -> str:
    """What a command says that is refused: one sentence."""
    code, _, said = call(*words)
    assert code == 1
    last = said.splitlines()[-1]
    assert last.startswith("Error: ")
    assert said.count("Error: ") == 1
    return last.removeprefix("Error: ")


# --- a comparison with cells


def test_every_spiking_network_has_a_row_in_cells(result: xr.Dataset) -> None:
    assert list(result["network"].values) == ["FC10", NAME, CELLS]
    assert list(result["units"].values) == ["rate", "spiking", "cells"]
    cells, twin = result.sel(network=CELLS), result.sel(network=NAME)
    assert int(cells["macs"]) == -1
    assert int(cells["parameters"]) == int(twin["parameters"]) > 0
    assert cells["recurrence"] == twin["recurrence"] == "top-down"
    assert NAME in str(cells["role"].values)


def test_cells_are_scored_on_independent_and_their_twins_sets_alone(result: xr.Dataset) -> None:
    assert CELLS not in result["source"]
    assert (result["clean_correct"] >= 0).all()
    scored_on = {
        (str(source), str(attack)): (result["correct"] >= 0).sel(
            network=CELLS, source=source, attack=attack
        )
        for source in result["source"].values
        for attack in result["attack"].values
    }
    wanted = {("independent-FC10", "uniform"), ("independent-FC10", "pgd-linf"), (NAME, "pgd-linf")}
    for place, measured in scored_on.items():
        assert bool(measured.all()) == bool(measured.any()) == (place in wanted)
    assert set(scored_on) > wanted


def test_predictions_in_cells_follow_from_saved_weights_and_inputs(
    run: Path, result: xr.Dataset, own_bench: Bench
) -> None:
    cells = load_network(run, CELLS)
    assert isinstance(cells, Detailed)
    compared = 0
    for source, attack in (("independent-FC10", "uniform"), (NAME, "pgd-linf")):
        tensors, _ = read_inputs(run / "inputs" / f"{source}-0-{attack}")
        there = result["prediction"].sel(network=CELLS, individual=0, source=source, attack=attack)
        for at, images in enumerate(tensors["inputs"]):
            np.testing.assert_array_equal(there[at], cells(images).argmax(1))
            compared += 1
    assert compared == 4
    clean = cells(scored(own_bench, IMAGES).images).argmax(1)
    np.testing.assert_array_equal(result["clean_prediction"].sel(network=CELLS)[0], clean)
    assert float(result["clean_correct"].sel(network=CELLS).mean()) > 0.5


def test_cells_have_the_weights_of_their_twin_and_other_answers(
    run: Path, result: xr.Dataset
) -> None:
    cells, twin = load_network(run, CELLS), load_network(run, NAME)
    for name, values in twin.values.items():
        assert torch.equal(values, cells.network.values[name])
    assert (result["prediction"].sel(network=CELLS) != result["prediction"].sel(network=NAME)).any()
    facts = json.loads((run / "networks" / CELLS / "individual-0" / "cells.json").read_text())
    after, trained = facts["calibration"]["after"], facts["calibration"]["trained"]
    assert set(after) == {"v1", "v2"}
    for area, rate in trained.items():
        assert after[area] == pytest.approx(rate, rel=0.1)


def test_without_cells_the_other_rows_are_the_same(
    settings: dict[str, Any], spec: Spec, result: xr.Dataset, own_bench: Bench
) -> None:
    trained = spec_from({**settings, "engine": "torch", "physiology": None})
    planned, with_cells = plan(trained, own_bench), plan(spec, own_bench)
    keys = {place: unit.key for place, unit in with_cells.scores.items() if place[0] != CELLS}
    assert {place: unit.key for place, unit in planned.scores.items()} == keys
    assert planned.sets == with_cells.sets
    alone = assemble(trained, planned, own_bench)
    both = result.sel(network=["FC10", NAME])
    for name in ("correct", "prediction", "clean_prediction", "distance_linf"):
        np.testing.assert_array_equal(alone[name], both[name])
    assert (alone["correct"] >= 0).any()


def test_a_comparison_with_cells_that_has_ended_does_nothing_again(run: Path, spec: Spec) -> None:
    before = load_result(run)
    with working(Work()) as work:
        compare(spec, run, device="cpu", console=Console(quiet=True))
    assert work.done == []
    xr.testing.assert_identical(load_result(run).drop_attrs(), before.drop_attrs())


def test_the_report_has_the_row_in_cells(run: Path) -> None:
    assert CELLS in (run / "report.html").read_text()


def test_units_in_cells_travel_to_workers_whole(spec: Spec, own_bench: Bench) -> None:
    planned = plan(spec, own_bench)
    units = [unit for place, unit in planned.scores.items() if place[0] == CELLS]
    assert len(units) == 4
    for unit in units:
        again = pickle.loads(pickle.dumps(unit))
        assert again == unit
        assert again.key == unit.key
        assert again.network.stage == "embody"


def test_scores_of_cells_are_those_of_the_comparison(
    call: Call, run: Path, result: xr.Dataset
) -> None:
    code, out, _ = call("score", CELLS, "--run", run, "--inputs", f"{NAME}-0-pgd-linf")
    assert code == 0
    right = result["correct"].sel(network=CELLS, individual=0, source=NAME, attack="pgd-linf")
    for epsilon in (0.05, EPSILON):
        row = next(line for line in out.splitlines() if re.search(rf"\b{epsilon:g}\b", line))
        said = float(re.findall(r"\d+\.\d+", row)[-1])
        assert said == pytest.approx(100 * float(right.sel(epsilon=epsilon).mean()), abs=0.051)


def test_cells_are_neither_replicated_nor_exported(call: Call, run: Path) -> None:
    said = sentence(call, "replica", CELLS, "--run", run, "--images", 1)
    assert said == (
        f"'{CELLS}' runs in cells, and only trained units run in Brian2; name '{NAME}'."
    )
    said = sentence(call, "export", CELLS, "--run", run, "--to", "x.nir")
    assert said == (
        f"'{CELLS}' runs in cells, and only trained units can be exported; name '{NAME}'."
    )
    assert not Path("x.nir").exists()


# --- specifications with cells


def test_a_specification_with_cells_reads_back_equal(run: Path, spec: Spec) -> None:
    again = read_spec(run / "spec.toml")
    assert again == spec
    assert again.to_toml() == (run / "spec.toml").read_text()
    assert again.physiology is not None
    assert again.physiology.dt_ms == 1.0
    assert again.physiology.label == "currents + jitter + noise + heterogeneity"
    assert "capacitance_pf = 500.0" in spec.to_toml()  # defaults stand there, too


def test_the_detailed_engine_has_the_usual_physiology(settings: dict[str, Any]) -> None:
    assert spec_from({**settings, "physiology": None}).physiology == Physiology()
    trained = spec_from({**settings, "engine": "torch", "physiology": None})
    assert "physiology" not in trained.to_toml()


def test_cells_where_nothing_spikes_are_refused(call: Call) -> None:
    said = sentence(call, "compare", "--networks", "FC10", "--engine", "detailed", "--out", "new")
    assert said.startswith("None of the networks spikes, ")
    assert "fc-blt-spiking" in said
    assert not Path("new").exists()


def test_a_physiology_without_its_engine_is_refused(call: Call) -> None:
    Path("cells.toml").write_text(PHYSIOLOGY)
    said = sentence(call, "compare", "--physiology", "cells.toml", "--out", "new")
    assert said.startswith("The comparison cannot be run: physiology: it needs engine = ")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"dt_ms": 3.0}, ["dt_ms", "3 ms"]),
        ({"dt_ms": 0.3}, ["dt_ms", "0.3 ms"]),
        ({"dt_ms": 0}, ["dt_ms", "0"]),
        ({"jitter": 2.5}, ["jitter", "2.5"]),
        ({"capacitance_pf": -1.5}, ["capacitance_pf", "-1.5"]),
        ({"tau_spread": "much"}, ["tau_spread", "'much'"]),
        ({"threshold_mv": -71.5}, ["-71.5"]),
        ({"reversal_inhibitory_mv": -12.5}, ["reversal", "-12.5"]),
        ({"ingredients": ["magic"]}, ["ingredients", "'magic'"]),
        ({"ingredients": ["noise", "noise"]}, ["ingredients", "twice"]),
        ({"ingredients": ["currents", "conductances"]}, ["ingredients", "not both"]),
        ({"dt": 0.1}, ["'dt'", "dt_ms"]),
    ],
)
def test_physiologies_that_cannot_be_are_named(
    wrong: dict[str, Any], says: list[str], settings: dict[str, Any], call: Call, run: Path
) -> None:
    import tomli_w

    with pytest.raises(BlindspotsError) as alone:
        physiology_from(wrong)
    with pytest.raises(BlindspotsError) as within:
        spec_from({**settings, "physiology": wrong})
    Path("wrong.toml").write_text(tomli_w.dumps(wrong))
    said = sentence(call, "detailed", run, "--physiology", "wrong.toml")
    assert said == str(alone.value)
    for word in says:
        assert word in said
    assert next(iter(wrong)) in str(within.value) or says[0] in str(within.value)
    assert "\n" not in said + str(within.value)


def damage(facts: dict[str, Any], *where: str, value: Any) -> str:
    place = facts
    for name in where[:-1]:
        place = place[name]
    if value is None:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    return json.dumps(facts)


@pytest.mark.parametrize(
    "broken",
    [
        lambda facts: json.dumps(facts)[:50],
        lambda facts: "[]",
        lambda facts: "",
        lambda facts: damage(facts, "seed", value=None),
        lambda facts: damage(facts, "seed", value="x"),
        lambda facts: damage(facts, "physiology", value=[1]),
        lambda facts: damage(facts, "physiology", "dt_ms", value=3),
        lambda facts: damage(facts, "physiology", "dtms", value=3),
        lambda facts: damage(facts, "calibration", value=None),
        lambda facts: damage(facts, "calibration", "gains", value=3),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=None),
        lambda facts: damage(facts, "calibration", "gains", "v1", value="x"),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=[]),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=float("nan")),
        lambda facts: damage(facts, "calibration", "gains", "v1", value=-1),
        lambda facts: damage(facts, "calibration", "gains", "v3", value=1),
    ],
)
def test_damaged_cells_are_one_sentence(
    broken: Callable[[dict[str, Any]], str], copy: Path, call: Call
) -> None:
    path = copy / "networks" / CELLS / "individual-0" / "cells.json"
    path.write_text(broken(json.loads(path.read_text())))
    said = sentence(call, "score", CELLS, "--run", copy, "--inputs", f"{NAME}-0-pgd-linf")
    assert said.startswith(f"'{path}' cannot be read (")
    assert said.endswith("remove the directory that it lies in, and run the same command again.")


# --- the command detailed


@pytest.fixture(scope="module")
def said(run: Path, here: Path) -> str:
    """What ``blindspots detailed`` says in a terminal of 80 columns, on all images of the run."""
    console = Console(width=80, record=True, file=io.StringIO())
    with working(Work()):
        detail(
            run,
            [],
            individual=0,
            images=IMAGES,
            attack=None,
            epsilon=None,
            physiology=physiology_from(read_settings(here / "cells.toml")),
            data=None,
            workers=1,
            console=console,
        )
    return console.export_text()


@pytest.fixture(scope="module")
def out(run: Path, said: str) -> Path:
    return run / "detailed" / f"{NAME}-0"


@pytest.fixture(scope="module")
def activity(out: Path) -> xr.Dataset:
    return xr.load_dataset(out / "activity.nc", engine="h5netcdf")


def test_everything_lies_in_one_directory(out: Path) -> None:
    recordings = [f"{a}-{b}.nc" for a in ("clean", "adversarial") for b in ("torch", "brian2")]
    files = ["activity.nc", "figures", "log.jsonl", "report.html", *recordings]
    assert sorted(p.name for p in out.iterdir()) == sorted(files)
    names = ["ablations", "contrast", "raster", "rates", "traces"]
    drawn = sorted(p.name for p in (out / "figures").iterdir())
    assert drawn == [f"{name}.png" for name in names]


def test_activity_is_labelled_in_full(activity: xr.Dataset, result: xr.Dataset) -> None:
    assert [str(v) for v in activity["variant"].values] == VARIANTS
    assert [str(c) for c in activity["condition"].values] == SHOWN
    assert [str(a) for a in activity["area"].values] == ["v1", "v2"]
    for name in MEASURES:
        assert activity[name].dims == ("variant", "condition", "area")
        assert activity[name].attrs["long_name"] == MEASURES[name]
    assert activity["correct"].dims == ("variant", "condition", "image")
    assert activity["rate"].dims == ("variant", "condition", "area", "image")
    assert activity["gain"].dims == ("variant", "area")
    np.testing.assert_array_equal(activity["image"], result["image"])
    np.testing.assert_array_equal(activity["label"], result["label"])
    right = (activity["prediction"] == activity["label"]).astype(np.int8)
    np.testing.assert_array_equal(activity["correct"], right.transpose(*activity["correct"].dims))
    assert activity.attrs["network"] == NAME
    assert activity.attrs["epsilon"] == EPSILON
    assert activity.attrs["attack"] == "pgd-linf"


def test_torch_beside_itself_is_the_same(activity: xr.Dataset) -> None:
    torch_alone = activity.sel(variant="torch")
    np.testing.assert_allclose(torch_alone["rate_correlation"], 1)
    for name in ("divergence_from_torch", "isi_delta", "cv_delta"):
        np.testing.assert_array_equal(torch_alone[name], 0)
    assert torch_alone["gain"].isnull().all()
    cells = activity.drop_sel(variant="torch")
    assert (cells["divergence_from_torch"] > 0).all()
    assert (cells["rate_correlation"] < 1).all()
    moved = activity["divergence_from_clean"]
    np.testing.assert_array_equal(moved.sel(condition="clean"), 0)
    assert (moved.sel(condition="torch's own") > 0).all()


def compared_answers(result: xr.Dataset, network: str) -> np.ndarray:
    """The comparison's predictions under the conditions of ``detailed``."""
    here = result.sel(network=network, individual=0)
    at = here["prediction"].sel(epsilon=EPSILON)
    return np.stack(
        [
            here["clean_prediction"].values,
            at.sel(source="independent-FC10", attack="uniform").values,
            at.sel(source="independent-FC10", attack="pgd-linf").values,
            at.sel(source=NAME, attack="pgd-linf").values,
        ]
    )


@pytest.mark.parametrize(("variant", "network"), [("torch", NAME), ("together", CELLS)])
def test_answers_are_those_of_the_comparison(
    activity: xr.Dataset, result: xr.Dataset, variant: str, network: str
) -> None:
    """Of cells as well, as seed, physiology and images are the same."""
    expected = compared_answers(result, network)
    assert (expected >= 0).all()
    np.testing.assert_array_equal(activity["prediction"].sel(variant=variant), expected)


def test_a_variant_is_its_ingredient_alone(
    run: Path, activity: xr.Dataset, own_bench: Bench, result: xr.Dataset
) -> None:
    physiology = Physiology(dt_ms=1.0, ingredients=("refractoriness",))
    cells = Detailed(load_network(run, NAME), physiology, seed=2000)  # as the spec's seed is 1
    calibration = calibrate(cells, own_bench.load().train.images[:CALIBRATED_ON])
    there = activity.sel(variant="refractoriness")
    for area, gain in calibration.gains.items():
        assert float(there["gain"].sel(area=area)) == gain != 1
        assert float(there["calibrated_rate"].sel(area=area)) == calibration.after[area]
        assert float(there["trained_rate"].sel(area=area)) == calibration.trained[area]
    images = scored(own_bench, IMAGES).images
    answers = cells.calibrated(calibration.gains)(images).argmax(1)
    np.testing.assert_array_equal(there["prediction"].sel(condition="clean"), answers)
    right = float((answers == scored(own_bench, IMAGES).labels).double().mean())
    assert float(there["correct"].sel(condition="clean").mean()) == pytest.approx(right)


def test_rates_are_in_spikes_a_second(run: Path, activity: xr.Dataset, own_bench: Bench) -> None:
    recording = run_trained(load_network(run, NAME), scored(own_bench, IMAGES).images)
    for area in ("v1", "v2"):
        spikes = recording[f"{area}.output"].sum("time").mean(f"{area}.unit")
        expected = spikes / (STEPS * 2.0 * 1e-3)
        found = activity["rate"].sel(variant="torch", condition="clean", area=area)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    cells = activity["rate"].sel(variant="together", condition="clean").mean("image")
    trained = activity["rate"].sel(variant="torch", condition="clean").mean("image")
    np.testing.assert_allclose(cells, trained, rtol=0.25)


def test_recordings_are_of_the_variant_together(out: Path, activity: xr.Dataset) -> None:
    for name, condition in (("clean", "clean"), ("adversarial", "torch's own")):
        for simulator, variant in (("torch", "torch"), ("brian2", "together")):
            recording = xr.load_dataset(out / f"{name}-{simulator}.nc", engine="h5netcdf")
            assert recording.sizes["image"] == 10
            spacing = np.diff(recording["time"])
            np.testing.assert_allclose(spacing, 2.0 if simulator == "torch" else 1.0)
            assert ("epsilon" in recording.attrs) == (name == "adversarial")
            np.testing.assert_array_equal(recording["image"], activity["image"][:10])
            if simulator == "torch":
                answers = activity["prediction"].sel(variant=variant, condition=condition)[:10]
                np.testing.assert_array_equal(recording["logits"].argmax("class"), answers)


# --- what it says


def by_hand(activity: xr.Dataset) -> tuple[int, int]:
    """How many images both get right and the trained units are fooled on, and the cells too."""
    fooled = both = 0
    for image in range(activity.sizes["image"]):
        right = {
            (variant, condition): int(
                activity["correct"].sel(variant=variant, condition=condition)[image]
            )
            for variant in ("torch", "together")
            for condition in ("clean", "torch's own")
        }
        if right["torch", "clean"] and right["together", "clean"]:
            fooled += not right["torch", "torch's own"]
            both += not right["torch", "torch's own"] and not right["together", "torch's own"]
    return fooled, both


def test_the_survival_is_counted_right(activity: xr.Dataset, said: str) -> None:
    fooled, both = by_hand(activity)
    assert fooled > 5
    (spoken,) = survival(activity)
    assert spoken.startswith(f"Of the {fooled} images ")
    share = float(re.findall(r"(\d+\.\d) %", spoken)[0])
    assert share == pytest.approx(100 * both / fooled, abs=0.051)
    low, high = (float(x) for x in re.findall(r"\[(.*), (.*)\]", spoken)[0])
    z = 1.959964  # Wilson's interval by its formula
    p, n = both / fooled, fooled
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert low == pytest.approx(100 * (middle - half), abs=0.051)
    assert high == pytest.approx(100 * (middle + half), abs=0.051)
    assert "together: currents + jitter + noise + heterogeneity" in spoken
    assert " ".join(spoken.split()) in " ".join(said.split())


def test_survival_of_one_image_and_of_none(activity: xr.Dataset) -> None:
    changed = activity.copy(deep=True)
    changed["correct"][:] = 1
    (spoken,) = survival(changed)
    assert spoken.startswith("No image ")
    changed["correct"].loc[{"variant": "torch", "condition": "torch's own"}][3] = 0
    (spoken,) = survival(changed)
    assert spoken.startswith("Of the 1 image that ")
    assert " 0.0 % [" in spoken
    changed["correct"].loc[{"variant": "together", "condition": "clean"}][3] = 0
    (spoken,) = survival(changed)
    assert spoken.startswith("No image ")


@pytest.mark.parametrize(
    ("trained", "cells", "says"),
    [
        ([0.2, 0.4], [0.202, 0.3], "v2, the area furthest off, is 75.0 % of"),
        ([0.2, 0.4], [0.4, 0.3], "v1, the area furthest off, is 200.0 % of"),
        ([0.2, 0.4], [0.1, 0.6], "v1, the area furthest off, is 50.0 % of"),
        ([0.2, 0.4], [0.0, 0.6], "v1, the area furthest off, is 0.0 % of"),
        ([0.0, 0.4], [0.1, 0.38], "v2, the area furthest off, is 95.0 % of"),
        ([0.0, 0.0], [0.0, 0.1], "No trained unit spikes"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_match_of_rates_is_said_without_flattery(
    activity: xr.Dataset, trained: list[float], cells: list[float], says: str
) -> None:
    changed = activity.copy(deep=True)
    changed["trained_rate"].loc[{"variant": "together"}] = trained
    changed["calibrated_rate"].loc[{"variant": "together"}] = cells
    assert says in matching(changed)


def test_the_terminal_has_every_variant_within_80_columns(said: str, activity: xr.Dataset) -> None:
    lines = said.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Report: ")) <= 80
    assert "…" not in said
    for variant in VARIANTS:
        rows = [line.split() for line in lines if line.strip().startswith(variant + " ")]
        (accuracy,) = [row for row in rows if len(row) == 1 + len(SHOWN)]
        (still,) = [row for row in rows if row[1:2] == ["v1"]]
        expected = activity["correct"].sel(variant=variant).mean("image") * 100
        assert accuracy[1:] == [f"{float(each):.1f}" for each in expected]
        assert len(still) == 11
        rate = activity["rate"].sel(variant=variant, condition="clean", area="v1").mean()
        assert still[3] == f"{float(rate):.0f}"
    assert "together: currents + jitter + noise + heterogeneity" in " ".join(said.split())


def test_long_names_are_not_cut(activity: xr.Dataset) -> None:
    names = {"area": ["inferotemporal-cortex", "lateral-geniculate-nucleus"]}
    console = Console(width=80, record=True, file=io.StringIO())
    long = activity.assign_coords(names).assign_attrs(network="a-network-with-a-very-long-name")
    console.print(accuracy_table(long))
    console.print(activity_table(long))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for variant in VARIANTS:
        assert text.count(f"{variant} ") >= 2


def test_numbers_have_no_negative_nought() -> None:
    values = [-0.001, 0.0, -0.5, np.nan, 1.005]
    assert [number(xr.DataArray(v)) for v in values][:4] == ["0.00", "0.00", "-0.50", "-"]


def test_the_page_says_it_all_and_needs_nothing_beside(out: Path, activity: xr.Dataset) -> None:
    page = (out / "report.html").read_text()
    assert "This is not MNIST" in page
    assert page.count('src="data:image/png;base64,') == 5
    assert "://" not in page.partition("<pre>")[0]
    (spoken,) = survival(activity)
    assert spoken.replace("'", "&#39;") in page
    cells = re.findall(r"<td>(\d+\.\d) \[", page)
    expected = activity["correct"].mean("image").to_numpy().ravel() * 100
    assert cells == [f"{each:.1f}" for each in expected]
    said = json.loads(re.search(r"<pre>(.*)</pre>", page, re.S)[1].replace("&#34;", '"'))
    assert said["dt_ms"] == 1.0
    assert "<li>together: currents + jitter + noise + heterogeneity.</li>" in page


# --- interrupted, again, and in other ways


def quickly(
    unit: Examine, shown: list[torch.Tensor], report: object
) -> tuple[list[xr.Dataset], xr.Dataset]:
    """Stands in for the cells, which take longer."""
    network = load_individual(unit.directory)
    facts = dict.fromkeys(("gain", "calibrated_rate", "trained_rate"), ("area", [1.0, 1.0]))
    recordings = [on_torch_in_ms(network, images, unit.physiology) for images in shown]
    return recordings, xr.Dataset(facts, {"area": ["v1", "v2"]})


def fewer(physiology: Physiology) -> dict[str, Physiology]:
    """Stands in for all the variants."""
    return {"bare": physiology.only(), "together": physiology}


def test_what_was_interrupted_goes_on_where_it_stopped(
    copy: Path, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache"))
    settings = read_settings(here / "cells.toml") | {"dt_ms": 2.0}

    def once(work: Work) -> xr.Dataset:
        with working(work), pytest.MonkeyPatch.context() as patch:
            patch.setattr("experiments.detailed.drawn", lambda *given: {})
            patch.setattr(Examine, "_in_cells", quickly)
            patch.setattr("experiments.detailed.ablations", fewer)
            (found,) = detail(
                copy,
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

    first, second, third = Work(1), Work(), Work()
    with pytest.raises(KeyboardInterrupt):
        once(first)
    whole = once(second)
    names = [[unit.variant for unit in work.done] for work in (first, second)]
    assert names == [["torch"], ["bare", "together"]]
    again = once(third)
    assert third.done == []
    xr.testing.assert_identical(again, whole)
    assert whole.sizes["image"] == 3
    assert whole.attrs["epsilon"] == 0.05


def test_units_are_told_apart_by_all_that_matters(
    run: Path, own_bench: Bench, tmp_path: Path
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


def test_the_conditions_are_sets_of_the_run(
    run: Path, result: xr.Dataset, own_bench: Bench
) -> None:
    aim = Aim(run, NAME, 0, "pgd-linf", EPSILON, IMAGES)
    shown = conditions(aim, result)
    assert [each.name for each in shown] == SHOWN
    hashes = json.loads((run / "provenance.json").read_text())["inputs_sha256"]
    for each in shown[1:]:
        assert each.sha256 == hashes[each.inputs.name]
        assert each.epsilon == EPSILON
    units = variants(aim, shown, Physiology(), own_bench)
    assert [unit.variant for unit in units] == VARIANTS
    assert {unit.engine for unit in units[1:]} == {"detailed"}
    assert units[-1].physiology == Physiology()
    assert units[3].physiology.ingredients == ("conductances",)


# --- refusals


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", 25], r"attacked 24 images; ask for at most so many, not 25\.$"),
        (["--attack", "pgd-l2"], r"There is no attack in '.*' 'pgd-l2'; did you mean 'pgd-linf'"),
        (["--attack", "uniform"], r"'uniform' is noise.*--attack: pgd-linf\.$"),
        (["--epsilon", 0.07], r"There is no epsilon in '.*' '0\.07'; .*0\.05"),
        (["--individual", 3], rf"'{NAME}' has no individual 3 in '.*'; it has 0\.$"),
        (["tiny-spikin"], rf"There is no network in '.*' 'tiny-spikin'; did you mean '{NAME}'"),
        ([NAME, "tiny-spikin"], r"There is no network in '.*' 'tiny-spikin'; "),
        (["FC10"], rf"'FC10' has no spiking units.*name one of {NAME}\.$"),
        ([CELLS], rf"'{CELLS}' runs in cells already; name '{NAME}'\.$"),
    ],
)
def test_what_cannot_be_examined_is_refused_before_any_work(
    call: Call, run: Path, words: list[object], says: str
) -> None:
    number_of_images = [] if "--images" in words else ["--images", IMAGES]
    said = sentence(call, "detailed", run, *words, *number_of_images)
    assert re.search(says, said), said


def test_a_directory_that_is_no_run(call: Call, tmp_path: Path) -> None:
    assert "holds no result.nc" in sentence(call, "detailed", tmp_path)


def test_a_run_of_other_data(call: Call, copy: Path) -> None:
    result = load_result(copy).assign_attrs(data="MNIST", data_sha256="0")
    result.to_netcdf(copy / "result.nc", engine="h5netcdf")
    said = sentence(call, "detailed", copy, "--images", 2)
    assert "was made with MNIST, other data than scikit-learn digits" in said
    assert said.endswith("name the same with --data.")


def test_a_run_where_nothing_spikes(call: Call, copy: Path) -> None:
    result = load_result(copy).sel(network=["FC10"])
    result.to_netcdf(copy / "result.nc", engine="h5netcdf")
    said = sentence(call, "detailed", copy, "--images", 2)
    assert said.startswith(f"No network in '{copy}' spikes, so there are no cells to simulate; ")


def test_inputs_that_were_not_kept(call: Call, copy: Path) -> None:
    shutil.rmtree(copy / "inputs" / f"{NAME}-0-pgd-linf")
    said = sentence(call, "detailed", copy, "--images", 2)
    assert f"{NAME}-0-pgd-linf' is not there" in said
    assert 'keep = "all"' in said
    assert not (copy / "detailed").exists()


def test_weights_without_their_history(call: Call, copy: Path) -> None:
    path = copy / "networks" / NAME / "individual-0" / "training.json"
    path.write_text("{}")
    assert sentence(call, "detailed", copy, "--images", 2).startswith(f"'{path}' cannot be read (")


def test_a_file_where_the_results_would_go(call: Call, copy: Path) -> None:
    (copy / "detailed").write_text("in the way")
    said = sentence(call, "detailed", copy, "--images", 2)
    assert said.startswith(f"'{copy / 'detailed' / NAME}-0' cannot be written (")


def test_catalogue_networks_spike_or_not(settings: dict[str, Any], own_bench: Bench) -> None:
    """Every spiking one, and no other, is planned in cells."""
    names = ["fc-b", "fc-b-spiking", "fc-blt-spiking"]
    planned = plan(spec_from({**settings, "networks": names}), own_bench)
    assert [e.name for e in planned.entries] == [
        *names, "fc-b-spiking@detailed", "fc-blt-spiking@detailed",
    ]  # fmt: skip
    assert planned.entries[-1].wiring == wiring_named("fc-blt-spiking")
