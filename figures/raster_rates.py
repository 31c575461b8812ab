"""Who spikes when on a clean and on a perturbed image, with rates beside and below."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.conditions import CONDITIONS, shade, shown_image, under, windows
from figures.contrast import GONE, NEW, legend, shared, slack_of
from figures.raster import Spikes, background, tall, tick_width, ticks
from figures.rates import rate_label, rate_line
from figures.recordings import (
    at_image,
    middles,
    place,
    spikes_of,
    spiking_areas,
    time_axis,
    title,
    width,
)
from figures.style import BLACK, WIDTH, stage, styled

UP = 4.6  # inches: all rasters together
BELOW = 0.75  # inches: a panel of rates
BARS = 0.3  # inches: when stimulus and perturbation are shown
ASIDE = 0.25  # of a sample: how far to the left or right spikes of one run alone stand


@styled
def raster_with_rates(
    recording: xr.Dataset,
    *,
    image: int = 0,
    condition: str = "adversarial",
    areas: Sequence[str] | None = None,
) -> Figure:
    """Spikes of one image when clean and when perturbed, area by area, with their rates.

    Spikes in both runs are black; those of the clean run alone (gone) stand in blue a little to
    the left, those of the perturbed run alone (new) in vermillion to the right. Cells that never
    spike keep their row, which is tinted. Beside each area are the spikes of each cell, below it
    the share of cells that spike at each step (mean and middle 80 % of all images). Bars above
    show when the stimulus and the perturbation are there; while the latter is, rates are tinted.

    Args:
        recording: of several conditions, with outputs of spiking areas.
        image: position of the image in the recording.
        condition: the perturbed one.
        areas: those to draw; default all that spike.

    Raises:
        BlindspotsError: no spikes, areas, image or condition of that kind.
    """
    names = spiking_areas(recording, areas)
    runs = [under(recording, name) for name in ("clean", condition)]
    here = [at_image(each, image) for each in runs]
    pairs = {name: (spikes_of(here[0], name), spikes_of(here[1], name)) for name in names}
    heights = tall([pairs[name][0].shape[1] for name in names], UP)
    rows = [each for height in heights[::-1] for each in (height, BELOW)]
    handles = legend(pairs, recording, slack_of(recording))
    figure, above = stage(WIDTH, BARS + sum(rows) + 0.75, handles, columns=5)
    panels = above.subplots(
        1 + len(rows), 2, squeeze=False, height_ratios=[BARS, *rows], width_ratios=[4, 1]
    )
    windows(panels[0, 0], recording)
    time_axis(panels[0, 0], recording, named=False)
    for row, area in enumerate(names[::-1]):
        (upper, beside), (lower, empty) = panels[1 + 2 * row], panels[2 + 2 * row]
        last = row == len(names) - 1
        raster_of(*pairs[area], recording, ax=upper)
        upper.set_ylabel(f"{area}\n(cell)")
        cell_counts(*pairs[area], condition, ax=beside)
        empty.set_axis_off()
        empty.text(0, 0.2, f"bars: clean\ndots: {condition}", fontsize=6.5)
        for each, name in zip(runs, ("clean", condition), strict=True):
            rate_line(lower, each, area, CONDITIONS[name])
        lower.set_ylim(bottom=0)
        lower.set_ylabel(
            rate_label(recording).replace(" that ", "\nthat ").replace(" per", "\nper")
        )
        shade(lower, recording)
        for panel in (upper, lower):
            time_axis(panel, recording, named=last and panel is lower)
    panels[0, 1].set_axis_off()
    images = f"rates: mean and middle 80 % of {recording.sizes['image']} images"
    chosen = recording.sel(condition=["clean", condition])
    detail = f"{shown_image(chosen, image)}; {images}"
    title(figure, recording, f"Spikes on {place(*runs)}", detail)
    return figure


def raster_of(first: Spikes, second: Spikes, recording: xr.Dataset, *, ax: Axes) -> None:
    """Spikes (time, unit) of a clean and of a perturbed run; those in one alone stand aside."""
    time, aside, slack = middles(recording), ASIDE * width(recording), slack_of(recording)
    wide = tick_width(0.6 * WIDTH, len(time))
    kept, again = shared(first, second, slack), shared(second, first, slack)
    background(ax, first | second, recording)
    ticks(ax, kept, time, BLACK, wide)
    ticks(ax, first & ~kept, time - aside, GONE, wide)
    ticks(ax, second & ~again, time + aside, NEW, wide)


def cell_counts(first: Spikes, second: Spikes, condition: str, *, ax: Axes) -> None:
    """How often each cell spikes in two runs, in the rows of their raster."""
    cells = np.arange(first.shape[1])
    ax.barh(cells, first.sum(0), height=1, color="0.7", linewidth=0)
    dots = ax.scatter(second.sum(0), cells, s=2.5, color=CONDITIONS[condition].colour, zorder=3)
    dots.set_clip_on(False)
    ax.set_xlim(left=0)
    ax.set_ylim(-0.5, first.shape[1] - 0.5)
    ax.set_yticks([])
    ax.set_xlabel("spikes per cell", labelpad=1)
