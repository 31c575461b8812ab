"""What goes on inside in trials whose second target is seen, and in those where it is missed."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.blink.examples import TARGETS, titled
from figures.style import BLACK, GREY, RIGHT, WIDTH, WRONG, styled

OUTCOMES: dict[str, tuple[str, Any]] = {"seen": (RIGHT, "-"), "missed": (WRONG, (0, (4, 1.5)))}
PANELS = (
    ("gate", "gate"), ("t1_type", "type node of T1"), ("t1_memory", "input of memory: T1"),
    ("refractory", "refractoriness"), ("t2_type", "type node of T2"),
    ("t2_memory", "input of memory: T2"),
)  # fmt: skip
UNIFORM = 5 / 9  # the bimodality coefficient of a uniform distribution
SMALLEST = 2  # individuals that have a standard error


@styled
def inside(result: xr.Dataset, name: str, lag: int = 2) -> Figure:
    """Mean traces from T1's onset at one lag, and how far T2 comes in the senses by lag.

    Args:
        result: traces (network, lag, outcome, since) with their ``_sem``, ``traced_trials``,
            ``t2_sensed``, ``t2_sensed_missed`` (network, individual, lag), ``bimodality``.
        name: the network.
        lag: in items.
    """
    whole = result.sel(network=name)
    here = whole.sel(lag=lag)
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    panels = figure.subplots(2, 4)
    lag_ms = float(result["lag_ms"].sel(condition="dual", lag=lag))
    for panel, (key, label) in zip(panels[:, :3].flat, PANELS, strict=True):
        traces(panel, here, key, lag_ms)
        panel.set_title(label)
    for panel in panels[1, :3]:
        panel.set_xlabel("time from onset of T1 (ms)")
    senses(panels[0, 3], whole)
    beside(panels[1, 3], here)
    titled(
        figure,
        result,
        f"{name}: T2 at lag {lag}, T1 reported; mean, SEM over trials (senses: over "
        f"{result.sizes['individual']} individuals)",
    )
    return figure


def traces(panel: Axes, here: xr.Dataset, key: str, lag_ms: float) -> None:
    """One variable by outcome; tinted while T1 and T2 are shown."""
    since = here["since"].to_numpy()
    soa = lag_ms / float(here["lag"])
    for (which, colour), onset in zip(TARGETS.items(), (0.0, lag_ms), strict=True):
        panel.axvspan(onset, onset + soa, color=colour, alpha=0.2, linewidth=0)
        panel.annotate(
            which.upper(), (onset + soa / 2, 0.99), xycoords=("data", "axes fraction"), ha="center",
            va="top", fontsize=6, color=colour, weight="bold",
        )  # fmt: skip
    for outcome, (colour, line) in OUTCOMES.items():
        mean, error = (here[each].sel(outcome=outcome).to_numpy() for each in (key, f"{key}_sem"))
        panel.plot(since, mean, color=colour, linestyle=line)
        panel.fill_between(since, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
    panel.set_xlim(since[0], min(since[-1], lag_ms + 800))
    panel.margins(y=0.14)


def senses(panel: Axes, whole: xr.Dataset) -> None:
    """The share of trials whose T2 has the highest evidence in the sensory network, by lag."""
    for key, colour, marker in (("t2_sensed", BLACK, "o"), ("t2_sensed_missed", WRONG, "s")):
        values = whole[key]
        count = values.notnull().sum("individual")
        error = (values.std("individual", ddof=1) / np.sqrt(count)).where(count >= SMALLEST, 0)
        panel.errorbar(
            values["lag"], values.mean("individual"), error, color=colour, marker=marker,
            linestyle="-" if key == "t2_sensed" else (0, (4, 1.5)), elinewidth=0.7,
        )  # fmt: skip
    panel.axhline(0.1, color=GREY, linestyle=":")
    panel.set_ylim(0, 1.04)
    panel.set_xlabel("lag (items)")
    panel.set_title("T2 right in the senses (share)")


def beside(panel: Axes, here: xr.Dataset) -> None:
    """The legend, with the numbers of trials, and the bimodality of memory."""
    panel.set_axis_off()
    counts = here["traced_trials"]
    handles = [
        Line2D([], [], color=colour, linestyle=line,
               label=f"T2 {outcome} ({int(counts.sel(outcome=outcome))} trials)")
        for outcome, (colour, line) in OUTCOMES.items()
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=BLACK, marker="o", label="senses, all trials"),
        Line2D([], [], color=WRONG, marker="s", linestyle="--", label="senses, T2 missed"),
        Line2D([], [], color=GREY, linestyle=":", label="senses, one digit in ten"),
    ]
    panel.legend(
        handles=handles, loc="upper left", borderpad=0, bbox_to_anchor=(0, 1), fontsize=6.5
    )
    value = float(here["bimodality"])
    panel.text(
        0, -0.02, f"Peaks of T2's input of memory,\nlags 2–3: bimodality {value:.2f}\n"
        f"(of a uniform distribution {UNIFORM:.2f})",
        transform=panel.transAxes, va="bottom", fontsize=6.5,
    )  # fmt: skip
