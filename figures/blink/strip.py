"""The stream itself: the items of single trials in a row, and what was reported of them."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures.blink.examples import TARGETS, examples, heading, reported, soa_of, target, titled
from figures.style import GREY, VERMILLION, WIDTH, styled

SHARE = 0.9  # of the time from one item to the next that its picture is wide
BELOW, ABOVE = 1.25, 0.65  # room under and over the pictures, in items


@styled
def strip(result: xr.Dataset, name: str) -> Figure:
    """Every item of a trial at its time, one row for each trial kept of the network.

    Args:
        result: ``example_frames`` and what goes with it.
        name: the network.

    Raises:
        BlindspotsError: there are no trials of it.
    """
    trials = examples(result, name)
    figure = Figure(figsize=(WIDTH, 0.75 + 1.15 * len(trials)), layout="constrained")
    panels = figure.subplots(len(trials), 1, sharex=True, squeeze=False)[:, 0]
    for panel, trial in zip(panels, trials, strict=True):
        filmstrip(panel, trial)
    panels[-1].set_xlabel("time from the start of the stream (ms)")
    lag = int(trials[0]["example_t2"] - trials[0]["example_t1"])
    titled(
        figure, result, f"{name}: single trials at lag {lag}, every item as the network sees it;"
        " below, when each report entered memory",
    )  # fmt: skip
    return figure


def filmstrip(panel: Axes, trial: xr.Dataset) -> None:
    """One trial: pictures, targets outlined and named, reports under the time they ignited."""
    soa = soa_of(trial)
    side = SHARE * soa
    frames = trial["example_frames"].to_numpy()
    for frame, onset in zip(frames, trial["onset"].to_numpy(), strict=True):
        panel.imshow(
            frame, extent=(onset, onset + side, 0, side), cmap="gray", vmin=0, vmax=255,
            interpolation="nearest", zorder=1,
        )  # fmt: skip
    for which, colour in TARGETS.items():
        digit, _, onset = target(trial, which)
        panel.add_patch(
            Rectangle(
                (onset, 0), side, side, fill=False, edgecolor=colour, linewidth=2, zorder=2,
                clip_on=False,
            )
        )  # fmt: skip
        panel.text(
            onset + side / 2, side + 0.1 * soa, f"{which.upper()}: {digit}", color=colour,
            ha="center", va="bottom", weight="bold",
        )  # fmt: skip
    digits = {target(trial, which)[0]: colour for which, colour in TARGETS.items()}
    for place, (digit, ms) in enumerate(reported(trial)):
        written(panel, digit, ms, soa, place, digits.get(digit, VERMILLION))
    panel.set_xlim(-0.1 * soa, float(trial["onset"][-1]) + soa)
    panel.set_ylim(-BELOW * soa, (SHARE + ABOVE) * soa)
    panel.set_aspect("equal")
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.set_xticks(np.arange(0, float(trial["onset"][-1]) + 2 * soa, 2 * soa))
    panel.set_title(heading(trial), loc="left", pad=2)


def written(panel: Axes, digit: int, ms: float, soa: float, place: int, colour: str) -> None:
    """An arrow where a report entered memory, and the digit under it."""
    panel.annotate(
        "", (ms, -0.05 * soa), (ms, -0.55 * soa),
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.2, "shrinkA": 0,
                    "shrinkB": 0, "mutation_scale": 7},
    )  # fmt: skip
    panel.text(
        ms, -0.6 * soa, f"{digit}", color=colour, ha="center", va="top", weight="bold", fontsize=8
    )
    if place == 0:
        panel.text(
            ms - 0.3 * soa, -0.6 * soa, "reported", color=GREY, ha="right", va="top", fontsize=7
        )
