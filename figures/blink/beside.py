"""Models beside people: curves, and how far each is from them."""

from math import isnan
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures.blink.examples import titled
from figures.style import BLACK, BLUE, GREEN, GREY, LINES, ORANGE, PURPLE, SKY, WIDTH, stage, styled

OWN = (BLUE, SKY, GREEN, "#332288", "#882255")
OTHERS = {
    "lc-ne": (ORANGE, "^"), "boost-bounce": (PURPLE, "v"), "Cousineau": (GREY, ""),
    "flat line": (GREY, ""),
}  # fmt: skip


@styled
def beside(result: xr.Dataset, curves: xr.Dataset) -> Figure:
    """T2|T1 by lag of networks, published models and references, and their distance to people.

    Args:
        result: for its data's name.
        curves: ``accuracy`` (curve, lag), ``rmse``, ``r`` (curve) with ``rmse_low``, ``rmse_high``
            (95 %, NaN where there is none), and by curve ``kind`` ("rate", "spiking", "published",
            "fitted"); ``people``, ``people_sem`` (lag) and ``lag_ms`` (lag); attributes
            ``sample``, ``participants``, ``ceiling`` (two numbers).
    """
    looks = dict(looks_of(curves))
    handles = [Line2D([], [], label=name, **look) for name, look in looks.items()]
    handles.insert(
        0, Line2D([], [], color=BLACK, marker="o", markerfacecolor="white", linestyle="-",
                  label=f"people ({curves.attrs['sample']}, N = {curves.attrs['participants']})"),
    )  # fmt: skip
    figure, above = stage(WIDTH, 3.1, handles, columns=4)
    left, right = above.subplots(1, 2, width_ratios=[1.25, 1])
    drawn(left, curves, looks)
    distances(right, curves, looks)
    titled(
        figure, result, "T2|T1 beside people; networks: mean over individuals, bars of RMSE their "
        "95 % bootstrap",
    )  # fmt: skip
    return figure


def looks_of(curves: xr.Dataset) -> list[tuple[str, dict[str, Any]]]:
    """How each curve is drawn, by name."""
    own, looks = iter(OWN * 3), []
    for name, kind in zip(curves["curve"].to_numpy(), curves["kind"].to_numpy(), strict=True):
        if str(name) in OTHERS:
            colour, marker = OTHERS[str(name)]
            line: Any = ":" if name == "flat line" else (0, (1.5, 1))
            line = (0, (5, 1.5, 1, 1.5)) if kind == "published" else line
        else:
            colour, marker, line = next(own), "s", LINES.get(str(kind), "-")
        looks.append((str(name), {"color": colour, "marker": marker, "linestyle": line}))
    return looks


def drawn(panel: Axes, curves: xr.Dataset, looks: dict[str, dict[str, Any]]) -> None:
    """The curves, people last and with their standard error as a band."""
    for name, look in looks.items():
        here = curves["accuracy"].sel(curve=name)
        panel.plot(curves["lag_ms"], here, **look)
    people, error = curves["people"], curves["people_sem"]
    panel.fill_between(
        curves["lag_ms"], people - error, people + error, color=BLACK, alpha=0.15, linewidth=0
    )
    panel.plot(curves["lag_ms"], people, color=BLACK, marker="o", markerfacecolor="white")
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("lag (ms)")
    panel.set_ylabel("T2|T1 (share of trials)")
    panel.set_title("curves; band: SEM over participants")


def distances(panel: Axes, curves: xr.Dataset, looks: dict[str, dict[str, Any]]) -> None:
    """RMSE to people as points, r beside them; grey where people differ from themselves."""
    low, high = curves.attrs["ceiling"]
    panel.axvspan(low, high, color=BLACK, alpha=0.12, linewidth=0)
    names = list(looks)[::-1]
    for row, name in enumerate(names):
        here = curves.sel(curve=name)
        value = float(here["rmse"])
        ends = [[value - float(here["rmse_low"])], [float(here["rmse_high"]) - value]]
        panel.errorbar(
            value, row, xerr=ends, color=looks[name]["color"], capsize=2.5,
            marker=looks[name]["marker"] or "D",
        )  # fmt: skip
        r = float(here["r"])
        panel.annotate(
            "r –" if isnan(r) else f"r = {r:.2f}", (1.01, row), xycoords=("axes fraction", "data"),
            va="center", fontsize=7, annotation_clip=False,
        )  # fmt: skip
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.set_xlim(left=0)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.set_xlabel("RMSE to people")
    panel.set_title("distance; grey: people redrawn (median)")
