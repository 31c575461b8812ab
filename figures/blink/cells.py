"""The pools of gate and memory beside cells that stand for them, in the same trials."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.blink.examples import onsets, reported, target, titled
from figures.blink.pools import LABELS, raster
from figures.style import BLACK, BLUE, GREY, WIDTH, styled

LOOKS: dict[str, tuple[str, Any]] = {
    "pools": (BLUE, "-"),
    "pools again": (GREY, (0, (4, 1.5))),
    "cells": (BLACK, "-"),
}
DRAWN = ("pools", "cells")
BEFORE, AFTER = 250.0, 950.0  # ms around T1's onset


@styled
def cells(found: xr.Dataset) -> Figure:
    """One trial of each lag: the gate in all readings, and rasters of pools and of cells.

    Args:
        found: ``trace`` (reading, trial, pool, time), ``example_spikes`` with cells, what was shown
            and reported, ``lag`` (trial).
    """
    rows = [chosen(found, int(lag)) for lag in sorted(set(found["lag"].to_numpy().tolist()))]
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    panels = figure.subplots(len(LABELS) + 1, len(rows) * len(DRAWN), sharex="col", squeeze=False)
    for i, row in enumerate(rows):
        for j, reading in enumerate(DRAWN):
            column = panels[:, i * len(DRAWN) + j]
            trial = found.isel(trial=row).sel(reading=reading)
            onset = target(trial, "t1")[2]
            gates(column[0], found.isel(trial=row))
            onsets(column[0], trial)
            column[0].set_title(heading(trial, reading), pad=11)
            for panel, (pool, (label, colour)) in zip(column[1:], LABELS.items(), strict=True):
                raster(panel, trial, pool, colour)
                if (i, j) == (0, 0):
                    panel.set_ylabel(f"{label}\n(cell)")
            column[0].set_xlim(onset - BEFORE, onset + AFTER)
            column[-1].set_xlabel("time (ms)")
    panels[0, 0].set_ylabel("gate")
    figure.legend(
        handles=[
            Line2D([], [], color=colour, linestyle=line, label=name)
            for name, (colour, line) in LOOKS.items()
        ],
        loc="outside lower center", ncols=len(LOOKS), title="gate, as heard from",
    )  # fmt: skip
    titled(
        figure, found,
        f"{found.attrs['observer']}: gate and memory as pools and as Brian2 cells, the same "
        "trials; grey lines: a report enters memory",
    )  # fmt: skip
    return figure


def chosen(found: xr.Dataset, lag: int) -> int:
    """The first trial of a lag with T1 seen, and nothing false, in all readings; else the first.

    A false digit before T1 leaves no report for T2, which is no blink.
    """
    at = (found["lag"] == lag).to_numpy()
    seen = at & found["t1_seen"].all("reading").to_numpy()
    said = found["example_report"]
    shown = [found["example_label"].isel(item=found[f"example_{which}"]) for which in ("t1", "t2")]
    is_true = (said < 0) | (said == shown[0]) | (said == shown[1])
    pure = seen & is_true.all([dim for dim in is_true.dims if dim != "trial"]).to_numpy()
    return int(next(each for each in (pure, seen, at) if each.any()).argmax())


def gates(panel: Axes, trial: xr.Dataset) -> None:
    """The gate of one trial in every reading."""
    for name, (colour, line) in LOOKS.items():
        gate = trial["trace"].sel(reading=name, pool="gate")
        panel.plot(trial["time"], gate, color=colour, linestyle=line, linewidth=0.9)
    panel.set_ylim(0, 1.02)


def heading(trial: xr.Dataset, reading: str) -> str:
    """ "pools, lag 2: T2 missed", and below it what was shown and reported."""
    seen = "seen" if bool(trial["t2_seen"]) else "missed"
    shown = ", ".join(str(target(trial, which)[0]) for which in ("t1", "t2"))
    said = ", ".join(str(digit) for digit, _ in reported(trial)) or "nothing"
    return f"{reading}, lag {int(trial['lag'])}: T2 {seen}\n{shown} shown; {said} reported"
