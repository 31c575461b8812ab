"""Population rates: how many cells of an area spike at each step."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.recordings import check_alike, simulator, spiking_areas, time_axis, title
from figures.style import BLACK, BLUE, GREEN, VERMILLION, WIDTH, Look, stage, styled
from networks.errors import BlindspotsError

LOOKS = (
    Look(BLACK, "-", "o", True),
    Look(VERMILLION, (0, (4, 1.5)), "s", False),
    Look(BLUE, (0, (1, 1.2)), "^", True),
    Look(GREEN, "-.", "D", False),
)
BAND = (0.1, 0.9)  # of the images


@styled
def rates(recordings: Mapping[str, xr.Dataset], *, areas: Sequence[str] | None = None) -> Figure:
    """Share of an area's cells that spike at each step, one panel per area, a line per recording.

    Lines are means over images, bands hold the middle 80 % of the images.

    Args:
        recordings: up to four of the same network, by the name for the legend, such as "clean"
            and "adversarial", or the simulators.
        areas: those to draw; default all that spike.

    Raises:
        BlindspotsError: no spikes or areas of that kind, recordings of different steps or cells,
            none at all or more than four.
    """
    if not 1 <= len(recordings) <= len(LOOKS):
        raise BlindspotsError(f"{len(recordings)} recordings were given; give 1 to {len(LOOKS)}.")
    first = next(iter(recordings.values()))
    names = spiking_areas(first, areas)
    for each in recordings.values():
        check_alike(first.isel(image=[0]), each.isel(image=[0]), names)
    looks = dict(zip(recordings, LOOKS, strict=False))
    handles = [Line2D([], [], label=name, **look.kwargs()) for name, look in looks.items()]
    figure, above = stage(min(WIDTH, 0.7 + 2.4 * len(names)), 2.5, handles, columns=4)
    panels = above.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, area in zip(panels, names, strict=True):
        for name, look in looks.items():
            rate_line(panel, recordings[name], area, look)
        panel.set_title(area)
        time_axis(panel, first, named=True)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("cells that spike (%)")
    images = " / ".join(dict.fromkeys(str(r.sizes["image"]) for r in recordings.values()))
    where = " and ".join(dict.fromkeys(simulator(each) for each in recordings.values()))
    detail = f"mean and middle 80 % of {images} images, on {where}"
    title(figure, first, "Population rates", detail)
    return figure


def rate_line(panel: Axes, recording: xr.Dataset, area: str, look: Look) -> None:
    """Mean over images of the share of cells that spike, in per cent, and its band."""
    spikes = recording[f"{area}.output"].transpose("time", "image", ...).to_numpy() > 0.5
    share = 100 * spikes.mean(2)  # (time, image)
    time = recording["time"].to_numpy()
    low, high = np.quantile(share, BAND, axis=1)
    panel.fill_between(time, low, high, color=look.colour, alpha=0.12, linewidth=0)
    panel.plot(time, share.mean(1), **look.kwargs())
