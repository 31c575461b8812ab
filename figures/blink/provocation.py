"""The blink under attack: what one perturbed frame costs, by its distance."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, WIDTH, stage, styled

LABELS = {
    "target": "the second target's frame perturbed",
    "distractor": "a distractor perturbed, before a lone target",
}
LOOKS = ((BLUE, "o"), (VERMILLION, "s"), (ORANGE, "^"), (GREEN, "D"), (GREY, "v"))


@styled
def provocation(found: xr.Dataset) -> Figure:
    """Share of targets lost by lag, of those seen in the clean stream; a row per kind of frame.

    Args:
        found: `success` and `sem` (network, where, observer, condition, epsilon, lag); of the
            observers only "itself" is drawn. Dashed: random signs of the same size.
    """
    tried = {
        where: found["success"].sel(where=where, observer="itself").dropna("epsilon", how="all")
        for where in LABELS
    }
    columns = max(each.sizes["epsilon"] for each in tried.values())
    names = [str(name) for name in found["network"].to_numpy()]
    looks = dict(zip(names, (LOOKS * 3)[: len(names)], strict=True))
    handles = [Line2D([], [], color=c, marker=m, label=name) for name, (c, m) in looks.items()] + [
        Line2D([], [], color=GREY, linestyle="--", label="random signs of the same size")
    ]
    figure, above = stage(WIDTH, 4.4, handles, columns=3)
    panels = above.subplots(len(LABELS), columns, squeeze=False, sharey=True, sharex=True)
    for row, (where, label) in zip(panels, LABELS.items(), strict=True):
        epsilons = tried[where]["epsilon"].to_numpy()
        for panel, epsilon in zip(row, epsilons, strict=False):
            here = found.sel(where=where, observer="itself", epsilon=epsilon)
            for name, (colour, marker) in looks.items():
                lost(panel, here.sel(network=name), colour, marker)
            panel.set_ylim(-0.03, 1.03)
            panel.set_title(f"ε = {epsilon:g}")
        row[0].set_ylabel(f"{label}\nlost (share)")
    for panel in panels[-1]:
        panel.set_xlabel("lag (items)")
    figure.suptitle(
        f"Targets lost by a change of one frame ({found.attrs['attack']}), of those seen when clean"
        f"\n{found.attrs['data']}; mean and standard error over trials"
    )
    return figure


def lost(panel: Axes, here: xr.Dataset, colour: str, marker: str) -> None:
    """One network: attacked, and random signs."""
    for condition, line, size in (("attacked", "-", 3.8), ("noise", "--", 0)):
        values = here.sel(condition=condition)
        panel.errorbar(
            values["lag"], values["success"], values["sem"], color=colour, marker=marker,
            markersize=size, linestyle=line, elinewidth=0.7,
        )  # fmt: skip
