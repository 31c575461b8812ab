"""Paired differences between networks, by factor."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import BLACK, BLUE, GREY, WIDTH, at_epsilon, head, named, stage, styled
from networks.errors import BlindspotsError

PANELS = {
    "white-box": "white-box",
    "worst-case": "worst case",
    "same-inputs": "same inputs for all",
}
EDGE = 0.01  # accuracies this near 0 or 1 hide a difference


@styled
def forest(summary: xr.Dataset, attack: str, epsilon: float) -> Figure:
    """Difference of every contrast with its interval, one panel per view that was measured.

    A filled square passes Holm's test at 5 %, a hollow one does not; small dots are the pairs of
    individuals; the Holm-adjusted p stands at the right. "floor" or "ceiling" says that both
    networks are below 1 % or above 99 %, where no difference can show.

    Args:
        summary: from `experiments.statistics.summarise`.
        attack: one of its attacks.
        epsilon: one of its budgets.

    Raises:
        BlindspotsError: no contrast was measured there.
    """
    here = at_epsilon(named(summary, attack), epsilon)
    views = [v for v in PANELS if bool(here["difference"].sel(view=v).notnull().any())]
    if not views:
        raise BlindspotsError(f"No contrast was measured under '{attack}' at {epsilon:g}.")
    places = rows(here)
    handles = [
        Line2D([], [], color=BLUE, marker="s", label="Holm p < 0.05"),
        Line2D([], [], color=BLUE, marker="s", mfc="white", label="Holm p ≥ 0.05"),
        Line2D([], [], color=GREY, marker=".", ls="", label="one pair of individuals"),
    ]
    bottom = min(places.values()) - 0.7
    figure, above = stage(WIDTH, 1.15 - 0.19 * bottom, handles, columns=3)
    panels = above.subplots(1, len(views), sharey=True, squeeze=False)[0]
    for panel, view in zip(panels, views, strict=True):
        for label, y in places.items():
            if not label.startswith("factor:"):
                difference(panel, here.sel(view=view, contrast=label), y)
        beside(panel, "Holm p", 0.0)
        panel.axvline(0, color=BLACK, linewidth=0.7, zorder=1)
        panel.set_title(PANELS[view])
        panel.set_ylim(bottom, 0.6)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color="0.92", linewidth=0.6)
        panel.set_axisbelow(True)
    widen(panels)
    name_rows(panels[0], here, places)
    above.supxlabel(
        "difference in accuracy, treatment − baseline (percentage points)", fontsize=7.5
    )
    head(figure, summary, f"Paired differences under {attack} at ε = {epsilon:g}")
    return figure


def rows(here: xr.Dataset) -> dict[str, float]:
    """Where each contrast stands, grouped by factor; "factor:NAME" for the headings."""
    factors = [str(each) for each in here["factor"].to_numpy()]
    places: dict[str, float] = {}
    y = 0.0
    for factor in dict.fromkeys(factors):
        places[f"factor:{factor}"] = y
        for label in here["contrast"].to_numpy()[[each == factor for each in factors]]:
            y -= 1
            places[str(label)] = y
        y -= 1.25
    return places


def difference(panel: Axes, cell: xr.Dataset, y: float) -> None:
    """One row of one panel, in percentage points."""
    if not np.isfinite(cell["difference"]):
        return
    middle, low, high, p = (
        float(cell[name]) for name in ("difference", "difference_low", "difference_high", "holm_p")
    )
    pairs = 100 * cell["individual_difference"].to_numpy()
    panel.plot(pairs, np.full(len(pairs), y - 0.28), ".", color=GREY, markersize=2.5)
    panel.plot([100 * low, 100 * high], [y, y], color=BLUE, solid_capstyle="butt", linewidth=1.4)
    panel.plot(
        [100 * middle], [y], "s", color=BLUE, mfc=BLUE if p < 0.05 else "white", markersize=4.2
    )
    beside(panel, edge(cell) or p_text(p), y, BLACK if p < 0.05 else GREY)


def beside(panel: Axes, text: str, y: float, colour: str = BLACK) -> None:
    """Text at the right of a row."""
    panel.annotate(
        text, (1, y), xycoords=("axes fraction", "data"), ha="right", va="center",
        fontsize=6.5, color=colour,
    )  # fmt: skip


def p_text(p: float) -> str:
    """A p value in few letters."""
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def edge(cell: xr.Dataset) -> str:
    """Whether both networks are where no difference can show."""
    both = [
        float(cell["accuracy"].sel(network=str(cell[end].values)))
        for end in ("treatment", "baseline")
    ]
    return "floor" if max(both) < EDGE else "ceiling" if min(both) > 1 - EDGE else ""


def widen(panels: np.ndarray) -> None:
    """The same range in all panels, with room at the right for the p values."""
    low = min(panel.get_xlim()[0] for panel in panels)
    high = max(panel.get_xlim()[1] for panel in panels)
    for panel in panels:
        panel.set_xlim(low, high + 0.22 * (high - low))


def name_rows(panel: Axes, here: xr.Dataset, places: dict[str, float]) -> None:
    """The names of contrasts and, in bold, of factors as tick labels."""
    labels = []
    for label in places:
        if label.startswith("factor:"):
            labels.append(label.removeprefix("factor:"))
        else:
            cell = here.sel(contrast=label)
            labels.append(f"{cell['treatment'].values!s} − {cell['baseline'].values!s}")
    panel.set_yticks(list(places.values()), labels)
    for text, label in zip(panel.get_yticklabels(), places, strict=True):
        if label.startswith("factor:"):
            text.set_fontweight("bold")
