"""Figures show every panel, line and word they should, and nothing is clipped."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from figures.curves import noise_control, robust_curves
from figures.distortion import distortion_curves
from figures.forest import forest
from figures.images import image_grid
from figures.matrix import transfer_matrix
from figures.style import RIGHT, WRONG, colours
from networks.errors import BlindspotsError


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()  # tick labels exist from here on
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


def has(figure, *words):
    whole = "\n".join(texts(figure))
    missing = [word for word in words if word not in whole]
    assert not missing


def test_looks_differ_even_in_grey(result):
    looks = colours(result)
    assert list(looks) == [str(name) for name in result["network"].values]
    grey = {(str(look.line), look.marker, look.filled) for look in looks.values()}
    assert len(grey) == len(looks)
    assert looks["fc-b"].colour == looks["fc-b-spiking"].colour
    assert looks["fc-b"].line != looks["fc-b-spiking"].line
    assert not looks["fc-blt-control-params"].filled
    assert colours(result) == looks


def test_curves(summary):
    figure = robust_curves(summary, "pgd-linf")
    assert len(figure.axes) == 3
    lines = [[line for line in panel.lines if len(line.get_xdata()) > 2] for panel in figure.axes]
    assert [len(each) for each in lines] == [11, 12, 12]  # no white-box for the user's network
    assert [len(panel.collections) for panel in figure.axes] == [11, 12, 12]  # bands
    first = lines[0][0]
    assert first.get_xdata()[0] == 0
    assert first.get_ydata()[0] == pytest.approx(100 * summary["clean_accuracy"][0])
    expected = 100 * summary["accuracy"].sel(network="fc-b", view="white-box", attack="pgd-linf")
    np.testing.assert_allclose(first.get_ydata()[1:], expected)
    (legend,) = figure.findobj(Legend)
    assert [t.get_text() for t in legend.get_texts()] == list(summary["network"].values)
    has(figure, "white-box", "same inputs", "worst case", "accuracy (%)", "MNIST, 150 images")
    has(figure, "perturbation budget ε (largest change, intensity range [0, 1])", "1–3 individuals")
    has(robust_curves(summary, "pgd-l2"), "rms change")
    by_mean = summary.assign_coords(norm=summary["norm"].where(summary["norm"] != "l2", "l1"))
    has(robust_curves(by_mean, "pgd-l2"), "mean change")
    assert len(robust_curves(summary, "noise-linf").axes) == 1


def test_curves_of_an_unknown_attack(summary):
    with pytest.raises(BlindspotsError, match="pgd-linf"):
        robust_curves(summary, "pdg-linf")


def test_noise_control(summary):
    figure = noise_control(summary)
    assert len(figure.axes) == 12
    assert all(len(panel.lines) == 2 for panel in figure.axes)
    has(figure, "noise-linf", "pgd-linf", *summary["network"].values)
    with pytest.raises(BlindspotsError, match="noise"):
        noise_control(summary.drop_sel(attack=["noise-l2"]), "lbfgs")


def test_image_grid(result):
    figure = image_grid(result, "pgd-linf")
    panel = figure.axes[0]
    assert len(panel.images) == 3 * result.sizes["example"]
    changes = [image for image in panel.images if image.get_cmap().name.startswith("RdBu")]
    assert len(changes) == result.sizes["example"]
    for image in changes:
        low, high = image.get_clim()
        assert low == -high
    has(figure, "clean", "perturbation", "adversarial", "true label", *result["network"].values)
    answers = [t for t in panel.texts if t.get_text()[-1] in "✓✗○" and "\n" not in t.get_text()]
    assert len(answers) == result.sizes["example"] * result.sizes["network"]
    shown = result.sel(source="independent-1", attack="pgd-linf", epsilon=0.1).isel(individual=0)
    for at, text in enumerate(answers):
        network, example = divmod(at, result.sizes["example"])
        cell = shown.isel(network=network, image=int(result["example_image"][example]))
        right = int(cell["correct"]) == 1
        assert text.get_text().startswith(f"{int(cell['prediction'])}{'✓' if right else '✗'}")
        assert text.get_color() == (RIGHT if right else WRONG)
        assert ("○" in text.get_text()) == (int(cell["clean_correct"]) == 0)


def test_image_grid_without_examples(result):
    with pytest.raises(BlindspotsError, match="no examples"):
        image_grid(result.drop_vars("example_clean"), "pgd-linf")


def test_missing_answers_are_dashes(result):
    result = result.copy(deep=True)
    result["correct"][0] = -1
    result["prediction"][0] = -1
    dashes = [t for t in image_grid(result, "pgd-linf").axes[0].texts if t.get_text() == "–"]
    assert len(dashes) == result.sizes["example"]


def test_forest(summary):
    figure = forest(summary, "pgd-linf", 0.1)
    assert [panel.get_title() for panel in figure.axes] == [
        "white-box",
        "worst case",
        "same inputs for all",
    ]
    for panel in figure.axes:
        squares = [line for line in panel.lines if line.get_marker() == "s"]
        assert len(squares) == summary.sizes["contrast"]
    cell = summary.sel(view="white-box", attack="pgd-linf", epsilon=0.1).isel(contrast=0)
    square = next(line for line in figure.axes[0].lines if line.get_marker() == "s")
    assert square.get_xdata()[0] == pytest.approx(100 * cell["difference"])
    has(figure, "fc-blt − fc-b", "recurrence", "modules", "Holm p", "percentage points")
    with pytest.raises(BlindspotsError, match="choose from"):
        forest(summary, "pgd-linf", 0.07)


def test_forest_names_floor_and_ceiling(summary):
    flat = summary.copy(deep=True)
    flat["accuracy"][:] = 0.0
    has(forest(flat, "pgd-linf", 0.1), "floor")
    flat["accuracy"][:] = 1.0
    has(forest(flat, "pgd-linf", 0.1), "ceiling")


def test_matrix(result):
    figure = transfer_matrix(result, "pgd-linf", 0.1)
    panel = figure.axes[0]
    shown = np.asarray(panel.images[0].get_array())
    assert shown.shape == (12, 12)
    cell = result["correct"].sel(source="fc-bt", network="fc-b", attack="pgd-linf", epsilon=0.1)
    expected = 100 * (cell == 1).where(cell >= 0).mean()
    row = [t.get_text() for t in panel.get_yticklabels()].index("fc-bt")
    assert shown[row, 0] == pytest.approx(float(expected))
    assert f"{float(expected):.0f}" in {t.get_text() for t in panel.texts}
    frames = [p for p in panel.patches if isinstance(p, Rectangle)]
    assert len(frames) == 11  # every network but the user's
    assert panel.get_yticklabels()[0].get_text() == "independent-1"
    noise = transfer_matrix(result, "noise-linf", 0.1)
    assert np.asarray(noise.axes[0].images[0].get_array()).shape == (1, 12)


def test_matrix_marks_what_was_not_measured(result):
    result = result.copy(deep=True)
    result["correct"].loc[{"network": "fc-b", "source": "fc-bl"}] = -1
    figure = transfer_matrix(result, "pgd-linf", 0.1)
    assert "–" in {t.get_text() for t in figure.axes[0].texts}


def test_distortion(result):
    figure = distortion_curves(result)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 11
    values = result["minimum_distortion"].sel(network="fc-b").values.ravel()
    top = 100 * np.isfinite(values).mean()
    assert lines[0].get_ydata()[-1] == pytest.approx(top)
    at = np.searchsorted(lines[0].get_xdata(), np.median(values[np.isfinite(values)]))
    assert lines[0].get_ydata()[at] == pytest.approx(top / 2, abs=1)
    has(figure, "minimal distortion (rms change, intensity range [0, 1])")
    with pytest.raises(BlindspotsError, match="lbfgs"):
        distortion_curves(result.drop_vars("minimum_distortion"))


def test_other_data_are_loud(summary, result):
    other = "scikit-learn digits (8x8 upsampled)"
    for figure in (
        robust_curves(summary.assign_attrs(data=other), "pgd-linf"),
        forest(summary.assign_attrs(data=other), "pgd-linf", 0.1),
        transfer_matrix(result.assign_attrs(data=other), "pgd-linf", 0.1),
    ):
        has(figure, f"NOT MNIST: {other}")
    assert not any("NOT MNIST" in t for t in texts(robust_curves(summary, "pgd-linf")))


def test_nothing_is_clipped(summary, result, stays_inside):
    figures = [
        robust_curves(summary, "pgd-linf"),
        noise_control(summary),
        image_grid(result, "pgd-linf"),
        forest(summary, "pgd-linf", 0.1),
        transfer_matrix(result, "pgd-linf", 0.1),
        distortion_curves(result),
    ]
    for figure in figures:
        stays_inside(figure)
