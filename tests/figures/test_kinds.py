"""Networks side by side: what is drawn is what was measured, on the same inputs or not at all."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

from figures.conditions import CONDITIONS
from figures.kinds import HUES, kinds, titled
from networks.errors import BlindspotsError

STEPS, IMAGES = 6, 5


@pytest.fixture(scope="module")
def recordings(make_dynamics):
    """A rate network, and a spiking one in ms with five samples a step."""
    inputs = make_dynamics()["inputs"]
    rate, fast = make_dynamics(units="rate"), make_dynamics(1, steps=5 * STEPS)
    fast = fast.assign_coords(time=np.arange(5 * STEPS) * 0.4).assign_attrs(
        time_unit="ms", step_ms=2.0
    )
    said = {"individual": 0, "crafted_on": "fc-x", "input": "input"}
    return [
        each.assign(inputs=inputs).assign_attrs(network=name, **said)
        for name, each in (("fc-bl", rate), ("fc-blt-spiking@cells", fast))
    ]


@pytest.fixture(scope="module")
def result():
    """Of the second network, one step less was measured."""
    rng = np.random.default_rng(5)
    dims = ("network", "individual", "condition", "time", "image")
    margins = rng.normal(size=(2, 1, 3, STEPS, IMAGES))
    margins[1, ..., -1, :] = np.nan
    apart = rng.random((2, 1, 3, 4, STEPS, IMAGES))
    apart[1, ..., -1, :] = np.nan
    return xr.Dataset(
        {
            "margin": (dims, margins),
            "answer": (dims, rng.integers(0, 10, margins.shape).astype(np.int8)),
            "relative_divergence": ((*dims[:3], "area", *dims[3:]), apart),
        },
        coords={
            "network": ["fc-bl", "fc-blt-spiking@cells"],
            "individual": [0],
            "condition": list(CONDITIONS),
            "area": ["input", "h1", "h2", "output"],
            "time": np.arange(STEPS),
            "image": [9, 4, 5, 6, 7],
            "label": ("image", [3, 7, 1, 0, 3]),
            "recurrence": ("network", ["lateral", "both"]),
            "units": ("network", ["rate", "cells"]),
        },
    )


def said(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_a_row_holds_what_was_measured_of_that_image(result, recordings):
    figure = kinds(result, recordings, image=2)  # test image 6, the fourth of the result
    panels = [p for p in figure.axes[3:] if p.get_label() != "<colorbar>"]
    assert len(panels) == 8
    for row, name in enumerate(result["network"].values):
        steps = STEPS - row
        answer, margin, apart, active = panels[4 * row : 4 * row + 4]
        here = result.sel(network=name, individual=0, image=6).isel(time=slice(steps))
        digits = [t.get_text() for t in answer.texts[: 3 * steps]]
        assert digits == [str(each) for each in here["answer"].values.ravel()]
        np.testing.assert_array_equal(
            [line.get_ydata() for line in margin.lines[1:]], here["margin"]
        )
        expected = here["relative_divergence"].values[1:, 1:].swapaxes(0, 1).reshape(6, -1)
        np.testing.assert_array_equal([line.get_ydata() for line in apart.lines], expected)
        assert [line.get_color() for line in apart.lines[::2]] == list(HUES[:3])
        output = recordings[row]["h1.output"].values[:, :, 2].mean(-1)
        if row:  # spikes within each step
            output = output.reshape(3, STEPS, 5).sum(-1)
        np.testing.assert_allclose([line.get_ydata() for line in active.lines[:3]], output)
    assert panels[2].get_ylim() == panels[6].get_ylim()
    assert "fc-blt-spiking@cells: lateral and top-down, cells, a step lasts 2 ms" in said(figure)


def test_the_title_names_image_attack_and_answers(result, recordings, stays_inside):
    figure = kinds(result, recordings, image=1)
    stays_inside(figure)
    words = " ".join(figure.get_suptitle().split())
    assert "MNIST, image 5 (a 1), pgd-linf, ε = 0.1, crafted on fc-x" in words
    for each in recordings:
        clean, adversarial, noise = each["logits"].values[:, 1].argmax(1)
        assert f"{each.attrs['network']} {clean} → {adversarial} ({noise})" in words
    strange = [each.assign_attrs(data="digits") for each in recordings]
    bare = Figure()
    titled(bare, strange, 1)
    assert "NOT MNIST: digits" in bare.get_suptitle()


def test_other_inputs_are_refused(result, recordings):
    other = recordings[1].assign(inputs=recordings[1]["inputs"] + 1e-6)
    with pytest.raises(BlindspotsError, match="'fc-bl' and 'fc-blt-spiking@cells' were not shown"):
        kinds(result, [recordings[0], other])
    with pytest.raises(BlindspotsError, match="watch two or more"):
        kinds(result, recordings[:1])
