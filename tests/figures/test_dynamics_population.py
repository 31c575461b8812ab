"""Figures of a whole population's dynamics, and of weights: what is drawn is what was measured."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from figures.conditions import CONDITIONS
from figures.divergence import divergence
from figures.early_late import early_late
from figures.sensitivity import sensitivity
from figures.style import ORANGE
from figures.weights import weights
from networks.errors import BlindspotsError

STEPS = 6


@pytest.fixture(scope="module")
def result():
    """Two networks, of which the second has no area h2 and takes a step less."""
    rng = np.random.default_rng(1)
    apart = rng.random((2, 2, 2, 2, STEPS, 7))
    apart[1, :, :, 1] = np.nan
    apart[1, ..., -1, :] = np.nan
    right = rng.integers(0, 2, (2, 2, 2, STEPS, 7)).astype(np.int8)
    right[..., :2, :] = -1
    far = rng.uniform(0.05, 0.2, (2, 2, 7))
    far[0, 0, 0], far[0, 1, 2] = np.inf, np.nan
    pulses = rng.integers(0, 2, (2, 2, 3, 4, 7)).astype(np.int8)
    pulses[1, :, 2] = -1
    course = ("network", "individual", "condition", "area", "time", "image")
    image = ("network", "individual", "image")
    return xr.Dataset(
        {
            "relative_divergence": (course, apart),
            "right": ((*course[:3], *course[4:]), right),
            "minimum_distortion": (image, far),
            "exponent": ((*image[:2], "direction", "image"), rng.normal(size=(2, 2, 2, 7))),
            "early_late_right": ((*image[:2], "start", "read", "image"), pulses),
        },
        coords={
            "network": ["fc-blt", "fc-b"],
            "condition": ["adversarial", "noise"],
            "area": ["h1", "h2"],
            "time": np.arange(STEPS),
            "direction": ["adversarial", "random"],
            "start": [0, 1, 2],
            "read": [2, 3, 4, 5],
        },
        attrs={"data": "MNIST", "attack": "pgd-linf", "epsilon": 0.1},
    )


@pytest.fixture(scope="module")
def summary(result):
    numbers = {"": -0.4, "_low": -0.6, "_high": -0.1}
    dims = ("network", "direction")
    return xr.Dataset(
        {f"rank_correlation{end}": (dims, np.full((2, 2), v)) for end, v in numbers.items()},
        coords={dim: result[dim] for dim in dims},
    )


@pytest.fixture(scope="module")
def parameters():
    rng = np.random.default_rng(2)

    def matrix(rows, columns, **said):
        return ((f"r{rows}", f"c{columns}"), rng.normal(size=(rows, columns)), said)

    both = {"source_modules": 4, "target_modules": 4}
    return xr.Dataset(
        {
            "input>h1": matrix(12, 49, source="input", target="h1", kind="feedforward"),
            "h1>h1:within": matrix(12, 12, source="h1", target="h1", kind="lateral", **both),
            "h1>h1:between": matrix(12, 12, source="h1", target="h1", kind="lateral", **both),
        },
        attrs={"wiring": "fc-bl-modular", "data": "MNIST"},
    )


def said(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def drawn(panel, name):
    """The lines of a condition in a panel."""
    return [line for line in panel.lines if line.get_color() == CONDITIONS[name].colour]


def test_divergence_is_median_and_middle_half(result):
    figure = divergence(result, "fc-blt")
    assert [panel.get_title() for panel in figure.axes] == ["h1", "h2", "answer so far"]
    values = result["relative_divergence"].values[0, :, 0, 1]  # individual, time, image
    pooled = values.transpose(1, 0, 2).reshape(STEPS, -1)
    panel = figure.axes[1]
    np.testing.assert_allclose(drawn(panel, "adversarial")[0].get_ydata(), np.median(pooled, 1))
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(np.quantile(pooled, 0.75, axis=1).max())
    *singles, mean = drawn(figure.axes[2], "noise")
    assert len(singles) == 2
    shares = 100 * result["right"].values[0, :, 1, 2:].mean((0, 2))
    np.testing.assert_allclose(mean.get_ydata()[2:], shares)
    assert np.isnan(mean.get_ydata()[:2]).all()
    assert "7 images, 2 individuals" in said(figure)
    other = divergence(result, "fc-b")
    assert [panel.get_title() for panel in other.axes] == ["h1", "answer so far"]
    assert len(drawn(other.axes[0], "noise")[0].get_xdata()) == STEPS - 1
    with pytest.raises(BlindspotsError, match="no network 'fc-x'"):
        divergence(result, "fc-x")
    with pytest.raises(BlindspotsError, match="no 'relative_divergence' of 'fc-b'"):
        divergence(result.drop_vars("relative_divergence"), "fc-b")


def test_early_and_late_are_shares_right(result):
    figure = early_late(result)
    first, second = figure.axes[:2]
    shares = 100 * result["early_late_right"].values.mean((1, 4))
    assert [t.get_text() for t in first.texts] == [f"{v:.0f}" for v in shares[0].ravel()]
    assert [t.get_text() for t in second.get_yticklabels()] == ["from 0", "from 1"]
    assert not first.patches  # no cell is framed
    with pytest.raises(BlindspotsError, match="no early/late matrix"):
        early_late(result.drop_vars("early_late_right"))


def test_exponents_lie_over_distortions(result, summary):
    figure = sensitivity(result, summary)
    panel = figure.axes[0]
    far = result["minimum_distortion"].values[0].ravel()
    growth = result["exponent"].values[0, :, 0].ravel()
    known = np.isfinite(far)
    dots = panel.collections[0].get_offsets()
    np.testing.assert_allclose(dots, np.stack([far, growth], 1)[known])
    assert panel.get_title() == "fc-blt\nρ = −0.40 (−0.60 to −0.10)\nn = 12, 1 never fooled"
    with pytest.raises(BlindspotsError, match="no 'minimum_distortion'"):
        sensitivity(result.drop_vars("minimum_distortion"), summary)
    with pytest.raises(BlindspotsError, match="no direction 'leading'"):
        sensitivity(result, summary, "leading")


def test_weights_are_blocks_with_their_modules(parameters):
    figure = weights(parameters)
    inputs, lateral = figure.axes[:2]
    np.testing.assert_array_equal(inputs.images[0].get_array(), parameters["input>h1"])
    both = parameters["h1>h1:within"].values + parameters["h1>h1:between"].values
    np.testing.assert_allclose(lateral.images[0].get_array(), both)
    sizes = np.abs(np.concatenate([parameters["input>h1"].values.ravel(), both.ravel()]))
    high = np.quantile(sizes, 0.995)
    for panel in (inputs, lateral):
        assert panel.images[0].get_clim() == pytest.approx((-high, high))
    assert [p.get_xy() for p in lateral.patches] == [
        (3 * at - 0.5, 3 * at - 0.5) for at in range(4)
    ]
    assert lateral.spines["top"].get_edgecolor() == to_rgba(ORANGE)
    with pytest.raises(BlindspotsError, match="no weights"):
        weights(xr.Dataset())
    with pytest.raises(BlindspotsError, match="is no matrix of a projection"):
        weights(parameters.assign(odd=("r12", np.zeros(12))))


def test_words_stay_inside(result, summary, parameters, stays_inside):
    for figure in (
        divergence(result, "fc-blt"),
        early_late(result),
        sensitivity(result, summary),
        weights(parameters),
    ):
        stays_inside(figure)
