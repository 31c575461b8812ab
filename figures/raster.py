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
    middles,
    pair_names,
    place,
    same_sampling,
    spikes_of,
    spiking_areas,
    starts,
    time_axis,
    title,
    width,
)
from figures.style import BLACK, BLUE, VERMILLION, stage, styled

Spikes = npt.NDArray[np.bool_]

ACROSS = 4.6  # inches: width of the figure
UP = 3.4  # inches: all panels together, unless there are very many cells
LEAST = 0.004  # of a panel's height: no spike is lower, however many cells there are
MANY = 400  # cells: more than these get rows lower than a pixel
SILENT = "#E9E4D8"  # the rows of cells without a spike
FIRST, SECOND = (VERMILLION, "x"), (BLUE, "+")  # in the first, in the second recording alone
SPAN = "#9CCFEF"  # the samples of a coarser recording that hold a spike
TICK: dict[str, Any] = {
    "color": BLACK, "marker": "|", "linestyle": "", "markersize": 7, "mew": 1.4,
}  # fmt: skip


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
    second recording, spikes that are in both are black, those in one alone are marked. Where the
    second is sampled otherwise, the spikes of the coarser recording are the spans of its samples,
    and those of the finer one are ticks upon them.

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
    if other is not None and not same_sampling(recording, other):
        figure = spanned(recording, other, image, names)
    else:
        figure = marked(recording, other, image, names)
    name = image_name(at_image(recording, image), image)
    title(figure, recording, f"Spikes on {place(recording, other)}", name)
    return figure


def marked(
    recording: xr.Dataset, other: xr.Dataset | None, image: int, names: Sequence[str]
) -> Figure:
    """One recording, or two of the same sampling: what is in one alone is marked."""
    here = at_image(recording, image)
    there = here if other is None else at_image(other, image)
    pairs = {name: (spikes_of(here, name), spikes_of(there, name)) for name in names}
    sizes = [pairs[name][0].shape[1] for name in names]
    figure, panels = stacked(names, sizes, legend(pairs, recording, other))
    time = middles(recording)
    for name, panel in panels.items():
        first, second = pairs[name]
        background(panel, first | second, recording)
        ticks(panel, first & second, time, BLACK, tick_width(0.8 * ACROSS, len(time)))
        differing(panel, first & ~second, time, FIRST)
        differing(panel, second & ~first, time, SECOND)
        time_axis(panel, recording, named=name == names[0])
    return figure


def spanned(recording: xr.Dataset, other: xr.Dataset, image: int, names: Sequence[str]) -> Figure:
    """Two recordings of different sampling: ticks of the finer on spans of the coarser one."""
    both = dict(zip(pair_names(recording, other), (recording, other), strict=True))
    (coarse_name, coarse), (fine_name, fine) = sorted(both.items(), key=lambda i: -width(i[1]))
    here, there = at_image(coarse, image), at_image(fine, image)
    pairs = {name: (spikes_of(here, name), spikes_of(there, name)) for name in names}
    counts = [sum(int(pair[at].sum()) for pair in pairs.values()) for at in (0, 1)]
    handles = [
        Line2D(
            [], [], color=SPAN, linewidth=4,
            label=f"{coarse_name}: spike within {width(coarse):g} ms ({counted(counts[0])})",
        ),
        Line2D([], [], label=f"{fine_name}: spike ({counted(counts[1])})", **TICK),
        Line2D([], [], color=SILENT, linewidth=4, label="cell without a spike"),
    ]  # fmt: skip
    sizes = [pairs[name][0].shape[1] for name in names]
    figure, panels = stacked(names, sizes, handles)
    for name, panel in panels.items():
        first, second = pairs[name]
        active = np.array([first.any(0) | second.any(0)])
        background(panel, active, coarse, fine)
        spans(panel, first, coarse)
        ticks(panel, second, middles(fine), BLACK, 1.0)
        time_axis(panel, coarse, fine, named=name == names[0])
    return figure


def stacked(
    names: Sequence[str], sizes: Sequence[int], handles: list[Line2D]
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each area, the first lowest, and a legend."""
    heights = tall(sizes, float(np.clip(0.018 * sum(sizes), UP, 5)))
    figure, above = stage(ACROSS, sum(heights) + 0.55, handles, columns=2)
    panels = above.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=heights[::-1])
    for name, panel in zip(names[::-1], panels[:, 0], strict=True):
        panel.set_ylabel(f"{name}\n(cell)")
    return figure, dict(zip(names[::-1], panels[:, 0], strict=True))


def legend(
    pairs: dict[str, tuple[Spikes, Spikes]], recording: xr.Dataset, other: xr.Dataset | None
) -> list[Line2D]:
    """What the marks are, and how many spikes there are of each kind."""
    both, first, second = (
        sum(int(kind(*pair).sum()) for pair in pairs.values())
        for kind in (np.logical_and, lambda a, b: a & ~b, lambda a, b: b & ~a)
    )
    band = Line2D([], [], color=SILENT, linewidth=4, label="cell without a spike")
    if other is None:
        return [Line2D([], [], label=f"spike ({counted(both)})", **TICK), band]
    names = pair_names(recording, other)
    marks = [
        Line2D([], [], color=c, marker=m, linestyle="", label=f"{name} only ({counted(n)})")
        for (c, m), name, n in zip((FIRST, SECOND), names, (first, second), strict=True)
    ]
    return [Line2D([], [], label=f"both ({counted(both)})", **TICK), *marks, band]


def counted(number: int) -> str:
    """ "1 234"."""
    return f"{number:,}".replace(",", " ")


def tall(sizes: Sequence[int], up: float = UP) -> list[float]:
    """Heights of the panels, `up` inches together: by their cells, but none too low to be read."""
    shares = [max(size, 0.25 * max(sizes)) for size in sizes]
    return [up * share / sum(shares) for share in shares]


def background(panel: Axes, active: Spikes, *recordings: xr.Dataset) -> None:
    """A row per cell; those of cells without a spike in `active` (time, unit) are tinted."""
    cells = active.shape[1]
    silent = np.flatnonzero(~active.any(0))
    left = min(starts(each)[0] for each in recordings)
    right = max(starts(each)[-1] + width(each) for each in recordings)
    panel.barh(
        silent, right - left, left=left, height=1, color=SILENT, linewidth=0,
        antialiased=cells > MANY,
    )  # fmt: skip
    panel.set_ylim(-0.5, cells - 0.5)
    panel.set_yticks([0, cells - 1])
    said = f"{counted(len(silent))} of {counted(cells)} cells silent"
    panel.set_title(said, loc="left", fontsize=6.5, pad=2)


def spans(panel: Axes, spikes: Spikes, recording: xr.Dataset) -> None:
    """A box per spike, (time, unit), as wide as a sample, but for a gap, and as tall as a row."""
    step, cell = np.nonzero(spikes)
    panel.barh(
        cell, 0.92 * width(recording), left=starts(recording)[step],
        height=max(1, LEAST * spikes.shape[1]), color=SPAN, linewidth=0, antialiased=False,
    )  # fmt: skip


def ticks(panel: Axes, spikes: Spikes, time: Floats, colour: str, points: float) -> None:
    """One tick per spike, (time, unit), about as tall as its row and `points` wide."""
    step, cell = np.nonzero(spikes)
    half = max(0.45, LEAST / 2 * spikes.shape[1])
    panel.vlines(
        time[step], cell - half, cell + half, color=colour, linewidth=points, antialiased=False
    )


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
