"""Distributions of intervals: every line where the result has it."""

import numpy as np
import pytest
import xarray as xr

from figures.intervals import intervals
from figures.style import VERMILLION

ISI, CV = np.arange(0, 10, 0.5), np.linspace(0, 1.5, 7)
VARIANTS = ["torch", "bare", "noise", "together"]


@pytest.fixture
def result() -> xr.Dataset:
    rng = np.random.default_rng(0)
    dims = ("variant", "condition", "area")
    shape = (4, 2, 2)
    return xr.Dataset(
        {
            "isi_at_most": ((*dims, "isi"), np.sort(rng.random((*shape, len(ISI))), axis=-1)),
            "cv_at_most": ((*dims, "cv"), np.sort(rng.random((*shape, len(CV))), axis=-1)),
            "isi_delta": (dims, rng.uniform(-1, 1, shape)),
            "cv_delta": (dims, rng.uniform(-1, 1, shape)),
            "correct": (("variant", "condition", "image"), np.ones((4, 2, 30))),
        },
        {
            "variant": VARIANTS,
            "condition": ["clean", "own"],
            "area": ["h1", "h2"],
            "isi": ISI,
            "cv": CV,
        },
        {"data": "MNIST", "network": "fc-blt-spiking", "attack": "pgd-linf", "epsilon": 0.1},
    )


def test_lines_and_effects_are_the_results_own(result: xr.Dataset) -> None:
    figure = intervals(result)
    panels = [axes for part in figure.subfigs for axes in part.axes]
    assert len(panels) == 4
    for at, panel in enumerate(panels):
        name, area = ("isi", "cv")[at // 2], ("h1", "h2")[at % 2]
        here = result.isel(condition=0).sel(area=area)
        for line, variant in zip(panel.lines, ("torch", "bare", "together"), strict=True):
            np.testing.assert_allclose(line.get_xdata(), here[name])
            expected = 100 * here[f"{name}_at_most"].sel(variant=variant)
            np.testing.assert_allclose(line.get_ydata(), expected)
        delta = float(here[f"{name}_delta"].sel(variant="together"))
        assert panel.texts[0].get_text() == f"δ = {delta:+.2f}"


def test_a_stand_in_is_loud(result: xr.Dataset) -> None:
    figure = intervals(result.assign_attrs(data="digits"))
    assert "NOT MNIST" in figure.get_suptitle()
    assert figure._suptitle.get_color() == VERMILLION
