"""Figures of what units mean: every mark at its value, nothing beyond the page."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.semantics.statistics import summarised
from figures.semantics import activating, lesions, meanings, robustness
from networks import BlindspotsError


@pytest.fixture(scope="module")
def made(make_semantics: Callable[..., xr.Dataset]) -> xr.Dataset:
    return make_semantics()


@pytest.fixture(scope="module")
def summary(made: xr.Dataset) -> xr.Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.semantics.statistics.RESAMPLES", 20)
        return summarised(made, np.random.default_rng(0))


def panels(figure: Figure) -> list[Axes]:
    return [part for part in figure.findobj(Axes) if part.lines or part.images]


def test_meanings_are_medians_in_their_networks_rows(
    made: xr.Dataset, stays_inside: Callable[[Figure], None]
) -> None:
    figure = meanings(made)
    stays_inside(figure)
    information = panels(figure)[1]
    dots = [line for line in information.lines if line.get_marker() not in ("None", "")]
    here = made["information"].median(["individual", "area", "member"])
    expected = here.to_numpy()[np.isfinite(here.to_numpy())]
    assert sorted(float(line.get_xdata()[0]) for line in dots) == pytest.approx(sorted(expected))
    rows = [round(float(line.get_ydata()[0])) for line in dots]
    assert [rows.count(at) for at in (0, -1, -2, -3)] == [3, 3, 5, 3]


def test_lesions_are_at_their_costs(
    made: xr.Dataset, summary: xr.Dataset, stays_inside: Callable[[Figure], None]
) -> None:
    figure = lesions(made, summary)
    stays_inside(figure)
    clean = panels(figure)[0]
    marks = [line for line in clean.lines if line.get_marker() not in ("None", "")]
    expected = 100 * summary["drop"].sel(condition="clean")
    for mark, lesion in zip(marks, expected["lesion"].to_numpy(), strict=True):
        np.testing.assert_allclose(mark.get_xdata(), expected.sel(lesion=lesion))


def test_without_an_attack_there_are_clean_lesions_alone(
    made: xr.Dataset, summary: xr.Dataset
) -> None:
    assert len(panels(lesions(made, summary.sel(condition=["clean"])))) == 2


def test_robustness_has_a_mark_per_individual_and_its_correlation(
    made: xr.Dataset, summary: xr.Dataset, stays_inside: Callable[[Figure], None]
) -> None:
    figure = robustness(made, summary)
    stays_inside(figure)
    above, *_ = shown = panels(figure)
    assert len(shown) == 4
    assert sum(len(line.get_xdata()) for line in above.lines) == 8
    assert "ρ = 1.00" in above.get_title()
    styles = {line.get_fillstyle() for line in above.lines}
    assert styles == {"full", "bottom"}


def test_too_few_networks_have_no_correlation(made: xr.Dataset, summary: xr.Dataset) -> None:
    few = summary.copy()
    for end in ("", "_low", "_high"):
        few[f"correlation{end}"] = few[f"correlation{end}"] * np.nan
    assert "too few" in panels(robustness(made, few))[0].get_title()


def test_examples_are_the_results_pictures(
    made: xr.Dataset, stays_inside: Callable[[Figure], None]
) -> None:
    figure = activating(made, "fc-blt-modular")
    stays_inside(figure)
    shown = panels(figure)
    assert [panel.get_title() for panel in shown] == [
        *("units", "random directions", "principal directions", "modules")
    ]
    drawn = shown[3].images[0].get_array()
    picture = made["example_picture"].sel(network="fc-blt-modular", kind="module").to_numpy()
    np.testing.assert_allclose(drawn[19 : 19 + 28, 28 : 2 * 28], picture[0, 1])
    assert len(panels(activating(made, "fc-b"))) == 3


def test_an_unknown_network_is_refused(made: xr.Dataset) -> None:
    with pytest.raises(BlindspotsError, match="did you mean 'fc-b"):
        activating(made, "fc-bb")


def test_a_stand_in_is_loud(make_semantics: Callable[..., xr.Dataset]) -> None:
    other = make_semantics(data="scikit-learn digits")
    assert "NOT MNIST" in meanings(other).get_suptitle()
