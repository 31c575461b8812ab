"""How much individuals differ: their blinks beside those of people."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.blink.examples import titled
from figures.style import BLACK, BLUE, GREY, WIDTH, styled

FEWEST = 20  # individuals; fewer make no histogram
WIDE = 0.05  # of a bin


@styled
def population(result: xr.Dataset, magnitude: xr.DataArray, people: Mapping[str, float]) -> Figure:
    """Histograms of the blink's magnitude over individuals, a panel for each network.

    Args:
        result: for its data's name.
        magnitude: (network, individual), NaN where there is none.
        people: ``mean`` and ``sd`` of the magnitude, ``non_blinkers``, the share whose magnitude is
            below ``below``, and ``count``, of how many people.
    """
    names = [str(name) for name in magnitude["network"].to_numpy()]
    figure = Figure(figsize=(min(WIDTH, 3.4 * len(names) + 0.2), 2.7), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharex=True, sharey=True)[0]
    values = magnitude.to_numpy()
    low = min(np.nanmin(values), people["mean"] - people["sd"], 0.0)
    high = max(np.nanmax(values), people["mean"] + people["sd"])
    edges = np.arange(np.floor(low / WIDE), np.ceil(high / WIDE) + 1) * WIDE
    top = max(float(np.histogram(row, edges)[0].max()) for row in values)
    for panel, name in zip(panels, names, strict=True):
        histogram(panel, magnitude.sel(network=name).dropna("individual"), edges, top, people)
        panel.set_title(f"{name} ({int(magnitude.sel(network=name).count())} individuals)")
        panel.set_xlabel("magnitude of the blink: late level − mean at 180–400 ms")
    panels[0].set_ylabel("individuals")
    titled(
        figure, result, f"Individual differences, beside {people['count']:g} people; "
        f"no blink: below {people['below']:g}",
    )  # fmt: skip
    return figure


def histogram(
    panel: Axes,
    values: xr.DataArray,
    edges: np.ndarray,
    top: float,
    people: Mapping[str, float],
) -> None:
    """One network's individuals; above ``top``, the tallest bar of all panels, means and SDs."""
    panel.hist(values, edges.tolist(), color=BLUE, alpha=0.75, edgecolor="white")
    spans = (
        ("people", people["mean"], people["sd"], people["non_blinkers"], BLACK, 1.42),
        ("networks", float(values.mean()), float(values.std(ddof=1)),
         float((values < people["below"]).mean()), BLUE, 1.16),
    )  # fmt: skip
    for who, mean, sd, share, colour, height in spans:
        panel.errorbar(mean, height * top, xerr=sd, color=colour, marker="D", capsize=3)
        panel.annotate(
            f"{who}: {mean:.2f} ± {sd:.2f} (SD), {share:.0%} without a blink",
            (0.98, height * top), xycoords=("axes fraction", "data"), xytext=(0, 5),
            textcoords="offset points", ha="right", va="bottom", color=colour, fontsize=6.5,
        )  # fmt: skip
    panel.axvline(people["below"], color=GREY, linestyle=":")
    panel.set_ylim(0, 1.65 * top)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
