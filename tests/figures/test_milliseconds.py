"""Figures of recordings in milliseconds: other sampling, the same place for the same step."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from figures.contrast import contrast, shared
from figures.raster import SILENT, SPAN, raster
from figures.rates import rates
from figures.recordings import spikes_of
from figures.traces import DASHED, SOLID, traces
from networks.errors import BlindspotsError

STEP, FINE = 2.0, 0.1  # ms
STEPS, IMAGES = 9, 3
SIZES = {"h1": 20, "h2": 12}
REST = {"h1": [0, 7], "h2": [11]}  # cells that never spike


def made(spacing, seed, **attrs):
    """Potentials by chance around -55 mV; a cell spikes where it is above -50 mV."""
    rng = np.random.default_rng(seed)
    samples = round(STEPS * STEP / spacing)
    rate = 0.3 * spacing / STEP
    variables = {}
    for area, size in SIZES.items():
        dims = ("time", "image", f"{area}.unit")
        spikes = rng.random((samples, IMAGES, size)) < rate
        spikes[..., REST[area]] = False
        u = np.where(spikes, -49.0, rng.uniform(-65, -51, spikes.shape))
        said = {"unit_model": "lif", "threshold": -50.0}
        variables[f"{area}.potential"] = (dims, u, {**said, "units": "mV"})
        variables[f"{area}.output"] = (dims, spikes, said)
    variables["logits"] = (("image", "class"), rng.normal(size=(IMAGES, 10)))
    coords = {"time": np.arange(samples) * spacing}
    facts = {"wiring": "fc-blt-spiking", "time_unit": "ms", "step_ms": STEP, "data": "MNIST"}
    return xr.Dataset(variables, coords, {**facts, **attrs})


@pytest.fixture
def trained():
    return made(STEP, 0, simulator="torch")


@pytest.fixture
def detailed():
    return made(FINE, 1, simulator="brian2", way="detailed")


@pytest.fixture
def attacked():
    facts = {"attack": "pgd-linf", "epsilon": 0.1}
    return made(FINE, 2, simulator="brian2", way="detailed", **facts)


def said(figure):
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def panels_of(figure):
    return {p.get_ylabel().split("\n")[0]: p for p in figure.axes if "(cell)" in p.get_ylabel()}


def bars(panel, colour):
    """(left, width, row) of the boxes of a colour."""
    from matplotlib.colors import to_rgba

    found = [bar for bar in panel.patches if bar.get_facecolor() == to_rgba(colour)]
    return {(bar.get_x(), bar.get_width(), round(bar.get_y() + 0.5)) for bar in found}


def ticks(panel):
    """{(time, row)} of all ticks."""
    lines = [c for c in panel.collections if isinstance(c, LineCollection)]
    segments = [s for each in lines for s in each.get_segments()]
    return {(round(float(s[0][0]), 6), round(float(s.mean(0)[1]))) for s in segments}


@pytest.mark.parametrize("turned", [False, True])
def test_the_finer_spikes_lie_on_the_steps_of_the_coarser(trained, detailed, turned):
    pair = (detailed, trained) if turned else (trained, detailed)
    figure = raster(*pair, image=1)
    for area, panel in panels_of(figure).items():
        coarse, fine = (spikes_of(each.isel(image=1), area) for each in (trained, detailed))
        boxes = bars(panel, SPAN)
        assert {(left, row) for left, _, row in boxes} == {
            (STEP * step, cell) for step, cell in np.argwhere(coarse)
        }
        assert all(0.8 * STEP < wide < STEP for _, wide, _ in boxes)
        assert ticks(panel) == {
            (round(FINE * (sample + 0.5), 6), cell) for sample, cell in np.argwhere(fine)
        }
        silent = np.flatnonzero(~coarse.any(0) & ~fine.any(0))
        assert set(REST[area]) <= set(silent)
        assert {row for _, _, row in bars(panel, SILENT)} == set(silent)
        assert panel.get_ylim() == (-0.5, SIZES[area] - 0.5)
        assert panel.get_xlim() == pytest.approx((0, STEPS * STEP))
    text = said(figure)
    counts = [sum(int(r[f"{a}.output"][:, 1].sum()) for a in SIZES) for r in (trained, detailed)]
    assert f"torch: spike within 2 ms ({counts[0]})" in text
    assert f"Brian2 (detailed): spike ({counts[1]})" in text
    assert "time (ms)" in text
    assert "only" not in text


def test_equal_sampling_marks_what_differs(trained):
    twin = trained.copy(deep=True).assign_attrs(simulator="brian2")
    twin["h1.output"][3, 0, 5] = ~twin["h1.output"][3, 0, 5]
    text = said(raster(trained, twin))
    assert ("torch only (1)" in text) != ("Brian2 only (1)" in text)
    assert "both (" in text


def test_membranes_of_different_sampling_have_no_difference(trained, detailed):
    figure = traces(trained, detailed, units={"h1": [3, 5]})
    assert [panel.get_title() for panel in figure.axes] == ["h1, cell 3", "h1, cell 5"]
    for panel, unit in zip(figure.axes, (3, 5), strict=True):
        for each, look in ((trained, SOLID), (detailed, DASHED)):
            line, spikes = [x for x in panel.lines if x.get_color() == look["color"]]
            np.testing.assert_array_equal(line.get_xdata(), each["time"])
            np.testing.assert_array_equal(line.get_ydata(), each["h1.potential"][:, 0, unit])
            assert (line.get_marker() == "o") == (each is trained)
            fired = each["time"].to_numpy()[spikes_of(each.isel(image=0), "h1")[:, unit]]
            np.testing.assert_array_equal(spikes.get_xdata(), fired)
        (level,) = [x for x in panel.lines if x.get_linestyle() == ":"]
        assert level.get_ydata()[0] == -50
    text = said(figure)
    assert "membrane (mV)" in text
    assert "difference" not in text


def test_membranes_of_equal_sampling_have_one_in_mv(detailed, attacked):
    text = said(traces(detailed, attacked, units={"h1": [3]}))
    largest = float(abs(attacked["h1.potential"] - detailed["h1.potential"])[:, 0, 3].max())
    assert f"at most {largest:.3g} mV" in text
    assert "second − first" in text


def test_rates_in_hz_do_not_depend_on_the_sampling(trained, detailed):
    figure = rates({"torch": trained, "detailed": detailed})
    for panel, area in zip(figure.axes, SIZES, strict=True):
        for line, each, samples in zip(panel.lines, (trained, detailed), (1, 20), strict=True):
            np.testing.assert_allclose(line.get_xdata(), STEP * (np.arange(STEPS) + 0.5))
            spikes = each[f"{area}.output"].to_numpy().reshape(STEPS, samples, IMAGES, -1)
            np.testing.assert_allclose(line.get_ydata(), spikes.sum(1).mean((1, 2)) * 1000 / STEP)
        assert panel.get_xlim() == pytest.approx((0, STEPS * STEP))
    text = said(figure)
    assert "(Hz)" in text
    assert "bins of 2 ms" in text


def test_contrast_of_a_detailed_pair(detailed, attacked):
    figure = contrast(detailed, attacked, image=2)
    text = said(figure)
    for words in ("in both ± 1 ms", "(Hz)", "time (ms)", "by pgd-linf, ε = 0.1"):
        assert words in text
    for area, left in panels_of(figure).items():
        right = figure.axes[figure.axes.index(left) + 1]
        for panel, each in ((left, detailed), (right, attacked)):
            fired = np.argwhere(spikes_of(each.isel(image=2), area))
            assert ticks(panel) == {(round(FINE * (at + 0.5), 6), cell) for at, cell in fired}


def test_spikes_are_shared_within_a_slack_and_by_the_same_cell():
    one, two = np.zeros((8, 2), bool), np.zeros((8, 2), bool)
    one[[0, 3, 7], 0] = True
    two[[2, 5], 0] = True
    two[7, 1] = True
    expected = {0: [], 1: [3], 2: [0, 3, 7], 3: [0, 3, 7]}
    for slack, kept in expected.items():
        found = shared(one, two, slack)
        assert np.flatnonzero(found[:, 0]).tolist() == kept
        assert not found[:, 1].any()


def test_recordings_that_do_not_belong_together(trained, detailed):
    steps = trained.assign_attrs(time_unit="steps")
    for draw in (raster, traces, contrast):
        with pytest.raises(BlindspotsError, match="one is in steps, the other in ms"):
            draw(steps, detailed)
        with pytest.raises(BlindspotsError, match="lasts 2 ms in one and 1 ms in the other"):
            draw(trained, detailed.assign_attrs(step_ms=1.0))
        with pytest.raises(BlindspotsError, match=r"'h1.output' is 3 image x 20 h1.unit and 2 im"):
            draw(trained, detailed.isel(image=[0, 1]))
    with pytest.raises(BlindspotsError, match="sampled differently"):
        contrast(trained, detailed)
    dimensionless = trained.copy()
    dimensionless["h1.potential"] = dimensionless["h1.potential"].assign_attrs(units="1")
    with pytest.raises(BlindspotsError, match="in 1 and in mV"):
        traces(dimensionless, detailed)
    del trained.attrs["step_ms"]
    with pytest.raises(BlindspotsError, match="'step_ms'"):
        rates({"torch": trained})


def test_words_stay_inside(trained, detailed, attacked):
    for figure in (
        raster(trained, detailed),
        raster(detailed),
        raster(attacked),
        traces(trained, detailed),
        traces(detailed, attacked),
        rates({"torch": trained, "Brian2 (detailed)": detailed}),
        contrast(detailed, attacked),
    ):
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        box = figure.get_tightbbox()
        assert box.x0 > -0.01
        assert box.y0 > -0.01
        assert box.x1 < width + 0.01
        assert box.y1 < height + 0.01


def test_untrained_weights_are_said(detailed):
    assert "untrained" not in said(raster(detailed.assign_attrs(weights="trained")))
    text = said(raster(detailed.assign_attrs(weights="drawn from seed 0")))
    assert "fc-blt-spiking (untrained)" in text
