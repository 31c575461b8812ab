"""Who spikes when, and where two simulators differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.recordings import (
    Floats,
    at_image,
    check_alike,
    image_name,
    pair_names,
    simulator,
    spikes_of,
    spiking_areas,
    time_axis,
    title,
)
from figures.style import BLACK, BLUE, VERMILLION, stage, styled

Spikes = npt.NDArray[np.bool_]

ACROSS = 4.6  # inches: width of the figure
UP = 3.4  # inches: all panels together
SILENT = "#E9E4D8"  # the rows of cells without a spike
FIRST, SECOND = (VERMILLION, "x"), (BLUE, "+")  # in the first, in the second recording alone


@styled
def raster(
    recording: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    image: int = 0,
    areas: Sequence[str] | None = None,
) -> Figure:
    """Spikes of one image, grouped by area from the bottom up, one row per cell.

    Cells without a spike keep their row, which is tinted, and are counted above. With a
    second recording, spikes that are in both are black, those in one alone are marked.

    Args:
        recording: what was recorded of a run, with the output of spiking areas.
        other: the same network and images on another simulator.
        image: position of the image in the recordings.
        areas: those to draw; default all that spike.

    Raises:
        BlindspotsError: no spikes, areas or image of that kind, or recordings that do not match.
    """
    names = spiking_areas(recording, areas)
    if other is not None:
        check_alike(recording, other, names)
    here = at_image(recording, image)
    there = here if other is None else at_image(other, image)
    pairs = {name: (spikes_of(here, name), spikes_of(there, name)) for name in names}
    figure, above = stage(ACROSS, UP + 0.55, legend(pairs, recording, other), columns=2)
    heights = tall([pairs[name][0].shape[1] for name in names])
    panels = above.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=heights[::-1])
    for row, name in enumerate(names[::-1]):
        panel, (first, second) = panels[row, 0], pairs[name]
        time = recording["time"].to_numpy()
        rows(panel, first & second, first | second, time, tick_width(0.8 * ACROSS, len(time)))
        differing(panel, first & ~second, time, FIRST)
        differing(panel, second & ~first, time, SECOND)
        panel.set_ylabel(f"{name}\n(cell)")
        time_axis(panel, recording, named=row == len(names) - 1)
    what = "Spikes" if other is None else f"Spikes on {' and '.join(pair_names(recording, other))}"
    detail = image_name(here, image)
    title(
        figure,
        recording,
        what,
        detail if other is not None else f"{detail}, on {simulator(recording)}",
    )
    return figure


def legend(
    pairs: dict[str, tuple[Spikes, Spikes]], recording: xr.Dataset, other: xr.Dataset | None
) -> list[Line2D]:
    """What the marks are, and how many spikes there are of each kind."""
    both, first, second = (
        sum(int(kind(*pair).sum()) for pair in pairs.values())
        for kind in (np.logical_and, lambda a, b: a & ~b, lambda a, b: b & ~a)
    )
    tick: dict[str, Any] = {
        "color": BLACK,
        "marker": "|",
        "linestyle": "",
        "markersize": 7,
        "mew": 1.4,
    }
    band = Line2D([], [], color=SILENT, linewidth=4, label="cell without a spike")
    if other is None:
        return [Line2D([], [], label=f"spike ({counted(both)})", **tick), band]
    names = pair_names(recording, other)
    marks = [
        Line2D([], [], color=c, marker=m, linestyle="", label=f"{name} only ({counted(n)})")
        for (c, m), name, n in zip((FIRST, SECOND), names, (first, second), strict=True)
    ]
    return [Line2D([], [], label=f"both ({counted(both)})", **tick), *marks, band]


def counted(number: int) -> str:
    """ "1 234"."""
    return f"{number:,}".replace(",", " ")


def tall(sizes: Sequence[int]) -> list[float]:
    """Heights of the panels in inches: by the number of cells, but none too low to be read."""
    shares = [max(size, 0.25 * max(sizes)) for size in sizes]
    return [UP * share / sum(shares) for share in shares]


def rows(panel: Axes, spikes: Spikes, active: Spikes, time: Floats, width: float) -> None:
    """A row per cell with its spikes as ticks; rows without any in `active` are tinted.

    Args:
        panel: where.
        spikes: (time, unit), those drawn as ticks.
        active: (time, unit), those that keep a cell from being silent.
        time: steps, (time,).
        width: of a tick, in points.
    """
    cells = spikes.shape[1]
    silent = np.flatnonzero(~active.any(0))
    panel.barh(silent, len(time), left=time[0] - 0.5, height=1, color=SILENT, linewidth=0)
    ticks(panel, spikes, time, BLACK, width)
    panel.set_ylim(-0.5, cells - 0.5)
    panel.set_yticks([0, cells - 1])
    said = f"{counted(len(silent))} of {counted(cells)} cells silent"
    panel.set_title(said, loc="left", fontsize=6.5, pad=2)


def ticks(panel: Axes, spikes: Spikes, time: Floats, colour: str, width: float) -> None:
    """One tick per spike, (time, unit), nearly as tall as its row and `width` points wide."""
    step, cell = np.nonzero(spikes)
    panel.vlines(time[step], cell - 0.45, cell + 0.45, color=colour, linewidth=width)


def tick_width(across: float, steps: int) -> float:
    """Points: wide where there are few steps in `across` inches, never wider than 5."""
    return float(np.clip(0.3 * 72 * across / steps, 0.8, 5.0))


def differing(panel: Axes, spikes: Spikes, time: Floats, mark: tuple[str, str]) -> None:
    """Marks spikes that are in one of two recordings alone."""
    step, cell = np.nonzero(spikes)
    colour, marker = mark
    (marks,) = panel.plot(
        time[step], cell, marker, color=colour, markersize=4.5, mew=1.1, clip_on=False, zorder=3
    )
    marks.set_in_layout(False)  # one without points would count as the corner of the figure
