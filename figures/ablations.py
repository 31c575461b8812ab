"""What each biophysical ingredient does to a trained network: its accuracy and its activity."""

from collections.abc import Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILLION,
    WIDTH,
    Look,
    is_mnist,
    stage,
    styled,
)

CONDITIONS = (
    Look(BLACK, "", "o", True),
    Look(GREEN, "", "^", True),
    Look(ORANGE, "", "s", False),
    Look(VERMILLION, "", "D", True),
    Look(BLUE, "", "v", False),
)
AREAS = (BLUE, PURPLE, GREEN, ORANGE)
MARKS = ("o", "s", "^", "D")
ROW = 0.24  # inches


@styled
def ablations(result: xr.Dataset) -> Figure:
    """Accuracy of each variant under each condition, and its rates' correlation with torch.

    Args:
        result: `accuracy`, `accuracy_low` and `accuracy_high` (variant, condition) as fractions,
            the images' number as the dimension image, and `rate_correlation` and
            `divergence_from_torch` (variant, condition, area).
    """
    variants = [str(each) for each in result["variant"].to_numpy()]
    shown = [str(each) for each in result["condition"].to_numpy()]
    areas = [str(each) for each in result["area"].to_numpy()]
    handles = [
        Line2D([], [], label=name, **look.kwargs()) for name, look in zip(shown, cycle(CONDITIONS))
    ]
    handles += [
        Line2D([], [], **dot, label=f"area {name}")
        for name, dot in zip(areas, dots(areas), strict=True)
    ]
    figure, above = stage(WIDTH, 0.9 + ROW * len(variants), handles, columns=7)
    left, middle, right = above.subplots(1, 3, sharey=True, width_ratios=[2.2, 1, 1])
    places = -np.arange(len(variants), dtype=float)
    spread = np.linspace(0.27, -0.27, len(shown))
    for condition, look, shift in zip(shown, cycle(CONDITIONS), spread):
        accuracies(left, result.sel(condition=condition), places + shift, look)
    left.set_yticks(places, variants)
    left.set_xlabel("accuracy (%)")
    for panel, name, label in (
        (middle, "rate_correlation", "correlation of spike counts\nwith torch, clean images"),
        (right, "divergence_from_torch", "distance of spike trains\nfrom torch, clean images"),
    ):
        for area, dot in zip(areas, dots(areas), strict=True):
            values = result[name].isel(condition=0).sel(area=area)
            panel.plot(values, places, **dot)
        panel.set_xlabel(label)
    left.set_xlim(0, 100)
    middle.set_xlim(right=1.02)
    right.set_xlim(left=-0.02)
    for panel in (left, middle, right):
        rules(panel, places)
    facts = result.attrs
    text = (
        f"{facts['network']} in cells: each ingredient alone, and those of the physiology together"
    )
    title(figure, result, text, f"{facts['attack']} at ε = {facts['epsilon']:g}")
    return figure


def dots(areas: Sequence[str]) -> list[dict[str, Any]]:
    """How each area is drawn; colours return with another mark."""
    looks = product(MARKS, AREAS)
    return [
        {"color": colour, "marker": mark, "ls": "", "markersize": 3.2}
        for _, (mark, colour) in zip(areas, cycle(looks))
    ]


def accuracies(panel: Axes, here: xr.Dataset, places: np.ndarray, look: Look) -> None:
    """One mark per variant, with its interval over images."""
    ends = 100 * here["accuracy_low"], 100 * here["accuracy_high"]
    panel.hlines(places, *ends, color=look.colour, linewidth=0.9)
    panel.plot(100 * here["accuracy"], places, **look.kwargs(), clip_on=False)


def rules(panel: Axes, places: np.ndarray) -> None:
    """Rows told apart, and the trained units and the whole set off from the single ingredients."""
    panel.grid(axis="x", color="0.92", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(places[-1] - 0.6, places[0] + 0.6)
    for edge in (places[0] - 0.5, places[-1] + 0.5):
        panel.axhline(edge, color="0.6", linewidth=0.6)


def title(figure: Figure, result: xr.Dataset, text: str, detail: str) -> None:
    """What is drawn; then data, images and ``detail``. Loud where the data are not MNIST."""
    data = result.attrs["data"] if is_mnist(result) else f"NOT MNIST: {result.attrs['data']}"
    figure.suptitle(
        f"{text}\n{data}, {result.sizes['image']} images, {detail}",
        color=BLACK if is_mnist(result) else VERMILLION,
        linespacing=1.4,
    )
