"""Figures of dynamics: what is drawn is what was recorded, and what is missing is refused."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from figures.conditions import CONDITIONS, margins, under
from figures.decision import decision
from figures.drive import drives
from figures.phase import field, phase
from figures.raster_rates import raster_with_rates
from figures.state_space import state_space
from figures.traces import traces
from networks.errors import BlindspotsError

STEPS, IMAGES, SIZES = 6, 5, {"h1": 12, "h2": 8}
THERE = ("clean", "adversarial", "noise")


@pytest.fixture(scope="module")
def recording(make_dynamics):
    return make_dynamics()


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
    with pytest.raises(BlindspotsError, match="no 'plane' of any area"):
        state_space(recording[["h1.output", "logits"]])


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
    (margin,) = (p for p in decision(slow).axes if p.get_title().startswith("margin"))
    assert (margin.patches[0].get_x(), margin.patches[0].get_width()) == (5, 10)
    potentials = slow["output.potential"].values[1, :, 0].reshape(3, 2, 10).mean(1)  # by step
    (line,) = drawn(margin, "adversarial")
    np.testing.assert_array_equal(line.get_xdata(), [2.5, 7.5, 12.5])
    np.testing.assert_allclose(
        line.get_ydata(), potentials[:, 7] - np.delete(potentials, 7, axis=1).max(1)
    )
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


def test_paths_are_projected_onto_the_plane_of_the_recording(recording):
    panel = state_space(recording, image=2, areas=["h1"]).axes[0]
    states, axes = recording["h1.potential"].values, recording["h1.plane"].values
    assert "(38 % of variance)" in panel.get_xlabel()
    assert "(25 %)" in panel.get_ylabel()
    for at, name in enumerate(THERE):
        expected = (states[at, :, 2] - recording["h1.centre"].values) @ axes.T
        path = np.array(drawn(panel, name)[0].get_data()).T
        np.testing.assert_allclose(path, expected, atol=1e-9)
    assert [t.get_text() for t in panel.texts] == list("7103382")
    ends = [t.get_position() for t in panel.texts]
    np.testing.assert_array_equal(ends, recording["h1.ends"])
    gap = states[1, -1, 2] - states[0, -1, 2]
    share = np.linalg.norm(axes @ gap) / np.linalg.norm(gap)
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
    growing = recording.copy()
    growing["h1.output"] = recording["h1.output"] + 9 * recording["time"]
    text = said(phase(growing, ("h1", "h2")))
    assert "no nullcline here: h1 only rises" in text
    assert "h2 stands still" in text
    parts = recording.copy()
    parts["h1.output"] = recording["h1.output"].assign_attrs(modules=4)
    panel = phase(parts, ("h1:0", "h1:3"), image=1).axes[0]
    (path,) = (line for line in drawn(panel, "noise") if line.get_marker() == "^")
    expected = recording["h1.output"].values[2, :, 1, 9:].mean(-1)
    np.testing.assert_allclose(path.get_ydata(), expected)
    with pytest.raises(BlindspotsError, match="no module '4' in 'h1'; choose from 0 to 3"):
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


def test_words_stay_inside(recording, stays_inside):
    for figure in (
        decision(recording),
        raster_with_rates(recording, areas=["h1"]),
        state_space(recording, areas=["h1", "output"]),
        phase(recording, ("h1", "h2")),
        drives(recording, areas=["h1", "output"]),
    ):
        stays_inside(figure)
