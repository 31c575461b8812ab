"""Population rates: how many cells of an area spike at each step, or how often in Hz."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.recordings import (
    Floats,
    check_alike,
    in_ms,
    simulator,
    spiking_areas,
    step_ms,
    time_axis,
    title,
    width,
)
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

    Of recordings in ms it is spikes per cell and second (Hz), in bins as long as a step. Lines are
    means over images, bands hold the middle 80 % of the images.

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
        time_axis(panel, *recordings.values(), named=True)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel(rate_label(first))
    images = " / ".join(dict.fromkeys(str(r.sizes["image"]) for r in recordings.values()))
    where = " and ".join(dict.fromkeys(simulator(each) for each in recordings.values()))
    bins = f", bins of {step_ms(first):g} ms" if in_ms(first) else ""
    detail = f"mean and middle 80 % of {images} images{bins}, on {where}"
    title(figure, first, "Population rates", detail)
    return figure


def rate_line(panel: Axes, recording: xr.Dataset, area: str, look: Look) -> None:
    """Mean over images of an area's rate, and its band."""
    time, rate = rate_of(recording, area)
    low, high = np.quantile(rate, BAND, axis=1)
    panel.fill_between(time, low, high, color=look.colour, alpha=0.12, linewidth=0)
    panel.plot(time, rate.mean(1), **look.kwargs())


def rate_label(recording: xr.Dataset) -> str:
    """What the rates of a recording are."""
    return "spikes per cell (Hz)" if in_ms(recording) else "cells that spike (%)"


def rate_of(recording: xr.Dataset, area: str) -> tuple[Floats, Floats]:
    """When, and the area's rate then, (time, image): per step in per cent, per bin in Hz."""
    spikes = recording[f"{area}.output"].transpose("time", "image", ...).to_numpy() > 0.5
    share = spikes.mean(2)
    time = recording["time"].to_numpy()
    if not in_ms(recording):
        return time, 100 * share
    step = step_ms(recording)
    bins, first, samples = np.unique(
        np.floor(time / step + 1e-6), return_index=True, return_counts=True
    )
    seconds = samples * width(recording) / 1000
    return (bins + 0.5) * step, np.add.reduceat(share, first, axis=0) / seconds[:, None]
