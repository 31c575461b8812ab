"""Figures of corrupted images: every point where the result has it."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from experiments.statistics import summarise
from figures import corruption_figures
from figures.corruptions import (
    corruption_accuracies,
    corruption_curves,
    corruption_examples,
    sweep_examples,
)
from networks import BlindspotsError

NAMES = ["shot_noise", "stripe", "scaling"]
LEVELS = np.array([[60, 25, 12, 5, 3], [np.nan] * 5, [0.6, 0.8, 1.2, np.nan, np.nan]])
MEASURED = {"shot_noise": [5], "stripe": [1], "scaling": [1, 2, 3]}


def corrupted(result: xr.Dataset) -> xr.Dataset:
    """The result with two corruptions of MNIST-C and a sweep; the last network saw none."""
    rng = np.random.default_rng(0)
    dims = ("network", "individual", "corruption", "severity", "image")
    clean = result["clean_correct"].to_numpy()[:, :, None, None]
    correct = np.where(rng.random((*clean.shape[:2], 3, 5, clean.shape[-1])) < 0.8, clean, 0)
    pictures = rng.random((3, 5, result.sizes["example"], 28, 28)).astype(np.float32)
    for at, name in enumerate(NAMES):
        gone = [s for s in range(5) if s + 1 not in MEASURED[name]]
        correct[:, :, at, gone] = -1
        pictures[at, gone] = np.nan
    correct[-1] = -1
    return result.assign(
        corruption_correct=(dims, correct.astype(np.int8)),
        example_corrupted=(("corruption", "severity", "example", "row", "column"), pictures),
    ).assign_coords(
        corruption=NAMES,
        severity=range(1, 6),
        corruption_level=(("corruption", "severity"), LEVELS),
        corruption_kind=("corruption", ["mnist-c", "mnist-c", "sweep"]),
        corruption_unit=("corruption", ["photons", "", "size (factor)"]),
        corruption_neutral=("corruption", [0.0, 0.0, 1.0]),
        default_severity=("corruption", [5, 1, 0]),
        corruption_origin=("corruption", ["MNIST-C", "MNIST-C", "sweep"]),
    )


@pytest.fixture
def result(make_result: Callable[..., xr.Dataset]) -> xr.Dataset:
    made = make_result(["fc-b", "fc-blt", "fc-bl"], ["pgd-linf"], images=40, examples=3)
    return corrupted(made)


@pytest.fixture
def summary(result: xr.Dataset) -> xr.Dataset:
    return summarise(result, [], generator=np.random.default_rng(0), resamples=50)


def test_points_and_bars_are_the_accuracies(summary: xr.Dataset) -> None:
    figure = corruption_accuracies(summary)
    assert [panel.get_title() for panel in figure.axes] == ["clean", "shot noise", "stripe"]
    for panel, name, severity in zip(figure.axes[1:], NAMES[:2], (5, 1), strict=True):
        here = summary.sel(corruption=name, severity=severity)
        for at, network in enumerate(["fc-b", "fc-blt"]):
            bar, point = panel.lines[2 * at : 2 * at + 2]
            ends = [100 * float(here[f"corruption_accuracy{e}"][at]) for e in ("_low", "_high")]
            np.testing.assert_allclose(bar.get_xdata(), ends)
            middle = 100 * float(here["corruption_accuracy"].sel(network=network))
            np.testing.assert_allclose(point.get_xdata(), [middle])
            low, high = panel.get_xlim()
            assert 0 <= low <= ends[0] <= ends[1] <= high <= 100
            assert high - low >= 20 - 1e-9
        assert np.isnan(panel.lines[5].get_xdata()).all()


def test_sweeps_pass_through_the_clean_accuracy(summary: xr.Dataset) -> None:
    panels = [axes for part in corruption_curves(summary, "sweep").subfigs for axes in part.axes]
    assert [panel.get_xlabel() for panel in panels] == ["size (factor)"]
    lines = [line for line in panels[0].lines if len(line.get_xdata()) == 4]
    assert len(lines) == 2  # the third network saw nothing
    for line, network in zip(lines, ["fc-b", "fc-blt"], strict=True):
        assert list(line.get_xdata()) == [0.6, 0.8, 1.0, 1.2]
        here = summary.sel(network=network)
        swept = here["corruption_accuracy"].sel(corruption="scaling", severity=[1, 2, 3])
        expected = 100 * np.insert(swept.to_numpy(), 2, float(here["clean_accuracy"]))
        np.testing.assert_allclose(line.get_ydata(), expected)


def test_examples_are_the_results_pictures(result: xr.Dataset) -> None:
    figure = corruption_examples(result)
    panels = np.reshape(figure.axes, (3, 3))
    assert [panel.get_title() for panel in panels[0]] == ["clean", "shot noise", "stripe"]
    for row in range(3):
        np.testing.assert_array_equal(
            panels[row, 0].images[0].get_array(), result["example_clean"][row]
        )
        picture = result["example_corrupted"].sel(corruption="shot_noise", severity=5)[row]
        np.testing.assert_array_equal(panels[row, 1].images[0].get_array(), picture)
    levels = [panel.get_xlabel() for panel in sweep_examples(result).axes]
    assert levels == ["0.6", "0.8", "1.2", "", ""]


def test_what_is_there_is_drawn(
    result: xr.Dataset, summary: xr.Dataset, make_result: Callable[..., xr.Dataset]
) -> None:
    names = [name for name, _ in corruption_figures(result, summary)]
    assert names == ["corruptions", "corruption-examples", "sweeps", "sweep-examples"]
    plain = make_result(["fc-b"], ["pgd-linf"], images=10, examples=1)
    none = summarise(plain, [], generator=np.random.default_rng(0), resamples=10)
    assert list(corruption_figures(plain, none)) == []
    with pytest.raises(BlindspotsError, match="--corruptions mnist-c"):
        corruption_accuracies(none)
    with pytest.raises(BlindspotsError, match="--corruptions sweeps"):
        sweep_examples(plain)
    with pytest.raises(BlindspotsError, match="at several levels"):
        corruption_curves(summary, "mnist-c")


def test_a_stand_in_is_loud(result: xr.Dataset, summary: xr.Dataset) -> None:
    digits = {"data": "digits"}
    drawn = corruption_figures(result.assign_attrs(digits), summary.assign_attrs(digits))
    for _, figure in drawn:
        assert "NOT MNIST: digits" in figure.get_suptitle()
