"""The command ``blindspots detailed``: what it measures, keeps, says, and goes on from."""

import io
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments import load_network, load_result
from experiments.bench import Bench, bench_for, scored
from experiments.detailed.command import detail
from experiments.detailed.examine import MEASURES
from experiments.detailed.report import (
    HEADINGS,
    accuracy_table,
    activity_table,
    matching,
    number,
    survival,
)
from experiments.individuals import CALIBRATED_ON
from experiments.spec import read_settings
from networks import Physiology, physiology_from
from sim import run as run_trained
from sim.brian.detailed import Detailed, calibrate

pytestmark = pytest.mark.usefixtures("cells_alone")

NAME, CELLS = "tiny-spiking", "tiny-spiking@cells"
IMAGES, STEPS, EPSILON = 24, 8, 0.1
FEW = ["torch", "bare", "refractoriness", "together"]
SHOWN = ["clean", "uniform", "same inputs", "torch's own"]
WorkHere = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def result(cells_run: Path) -> xr.Dataset:
    return load_result(cells_run)


@pytest.fixture(scope="module")
def own_bench(cells_alone: None) -> Bench:
    return bench_for(None, "cpu")


def fewer(physiology: Physiology) -> dict[str, Physiology]:
    """Stands in for all the variants."""
    few = {"bare": physiology.only(), "refractoriness": physiology.only("refractoriness")}
    return {**few, "together": physiology}


@pytest.fixture(scope="module")
def said(cells_run: Path, cells_directory: Path, cells_alone: None, work_here: WorkHere) -> str:
    """What ``blindspots detailed`` says in a terminal of 80 columns, on all images of the run."""
    console = Console(width=80, record=True, file=io.StringIO())
    with work_here(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.detailed.command.ablations", fewer)
        detail(
            cells_run,
            [],
            individual=0,
            images=IMAGES,
            attack=None,
            epsilon=None,
            physiology=physiology_from(read_settings(cells_directory / "cells.toml")),
            data=None,
            workers=1,
            console=console,
        )
    return console.export_text()


@pytest.fixture(scope="module")
def out(cells_run: Path, said: str) -> Path:
    return cells_run / "detailed" / f"{NAME}-0-pgd-linf-0.1"


@pytest.fixture(scope="module")
def activity(out: Path) -> xr.Dataset:
    return xr.load_dataset(out / "activity.nc", engine="netcdf4")


def test_everything_lies_in_one_directory(out: Path) -> None:
    recordings = [f"{a}-{b}.nc" for a in ("clean", "adversarial") for b in ("torch", "brian2")]
    files = ["activity.nc", "figures", "log.jsonl", "report.html", "spec.toml", *recordings]
    assert sorted(p.name for p in out.iterdir()) == sorted(files)
    names = ["ablations", "contrast", "intervals", "raster", "rates", "traces"]
    drawn = sorted(p.name for p in (out / "figures").iterdir())
    assert drawn == [f"{name}.png" for name in names]


def test_activity_is_labelled_in_full(activity: xr.Dataset, result: xr.Dataset) -> None:
    assert [str(v) for v in activity["variant"].values] == FEW
    assert [str(c) for c in activity["condition"].values] == SHOWN
    assert [str(a) for a in activity["area"].values] == ["v1", "v2"]
    for name in MEASURES:
        assert activity[name].dims == ("variant", "condition", "area")
        assert activity[name].attrs["long_name"] == MEASURES[name]
    assert activity["correct"].dims == ("variant", "condition", "image")
    assert activity["rate"].dims == ("variant", "condition", "area", "image")
    assert activity["gain"].dims == ("variant", "area")
    for name, axis in (("isi", "isi"), ("cv", "cv")):
        shares = activity[f"{name}_at_most"].isel(variant=0, condition=0)
        assert shares.dims == ("area", axis)
        assert (shares.diff(axis) >= 0).all()
        at_median = shares.sel({axis: activity[f"{name}_median"][0, 0]}, method="nearest")
        assert (at_median >= 0.5).all()
        np.testing.assert_array_equal(shares.isel({axis: -1}), 1)
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
    cells_run: Path, activity: xr.Dataset, own_bench: Bench, result: xr.Dataset
) -> None:
    physiology = Physiology(dt_ms=1.0, ingredients=("refractoriness",))
    cells = Detailed(
        load_network(cells_run, NAME), physiology, seed=2000
    )  # as the spec's seed is 1
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


def test_rates_are_in_spikes_a_second(
    cells_run: Path, activity: xr.Dataset, own_bench: Bench
) -> None:
    recording = run_trained(load_network(cells_run, NAME), scored(own_bench, IMAGES).images)
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
            recording = xr.load_dataset(out / f"{name}-{simulator}.nc", engine="netcdf4")
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
    for variant in FEW:
        rows = [line.split() for line in lines if line.strip().startswith(variant + " ")]
        (accuracy,) = [row for row in rows if len(row) == 1 + len(SHOWN)]
        (still,) = [row for row in rows if row[1:2] == ["v1"]]
        expected = activity["correct"].sel(variant=variant).mean("image") * 100
        assert accuracy[1:] == [f"{float(each):.1f}" for each in expected]
        assert len(still) == 2 + len(HEADINGS)
        rate = activity["rate"].sel(variant=variant, condition="clean", area="v1").mean()
        assert still[2 + HEADINGS.index("Hz")] == f"{float(rate):.0f}"
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
    for variant in FEW:
        assert text.count(f"{variant} ") >= 2


def test_numbers_have_no_negative_nought() -> None:
    values = [-0.001, 0.0, -0.5, np.nan, 1.005]
    assert [number(xr.DataArray(v)) for v in values][:4] == ["0.00", "0.00", "-0.50", "-"]


def test_the_page_says_it_all_and_needs_nothing_beside(out: Path, activity: xr.Dataset) -> None:
    page = (out / "report.html").read_text()
    assert "This is not MNIST" in page
    assert page.count('src="data:image/png;base64,') == 6
    assert "://" not in page.partition("<pre>")[0]
    (spoken,) = survival(activity)
    assert spoken.replace("'", "&#39;") in page
    cells = re.findall(r"<td>(\d+\.\d) \[", page)
    expected = activity["correct"].mean("image").to_numpy().ravel() * 100
    assert cells == [f"{each:.1f}" for each in expected]
    said = json.loads(re.search(r"<pre>(.*)</pre>", page, re.S)[1].replace("&#34;", '"'))
    assert said["dt_ms"] == 1.0
    assert "<li>together: currents + jitter + noise + heterogeneity.</li>" in page
