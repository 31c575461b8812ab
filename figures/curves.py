"""Robust accuracy against the perturbation budget."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import GREY, WIDTH, Look, budget_label, colours, head, named, stage, styled
from networks.errors import BlindspotsError

PANELS = {
    "white-box": "white-box\n(crafted on itself)",
    "same-inputs": "same inputs for all\n(crafted on a network not shown)",
    "worst-case": "worst case\n(over all sources)",
}
CHANCE = 10.0  # per cent, ten classes


@styled
def robust_curves(summary: xr.Dataset, attack: str) -> Figure:
    """Accuracy against epsilon, one panel per view that was measured, one line per network.

    Bands are 95 % Wilson intervals over images; epsilon 0 is the clean accuracy.

    Args:
        summary: from `experiments.statistics.summarise`.
        attack: one of its attacks.
    """
    here = named(summary, attack)
    views = [v for v in PANELS if bool(here["accuracy"].sel(view=v).notnull().any())]
    if str(here["kind"].values) == "noise":
        views = [v for v in views if v == "same-inputs"]
    if not views:
        raise BlindspotsError(f"Nothing was measured under '{attack}'; run it before drawing it.")
    looks = colours(summary)
    handles = [Line2D([], [], label=name, **look.kwargs()) for name, look in looks.items()]
    figure, above = stage(WIDTH, 3.5, handles, columns=4)
    panels = above.subplots(1, len(views), sharey=True, squeeze=False)[0]
    for panel, view in zip(panels, views, strict=True):
        for name, look in looks.items():
            accuracy_line(panel, here.sel(view=view, network=name), look)
        panel.set_title(PANELS[view])
        panel.grid(axis="y", color="0.92", linewidth=0.6)
        panel.axhline(CHANCE, color=GREY, linewidth=0.7, linestyle=":", zorder=0)
        panel.set_ylim(-2, 102)
        panel.set_xlim(left=0)
    panels[0].set_ylabel("accuracy (%)")
    panels[0].annotate(
        "chance", (0, CHANCE), xycoords=("axes fraction", "data"), xytext=(3, 2),
        textcoords="offset points", color=GREY, fontsize=6.5,
    )  # fmt: skip
    above.supxlabel(budget_label(str(here["norm"].values)), fontsize=7.5)
    head(figure, summary, f"Robust accuracy under {attack}")
    return figure


def accuracy_line(panel: Axes, here: xr.Dataset, look: Look) -> None:
    """One network: line and band in per cent, from the clean accuracy at 0; none if unmeasured."""
    measured = here["accuracy"].notnull().to_numpy()
    if not measured.any():
        return
    epsilon = np.concatenate([[0.0], here["epsilon"].to_numpy()[measured]])
    middle, low, high = (
        100 * np.concatenate([[float(here[f"clean_{key}"])], here[key].to_numpy()[measured]])
        for key in ("accuracy", "accuracy_low", "accuracy_high")
    )
    panel.plot(epsilon, middle, clip_on=False, **look.kwargs())
    panel.fill_between(epsilon, low, high, color=look.colour, alpha=0.09, linewidth=0)


@styled
def noise_control(summary: xr.Dataset, attack: str | None = None) -> Figure:
    """An attack beside noise of the same norm and budget, one small panel per network.

    The distance between the lines is what the attack does beyond shaking the input.

    Args:
        summary: from `experiments.statistics.summarise`.
        attack: an attack that is no noise; the reference attack if not given.

    Raises:
        BlindspotsError: no noise of that norm was measured.
    """
    attack = attack or str(summary.attrs["reference_attack"])
    norm = str(named(summary, attack)["norm"].values)
    fits = (summary["kind"] == "noise") & (summary["norm"] == norm)
    noises = [str(each) for each in summary["attack"].to_numpy()[fits.to_numpy()]]
    if not noises:
        raise BlindspotsError(f"No noise of the norm {norm} was run; add one beside '{attack}'.")
    looks = colours(summary)
    handles = [
        Line2D([], [], color="black", marker="o", label=f"{attack} (worst case over sources)"),
        *(Line2D([], [], color=GREY, linestyle=":", marker="x", label=n) for n in noises),
    ]
    columns = min(4, len(looks))
    rows = -(-len(looks) // columns)
    figure, above = stage(WIDTH, 1.25 * rows + 0.9, handles, columns=len(handles))
    panels = above.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(looks) :]:
        panel.remove()
    for panel, (name, look) in zip(panels, looks.items(), strict=False):
        lines = [(attack, "-", look.colour, "o"), *((n, ":", GREY, "x") for n in noises)]
        for each, line, colour, marker in lines:
            here = summary.sel(attack=each, view="worst-case", network=name)
            accuracy_line(panel, here, Look(colour, line, marker, True))
        panel.set_title(name, fontsize=7)
        panel.set_ylim(-2, 102)
        panel.set_xlim(left=0)
    above.supxlabel(budget_label(norm), fontsize=7.5)
    above.supylabel("accuracy (%)", fontsize=7.5)
    head(figure, summary, f"{attack} beside noise of the same budget")
    return figure
