"""Figures of dynamics: what is drawn is what was recorded, and what is missing is refused."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from figures.conditions import CONDITIONS, margins, under
from figures.decision import decision
from figures.divergence import divergence
from figures.drive import drives
from figures.early_late import early_late
from figures.phase import field, phase
from figures.raster_rates import raster_with_rates
from figures.sensitivity import sensitivity
from figures.state_space import state_space
from figures.style import ORANGE
from figures.traces import traces
from figures.weights import weights
from networks.errors import BlindspotsError

STEPS, IMAGES, SIZES = 6, 5, {"h1": 12, "h2": 8}
THERE = ("clean", "adversarial", "noise")


@pytest.fixture(scope="module")
def recording(make_dynamics):
    return make_dynamics()


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


def test_decisions_follow_the_output(recording):
    figure = decision(recording, image=3)
    one, change, other, left, right, margin = [
        p for p in figure.axes if p.get_label() != "<colorbar>"
    ]
    added = recording["inputs"].values[1, 3] - recording["inputs"].values[0, 3]
    np.testing.assert_array_equal(change.images[0].get_array(), added)
    assert change.images[0].get_clim() == pytest.approx((-0.1, 0.1))
    assert f"L∞ 0.1, rms {np.sqrt((added**2).mean()):.3g}" in change.get_title()
    assert one.images[0].get_clim() == other.images[0].get_clim() == (0, 1)
    for panel, at in ((left, 0), (right, 1)):
        u = recording["output.potential"].values[at, :, 3]
        assert [t.get_text() for t in panel.texts] == [str(k) for k in u.argmax(1)]
        assert {tuple(line.get_ydata()) for line in panel.lines} == {tuple(each) for each in u.T}
    for at, name in enumerate(THERE):
        u = recording["output.potential"].values[at, :, 3]
        expected = u[:, 3] - np.delete(u, 3, axis=1).max(1)
        (line,) = drawn(margin, name)
        np.testing.assert_allclose(line.get_ydata(), expected)
        here = under(recording, name).isel(image=3)
        np.testing.assert_allclose(margins(here), expected)
    assert margin.patches[0].get_x() == 1.5
    assert margin.patches[0].get_width() == 4
    best = recording["logits"].values[:, 3].argmax(1)
    assert f"answered: clean {best[0]}, adversarial {best[1]}, noise {best[2]}" in said(figure)


def test_what_was_not_recorded_is_named(recording):
    for wrong, says in (
        (recording.isel(condition=0), "of one condition alone"),
        (recording.drop_vars("inputs"), "holds no 'inputs'"),
        (recording.drop_vars("output.potential"), "one unit for each class"),
        (recording.isel(condition=[0, 2]), "no recorded condition 'adversarial'"),
    ):
        with pytest.raises(BlindspotsError, match=says):
            decision(wrong)
    with pytest.raises(BlindspotsError, match="no image 5; choose from 0 to 4"):
        drives(recording, image=5)
    with pytest.raises(BlindspotsError, match="no 'drive_by_kind' of any area"):
        drives(recording[["h1.output", "logits"]])
    with pytest.raises(BlindspotsError, match="at least 3"):
        state_space(recording.isel(image=[0, 1]))


def test_a_raster_marks_gone_and_new_spikes(recording):
    shown = recording.assign_attrs(perturbed=np.array([1, 4]))
    figure = raster_with_rates(shown, image=2)
    panels = {p.get_ylabel().split("\n")[0]: p for p in figure.axes if "(cell)" in p.get_ylabel()}
    assert list(panels) == ["h2", "h1"]
    for area, panel in panels.items():
        clean, other = recording[f"{area}.output"].values[:2, :, 2] > 0.5
        expected = (clean & other, 0.0), (clean & ~other, -0.25), (other & ~clean, 0.25)
        for lines, (spikes, aside) in zip(panel.collections, expected, strict=True):
            at = {(round(s[0][0] - aside), round(s.mean(0)[1])) for s in lines.get_segments()}
            assert at == {tuple(each) for each in np.argwhere(spikes)}
        beside = figure.axes[figure.axes.index(panel) + 1]
        np.testing.assert_array_equal([b.get_width() for b in beside.patches], clean.sum(0))
        dots = beside.collections[0].get_offsets()
        np.testing.assert_array_equal(dots[:, 0], other.sum(0))
    bars = {
        t.get_text(): b
        for t, b in zip(figure.axes[0].get_yticklabels(), figure.axes[0].patches, strict=True)
    }
    assert (bars["perturbation"].get_x(), bars["perturbation"].get_width()) == (0.5, 3)
    assert (bars["stimulus"].get_x(), bars["stimulus"].get_width()) == (-0.5, STEPS)


def test_recordings_in_ms_are_shaded_where_their_steps_lie(recording):
    slow = recording.assign_coords(time=np.arange(STEPS) * 2.5).assign_attrs(
        time_unit="ms", step_ms=5.0, answers=np.array([1, 2])
    )
    margin = decision(slow).axes[-2]
    assert (margin.patches[0].get_x(), margin.patches[0].get_width()) == (5, 10)
    path = drawn(state_space(slow, areas=["h1"]).axes[0], "clean")[0]
    assert len(path.get_xdata()) == STEPS // 2  # averaged within each step


def test_traces_of_rate_units_have_no_threshold(make_dynamics):
    recording = make_dynamics(units="rate")
    pair = [recording.sel(condition=name) for name in ("clean", "adversarial")]
    figure = traces(*pair, image=1, units={"h1": [4]})
    upper, lower = figure.axes
    for line, each in zip(upper.lines, pair, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), each["h1.output"][:, 1, 4])
    gap = pair[1]["h1.output"][:, 1, 4] - pair[0]["h1.output"][:, 1, 4]
    np.testing.assert_array_equal(lower.lines[1].get_ydata(), gap)
    assert upper.get_ylabel() == "rate"
    text = said(figure)
    assert "Rates on clean and adversarial images" in text
    assert "threshold" not in text
    assert len(traces(*pair).axes) == 8  # two cells of h1 and of h2, each with its difference


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


def test_paths_lie_in_the_plane_of_clean_activity(recording):
    panel = state_space(recording, image=2, areas=["h1"]).axes[0]
    states = recording["h1.potential"].values
    clean = states[0].reshape(-1, SIZES["h1"])
    _, sizes, axes = np.linalg.svd(clean - clean.mean(0), full_matrices=False)
    shares = 100 * sizes**2 / (sizes**2).sum()
    assert f"{shares[0]:.0f} % of variance" in panel.get_xlabel()
    assert f"{shares[1]:.0f} %" in panel.get_ylabel()
    for at, name in enumerate(THERE):
        expected = (states[at, :, 2] - clean.mean(0)) @ axes[:2].T
        path = np.array(drawn(panel, name)[0].get_data()).T
        np.testing.assert_allclose(np.abs(path), np.abs(expected), atol=1e-9)
    assert sorted(t.get_text() for t in panel.texts) == sorted("7133")
    gap = states[1, -1, 2] - states[0, -1, 2]
    share = np.linalg.norm(axes[:2] @ gap) / np.linalg.norm(gap)
    assert f"{100 * share:.0f} % of the shift seen" in panel.get_title()


def test_a_field_is_the_mean_displacement_of_what_came_near():
    """Of runs that shrink towards (0, 0) by 7 % a step it is -0.07 of the place."""
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)])[:, None]  # plane, time, image
    runs = np.concatenate([circle * 0.93**step for step in range(40)], axis=1)
    first, second = (xr.DataArray(each[None], dims=("condition", "time", "image")) for each in runs)
    flow = field(first, second, 21)
    inside = np.hypot(flow.x, flow.y) < 0.8
    np.testing.assert_allclose(flow.along[inside], -0.07 * flow.x[inside], atol=0.008)
    np.testing.assert_allclose(flow.across[inside], -0.07 * flow.y[inside], atol=0.008)
    assert np.isnan(flow.along[0, 0])  # no run came into the corner
    with pytest.raises(BlindspotsError, match="never changes"):
        field(first, 0 * second)


def test_a_portrait_shows_paths_fixed_points_and_modules(recording):
    fixed = xr.Dataset(
        {
            "h1.output": (("point", "h1.unit"), np.full((2, SIZES["h1"]), 0.25)),
            "h2.output": (("point", "h2.unit"), np.full((2, SIZES["h2"]), 0.5)),
            "stable": ("point", [True, False]),
        }
    )
    figure = phase(recording, ("h1", "h2"), image=1, fixed=fixed)
    panel = figure.axes[0]
    (path,) = (line for line in drawn(panel, "noise") if line.get_marker() == "^")
    for values, area in zip(path.get_data(), SIZES, strict=True):
        np.testing.assert_allclose(values, recording[f"{area}.output"].values[2, :, 1].mean(-1))
    squares = [
        line
        for line in panel.lines
        if line.get_marker() == "s" and line.get_label() in ("stable", "unstable")
    ]
    assert [line.get_xydata().tolist() for line in squares] == [[[0.25, 0.5]]] * 2
    assert f"{3 * IMAGES * (STEPS - 1)} steps of {3 * IMAGES} runs" in said(figure)
    parts = recording.copy()
    parts["h1.output"] = recording["h1.output"].assign_attrs(modules=4)
    panel = phase(parts, ("h1:0", "h1:3"), image=1).axes[0]
    (path,) = (line for line in drawn(panel, "noise") if line.get_marker() == "^")
    expected = recording["h1.output"].values[2, :, 1, 9:].mean(-1)
    np.testing.assert_allclose(path.get_ydata(), expected)
    with pytest.raises(BlindspotsError, match="no module of 'h1' '4'"):
        phase(parts, ("h1:0", "h1:4"))


def test_drives_stack_to_their_sum(recording):
    figure = drives(recording, image=3)
    columns = [panel.get_title() for panel in figure.axes[:3]]
    assert columns == list(THERE)
    output, cells = figure.axes[1], figure.axes[7]  # adversarial; the first area lies lowest
    parts = recording["h1.drive_by_kind"].values[:, 1, :, 3]
    active = (recording["h1.output"].values[:, :, 3] > 0).any((0, 1))
    mean = parts[..., active].mean(-1)
    np.testing.assert_allclose(cells.lines[0].get_ydata(), mean.sum(0), rtol=1e-5)
    tops = np.max([[bar.get_y() + bar.get_height() for bar in c] for c in cells.containers], 0)
    np.testing.assert_allclose(tops, np.maximum(mean, 0).sum(0), rtol=1e-5)
    logits = recording["logits"].values[1, 3].copy()
    logits[3] = -np.inf
    votes = recording["output.drive_by_kind"].values[:, 1, :, 3]
    votes = votes[..., 3] - votes[..., logits.argmax()]
    np.testing.assert_allclose(output.lines[0].get_ydata(), votes.sum(0), rtol=1e-5)
    assert f"minus that of {logits.argmax()}" in figure.axes[0].get_ylabel()


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


def test_words_stay_inside(recording, result, summary, parameters):
    for figure in (
        decision(recording),
        raster_with_rates(recording),
        divergence(result, "fc-blt"),
        state_space(recording),
        phase(recording, ("h1", "h2")),
        drives(recording),
        early_late(result),
        sensitivity(result, summary),
        weights(parameters),
    ):
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        for part in (figure, *figure.subfigs):
            box = part.get_tightbbox()
            box = box if part is figure else box.transformed(figure.dpi_scale_trans.inverted())
            assert box.x0 > -0.01
            assert box.y0 > -0.01
            assert box.x1 < width + 0.01
            assert box.y1 < height + 0.01
