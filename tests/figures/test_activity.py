"""Figures of activity: every cell keeps its row, what differs is marked, thresholds lie right."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from figures.contrast import GONE, NEW, contrast
from figures.raster import FIRST, SECOND, raster
from figures.rates import rates
from figures.recordings import spikes_of
from figures.style import GREY, VERMILLION
from figures.traces import DASHED, SOLID, traces
from networks.errors import BlindspotsError

STEPS, IMAGES = 9, 4
SIZES = {"h1": 20, "h2": 12}
THRESHOLDS = {"h1": 1.0, "h2": 0.5}
SILENT = {"h1": [0, 7, 19], "h2": [11]}


def make_recording(seed=0, simulator="torch"):
    """Membranes by chance and their spikes; some cells never reach their threshold."""
    rng = np.random.default_rng(seed)
    variables = {}
    for area, size in SIZES.items():
        u = rng.normal(0, 1, (STEPS, IMAGES, size))
        u[..., SILENT[area]] = -1
        said = {"unit_model": "lif", "threshold": THRESHOLDS[area]}
        dims = ("time", "image", f"{area}.unit")
        variables[f"{area}.potential"] = (dims, u, said)
        variables[f"{area}.output"] = (dims, (u > THRESHOLDS[area]).astype(float), said)
    pixels = rng.random((1, IMAGES, 49)).repeat(STEPS, 0)
    variables["input.output"] = (("time", "image", "input.unit"), pixels, {"unit_model": "input"})
    out = rng.random((STEPS, IMAGES, 10))
    variables["output.output"] = (("time", "image", "output.unit"), out, {"unit_model": "rate"})
    variables["logits"] = (("image", "class"), rng.normal(size=(IMAGES, 10)))
    return xr.Dataset(
        variables,
        coords={
            "time": np.arange(STEPS),
            "image": [50, 60, 70, 80],
            "label": ("image", [7, 1, 0, 3]),
        },
        attrs={
            "wiring": "fc-blt-spiking",
            "simulator": simulator,
            "time_unit": "steps",
            "data": "MNIST",
        },
    )


@pytest.fixture
def recording():
    return make_recording()


@pytest.fixture
def other(recording):
    """The same on Brian2: one spike of h1 less, two of h2 more, membranes off by a last bit."""
    twin = recording.copy(deep=True).assign_attrs(simulator="brian2")
    spikes = twin["h1.output"].values[:, 1]
    step, cell = np.argwhere(spikes == 1)[0]
    spikes[step, cell] = 0
    spikes = twin["h2.output"].values[:, 1]
    for step, cell in np.argwhere(spikes == 0)[:2]:
        spikes[step, cell] = 1
    twin["h1.potential"][2, 1] += 4e-15
    return twin


def panels_of(figure):
    """The panels by the area on their left."""
    return {p.get_ylabel().split("\n")[0]: p for p in figure.axes if "(cell)" in p.get_ylabel()}


def ticks(panel, colour=None):
    """{(step, cell)} of the spikes drawn as ticks."""
    found = set()
    for lines in (c for c in panel.collections if isinstance(c, LineCollection)):
        if colour is None or tuple(lines.get_colors()[0]) == matplotlib_colour(colour):
            found |= {(int(s[0][0]), round(float(s.mean(0)[1]))) for s in lines.get_segments()}
    return found


def matplotlib_colour(name):
    from matplotlib.colors import to_rgba

    return to_rgba(name)


def said(figure):
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def test_every_cell_has_a_row_and_silent_ones_are_tinted(recording):
    panels = panels_of(raster(recording, image=1))
    assert list(panels) == ["h2", "h1"]  # the first area lies lowest
    for area, panel in panels.items():
        assert panel.get_ylim() == (-0.5, SIZES[area] - 0.5)
        spikes = spikes_of(recording.isel(image=1), area)
        assert ticks(panel) == {tuple(each) for each in np.argwhere(spikes)}
        silent = np.flatnonzero(~spikes.any(0))
        assert set(SILENT[area]) <= set(silent)
        tinted = [round(bar.get_y() + 0.5) for bar in panel.patches]
        assert tinted == list(silent)
        assert all(bar.get_height() == 1 for bar in panel.patches)
        assert panel.get_title("left") == f"{len(silent)} of {SIZES[area]} cells silent"


def test_no_spike_is_lower_than_a_pixel():
    """However many cells share a panel; a spike of one among hundreds is seen."""
    spikes = np.zeros((STEPS, 1, 600))
    spikes[3, 0, 300] = 1
    dims = ("time", "image", "h1.unit")
    many = xr.Dataset(
        {"h1.output": (dims, spikes, {"unit_model": "lif"})}, {"time": np.arange(STEPS)}
    )
    (panel,) = panels_of(raster(many)).values()
    (lines,) = [c for c in panel.collections if isinstance(c, LineCollection)]
    (segment,) = lines.get_segments()
    assert np.ptp(segment[:, 1]) == pytest.approx(0.004 * 600)
    assert segment[:, 1].mean() == 300


def test_an_area_can_be_left_out_and_none_invented(recording):
    assert list(panels_of(raster(recording, areas=["h2"]))) == ["h2"]
    with pytest.raises(BlindspotsError, match="no recorded spiking area 'output'"):
        raster(recording, areas=["output"])
    with pytest.raises(BlindspotsError, match="holds no spikes"):
        raster(recording[["input.output", "h1.potential"]])
    with pytest.raises(BlindspotsError, match="no image 4; choose from 0 to 3"):
        raster(recording, image=4)


def test_differing_spikes_are_marked(recording, other):
    figure = raster(recording, other, image=1)
    for area, panel in panels_of(figure).items():
        first, second = (spikes_of(each.isel(image=1), area) for each in (recording, other))
        assert ticks(panel) == {tuple(each) for each in np.argwhere(first & second)}
        for (colour, marker), alone in ((FIRST, first & ~second), (SECOND, second & ~first)):
            (marks,) = [line for line in panel.lines if line.get_marker() == marker]
            assert marks.get_color() == colour
            at = {(int(x), int(y)) for x, y in zip(*marks.get_data(), strict=True)}
            assert at == {tuple(each) for each in np.argwhere(alone)}
    text = said(figure)
    assert "torch only (1)" in text
    assert "Brian2 only (2)" in text
    assert "Spikes on torch and Brian2" in text
    assert "image 60 (a 1, answered" in text


def test_recordings_must_match(recording, other):
    with pytest.raises(BlindspotsError, match=r"do not match: 'h1.output'"):
        raster(recording, other.isel(image=[0, 1]))
    with pytest.raises(BlindspotsError, match="no array"):
        traces(recording, other.drop_vars("h2.output"))
    with pytest.raises(BlindspotsError, match="do not match"):
        rates({"a": recording, "b": other.isel(time=slice(3))})


def test_traces_lie_over_each_other_with_their_threshold(recording, other):
    units = {"h1": [3, 5], "h2": [2]}
    figure = traces(recording, other, image=1, units=units)
    upper, lower = figure.axes[:3], figure.axes[3:]
    for panel, (area, unit) in zip(upper, [("h1", 3), ("h1", 5), ("h2", 2)], strict=True):
        assert panel.get_title() == f"{area}, cell {unit}"
        dotted = [x for x in panel.lines if x.get_color() == GREY and x.get_linestyle() == ":"]
        assert [x.get_ydata()[0] for x in dotted] == [THRESHOLDS[area]]
        for each, look in ((recording, SOLID), (other, DASHED)):
            drawn = [x for x in panel.lines if x.get_color() == look["color"]]
            here = each.isel(image=1)
            np.testing.assert_array_equal(drawn[0].get_ydata(), here[f"{area}.potential"][:, unit])
            fired = np.flatnonzero(spikes_of(here, area)[:, unit])
            np.testing.assert_array_equal(drawn[1].get_xdata(), fired)
        assert panel.get_ylim()[1] > THRESHOLDS[area]
    gap = (other["h1.potential"] - recording["h1.potential"])[:, 1, 3]
    np.testing.assert_array_equal(lower[0].lines[1].get_ydata(), gap)
    text = said(figure)
    assert f"at most {float(abs(gap).max()):.1e}" in text
    assert "equal in every bit" in text  # h2
    assert "Brian2 − torch" in text


def test_traces_of_one_recording_choose_cells_themselves(recording):
    figure = traces(recording)
    titles = [panel.get_title() for panel in figure.axes]
    counts = spikes_of(recording.isel(image=0), "h1").sum(0)
    assert titles[0] == f"h1, cell {counts.argmax()}"
    assert len(titles) == 4
    assert all(int(title.split()[-1]) not in SILENT[title[:2]] for title in titles)
    for wrong, says in (({"h1": [20]}, "choose from 0 to 19"), ({"h1": range(5)}, "from 1 to 4")):
        with pytest.raises(BlindspotsError, match=says):
            traces(recording, units=wrong)
    with pytest.raises(BlindspotsError, match=r"no 'h1.potential'"):
        traces(recording.drop_vars("h1.potential"))


def test_rates_are_shares_of_cells(recording):
    adversarial = make_recording(seed=1)
    figure = rates({"clean": recording, "adversarial": adversarial})
    assert [panel.get_title() for panel in figure.axes] == ["h1", "h2"]
    for panel, area in zip(figure.axes, SIZES, strict=True):
        for line, each in zip(panel.lines, (recording, adversarial), strict=True):
            expected = 100 * each[f"{area}.output"].mean(["image", f"{area}.unit"])
            np.testing.assert_allclose(line.get_ydata(), expected)
        assert panel.get_ylim()[0] == 0
        assert len(panel.collections) == 2
    assert "cells that spike (%)" in said(figure)
    with pytest.raises(BlindspotsError, match="give 1 to 4"):
        rates({})


def test_contrast_colours_what_the_attack_changes(recording):
    adversarial = make_recording(seed=1)
    figure = contrast(recording, adversarial, image=2, attack="PGD")
    for area, left in panels_of(figure).items():
        at = figure.axes.index(left)
        first, second = (spikes_of(r.isel(image=2), area) for r in (recording, adversarial))
        for panel, spikes, kept, colour in (
            (left, first, first & second, GONE),
            (figure.axes[at + 1], second, first & second, NEW),
        ):
            assert ticks(panel) == {tuple(each) for each in np.argwhere(spikes)}
            assert ticks(panel, colour) == {tuple(each) for each in np.argwhere(spikes & ~kept)}
    pictures = [image for panel in figure.axes for image in panel.images]
    assert len(pictures) == 2
    np.testing.assert_array_equal(
        np.asarray(pictures[0].get_array()).ravel(), recording["input.output"][0, 2]
    )
    text = said(figure)
    for words in (
        "clean: a 0, answered",
        "adversarial: a 0, answered",
        "by PGD",
        "image 70",
        "gone",
    ):
        assert words in text
    with pytest.raises(BlindspotsError, match="no logits"):
        contrast(recording.drop_vars("logits"), adversarial.drop_vars("logits"))


def test_other_data_are_loud_and_unnamed_data_are_not(recording):
    figure = raster(recording.assign_attrs(data="digits"))
    assert "NOT MNIST: digits" in said(figure)
    assert figure._suptitle.get_color() == VERMILLION
    del recording.attrs["data"]
    assert "NOT MNIST" not in said(raster(recording))


def test_words_stay_inside(recording, other, stays_inside):
    for figure in (
        raster(recording),
        raster(recording, other, image=1),
        traces(recording, image=1),
        traces(recording, other, image=1),
        rates({"clean": recording}),
        rates({"clean": recording, "adversarial": make_recording(seed=1)}),
        contrast(recording, make_recording(seed=1), attack="PGD, L∞, ε = 0.1"),
    ):
        stays_inside(figure)
        titles = [p.title.get_window_extent() for p in figure.axes if p.get_title()]
        assert not any(a.overlaps(b) for a, b in pairwise(titles))
        assert all(p.get_position().height > 0.1 for p in figure.axes)
