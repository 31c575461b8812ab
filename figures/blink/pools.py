"""Who spikes when among the cells of gate and memory, in single trials of a spiking reading."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.blink.examples import (
    TARGETS,
    examples,
    has_examples,
    heading,
    onsets,
    reported,
    target,
    titled,
)
from figures.style import BLACK, GREEN, GREY, VERMILLION, WIDTH, styled
from networks.errors import BlindspotsError

LABELS = {
    "gate": ("gate", GREEN),
    "t1_memory": ("memory: T1", TARGETS["t1"]),
    "t2_memory": ("memory: T2", TARGETS["t2"]),
    "refractory": ("refractoriness", VERMILLION),
}


def has_spikes(result: xr.Dataset, name: str) -> bool:
    """Whether single trials of that network have spikes."""
    return has_examples(result, name) and any(
        bool((trial["example_spikes"] >= 0).any()) for trial in examples(result, name)
    )


@styled
def pools(result: xr.Dataset, name: str) -> Figure:
    """Rasters of the pools, a column for each trial kept of the network; a row for each cell.

    Args:
        result: ``example_spikes`` and what goes with it.
        name: the network.

    Raises:
        BlindspotsError: there are no spikes of it.
    """
    if not has_spikes(result, name):
        raise BlindspotsError(f"The result holds no spikes of '{name}'; it is no spiking reading.")
    trials = examples(result, name)
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(len(LABELS), len(trials), sharex=True, squeeze=False)
    for column, trial in zip(panels.T, trials, strict=True):
        for panel, (pool, (label, colour)) in zip(column, LABELS.items(), strict=True):
            raster(panel, trial, pool, colour)
            if panel in panels[:, 0]:
                panel.set_ylabel(f"{label}\n(cell)")
        onset = target(trial, "t1")[2]
        column[0].set_xlim(onset - 300, onset + 1000)
        column[0].set_title(heading(trial), pad=12)
        column[-1].set_xlabel("time from the start of the stream (ms)")
    step = float(np.diff(trials[0]["time"])[0])
    titled(
        figure, result,
        f"{name}: spikes of single trials, in steps of {step:g} ms; grey lines: a report enters "
        "memory",
    )  # fmt: skip
    return figure


def raster(panel: Axes, trial: xr.Dataset, pool: str, colour: str) -> None:
    """The spikes of one pool, with the mean rate over its cells."""
    spikes = trial["example_spikes"].sel(pool=pool).to_numpy()
    spikes = spikes[(spikes >= 0).any(1)]
    time = trial["time"].to_numpy()
    step = float(np.diff(time)[0])
    cell, at = np.nonzero(spikes > 0)
    middle = time[at] + step / 2
    panel.vlines(middle, cell - 0.45, cell + 0.45, color=colour, linewidth=0.9)
    panel.set_ylim(-0.5, len(spikes) - 0.5)
    panel.set_yticks([0, len(spikes) - 1])
    onsets(panel, trial, height=1.0)
    for _, ms in reported(trial):
        panel.axvline(ms, color=GREY, linewidth=0.8)
    shown = panel.twinx()
    shown.plot(time + step / 2, spikes.mean(0) / step * 1000, color=BLACK, linewidth=0.8)
    shown.set_ylim(0, 130)
    shown.set_yticks([0, 100])
    shown.set_ylabel("Hz", fontsize=6.5, labelpad=1)
    shown.spines["right"].set_visible(True)
