"""Lag curves beside those of people."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from figures.blink.examples import titled
from figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINES,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    stage,
    styled,
)

Curve = tuple[NDArray[np.float64], NDArray[np.float64], int]
"""Lags in ms, accuracies, and the number of people."""
Drawn = tuple[str, str, str, str, dict[str, Any]]
"""Label, network, condition, variable, and how it looks."""
CONTROLS = ((ORANGE, "s"), (SKY, "^"), (GREY, "v"), (BLACK, "x"), (PURPLE, "P"), (GREEN, "d"))
ACROSS = 3  # panels side by side
SMALLEST = 2  # individuals that have a standard error
PEOPLE: dict[str, Any] = {
    "color": BLACK, "marker": "o", "markerfacecolor": "white", "linestyle": ":",
}  # fmt: skip


@styled
def lag_curves(
    result: xr.Dataset,
    people: Mapping[str, Curve],
    sample: str = "Berkeley",
    *,
    error: NDArray[np.float64],
) -> Figure:
    """T2|T1 by lag in ms, one panel for each observer that is no control.

    Controls stand in the first panel of those with their units.

    Args:
        result: `last`, `t1`, `t2` (network, individual, condition, lag), `lag_ms` (condition, lag),
            and by network `units` and `control`.
        people: curves by sample.
        sample: whose curve is drawn.
        error: its standard error by lag, drawn as a band.
    """
    names = [str(n) for n in result["network"].to_numpy() if not str(_of(result, n, "control"))]
    handles: dict[str, Artist] = {}
    drawings = []
    for name in names:
        others = [str(_of(result, each, "units")) for each in names[: names.index(name)]]
        drawings.append(looks_of(result, name, controls=_of(result, name, "units") not in others))
        for label, _, _, _, look in drawings[-1]:
            handles.setdefault(label, Line2D([], [], label=label, **{**look, "linestyle": "-"}))
    human = Line2D([], [], label=f"people ({sample}, N = {people[sample][2]}; band: SEM)", **PEOPLE)
    across = min(ACROSS, len(names))
    down = -(-len(names) // across)
    figure, above = stage(
        min(WIDTH, 3.6 * across + 0.8), 1.4 + 1.9 * down, [human, *handles.values()], columns=2
    )
    grid = above.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    panels = grid.flat[: len(names)]
    for unused in grid.flat[len(names) :]:
        unused.set_axis_off()
    for panel, name, drawn in zip(panels, names, drawings, strict=True):
        band(panel, people[sample], error)
        for _, who, condition, variable, look in drawn:
            curve(panel, result, who, condition, variable, **look)
        panel.set_ylim(0, 1.02)
        panel.set_title(f"{name}, {individuals(result, name)} individuals")
    for lowest in panels[-across:]:
        lowest.set_xlabel("lag (ms)")
        lowest.tick_params(labelbottom=True)
    for first in grid[:, 0]:
        first.set_ylabel("reported (share of trials)")
    titled(
        figure, result, "Second target by lag, where the first is reported: mean and SEM over "
        "individuals",
    )  # fmt: skip
    return figure


def band(panel: Axes, people: Curve, error: NDArray[np.float64]) -> None:
    """People's curve, and its standard error by lag around it."""
    ms, accuracy, _ = people
    panel.fill_between(ms, accuracy - error, accuracy + error, color=BLACK, alpha=0.12, linewidth=0)
    panel.plot(ms, accuracy, **PEOPLE)


def individuals(result: xr.Dataset, name: str) -> int:
    """How many individuals of an observer have a curve."""
    return int(result["last"].sel(network=name).notnull().any(["condition", "lag"]).sum())


def looks_of(result: xr.Dataset, name: str, *, controls: bool) -> list[Drawn]:
    """What is drawn of one observer: the dual task, T1, the ignored T1, and its ``controls``."""
    units = str(_of(result, name, "units"))
    line = LINES.get(units, "-")
    blue, red = {"color": BLUE, "linestyle": line}, {"color": VERMILLION, "linestyle": line}
    drawn: list[Drawn] = [
        ("T2|T1", name, "dual", "last", {**blue, "marker": "o"}),
        ("T1", name, "dual", "t1", {**blue, "marker": "+", "linewidth": 0.6}),
    ]
    if "ignore-t1" in result["condition"].to_numpy():
        drawn.append(("T2, T1 ignored", name, "ignore-t1", "t2", {**red, "marker": "D"}))
    looks = iter(CONTROLS)
    for other in result["network"].to_numpy():
        control = str(_of(result, other, "control"))
        if controls and control and str(_of(result, other, "units")) == units:
            colour, marker = next(looks, CONTROLS[-1])
            look = {"color": colour, "marker": marker, "linestyle": line}
            drawn.append((f"control: {control}", str(other), "dual", "last", look))
    return drawn


def curve(
    panel: Axes, result: xr.Dataset, name: str, condition: str, variable: str, **look: object
) -> None:
    """Mean and standard error over individuals; nothing where the condition was not run."""
    if condition not in result["condition"].to_numpy():
        return
    here = result[variable].sel(network=name, condition=condition)
    ms = result["lag_ms"].sel(condition=condition)
    mean, count = here.mean("individual"), here.notnull().sum("individual")
    there = (mean.notnull() & ms.notnull()).to_numpy()
    if not there.any():
        return
    error = (here.std("individual", ddof=1) / np.sqrt(count)).where(count >= SMALLEST, 0)
    panel.errorbar(ms[there], mean[there], error[there], elinewidth=0.7, **look)  # type: ignore[arg-type]


def _of(result: xr.Dataset, name: object, key: str) -> object:
    return result[key].sel(network=name).item()
