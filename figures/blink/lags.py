"""Lag curves beside those of people."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from figures.style import BLACK, BLUE, GREY, LINES, ORANGE, SKY, VERMILLION, WIDTH, is_mnist, styled

Curve = tuple[NDArray[np.float64], NDArray[np.float64], int]
"""Lags in ms, accuracies, and the number of people."""
CONTROLS = ((ORANGE, "s"), (SKY, "^"), (GREY, "v"), (BLACK, "x"))
SMALLEST = 2  # individuals that have a standard error


@styled
def lag_curves(result: xr.Dataset, people: Mapping[str, Curve], sample: str = "Berkeley") -> Figure:
    """T2|T1 by lag in ms, one panel for each observer that is no control.

    Args:
        result: `last`, `t1`, `t2` (network, individual, condition, lag), `lag_ms` (condition, lag),
            and by network `units` and `control`.
        people: curves by sample; `sample` is drawn, and the range of all at one per 100 ms.
        sample: whose curve is drawn.
    """
    names = [str(n) for n in result["network"].to_numpy() if not str(_of(result, n, "control"))]
    figure = Figure(figsize=(min(WIDTH, 3.6 * len(names) + 0.4), 3.4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for panel, name in zip(panels, names, strict=True):
        observer(panel, result, name)
        ms, accuracy, count = people[sample]
        panel.plot(
            ms, accuracy, color=BLACK, marker="o", markerfacecolor="white", linestyle=":",
            label=f"people ({sample}, N = {count})",
        )  # fmt: skip
        panel.set_xlabel("lag (ms)")
        panel.set_ylim(0, 1.02)
        panel.set_title(name)
        panel.legend(loc="lower right", fontsize=6.5)
    panels[0].set_ylabel("reported (share of trials)")
    individuals = result.sizes["individual"]
    data = str(result.attrs["data"]) if is_mnist(result) else f"NOT MNIST: {result.attrs['data']}"
    figure.suptitle(
        f"Second target by lag, where the first is reported: mean and SEM of {individuals} "
        f"individuals\n{data}",
        color=BLACK if is_mnist(result) else VERMILLION,
    )
    return figure


def observer(panel: Axes, result: xr.Dataset, name: str) -> None:
    """One observer's curve in the dual task, T1, the ignored T1, and its controls."""
    units = str(_of(result, name, "units"))
    line = LINES.get(units, "-")
    curve(
        panel, result, name, "dual", "last", color=BLUE, marker="o", linestyle=line, label="T2|T1"
    )
    curve(
        panel,
        result,
        name,
        "dual",
        "t1",
        color=BLUE,
        marker="",
        linestyle=(0, (1, 1.5)),
        label="T1",
    )
    curve(
        panel, result, name, "ignore-t1", "t2", color=VERMILLION, marker="D", linestyle=line,
        label="T2, T1 ignored",
    )  # fmt: skip
    looks = iter(CONTROLS)
    for other in result["network"].to_numpy():
        control = str(_of(result, other, "control"))
        if control and str(_of(result, other, "units")) == units:
            colour, marker = next(looks, CONTROLS[-1])
            curve(
                panel, result, str(other), "dual", "last", color=colour, marker=marker,
                linestyle=line, label=control,
            )  # fmt: skip


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
