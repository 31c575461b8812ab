"""The blink under attack: what one changed frame costs, by its distance from T1 or to T2."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.blink.examples import titled
from figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    stage,
    styled,
)

OWN = ((BLUE, "o"), (VERMILLION, "s"), (PURPLE, "P"))
CONTROLS = ((GREY, "v"), (GREEN, "D"), (ORANGE, "^"), (SKY, "h"), (BLACK, "x"))
MISSED: dict[str, Any] = {"linestyle": "-", "markerfacecolor": "white", "linewidth": 0.7}
NOISE: dict[str, Any] = {"linestyle": ":", "marker": "", "linewidth": 0.9}


@styled
def provocation(found: xr.Dataset) -> Figure:
    """Success by lag, the budget for half by lag, and the blink that a distractor induces.

    Mean over individuals and standard error; budgets are those of the mean curve, with a 95 %
    interval. Hollow: what is lost with a report left over. Dotted: noise of the same norm and size.

    Args:
        found: `success` and `missed` (frame, norm, network, individual, condition, epsilon, lag),
            `half_budget_of_mean` and `half_budget_interval`; of `judged` the universal frames;
            attributes `reference_target` and so on are the budgets that are drawn.
    """
    looks = looks_of(found)
    handles = [
        Line2D([], [], color=colour, marker=marker, label=label(found, name))
        for name, (colour, marker) in looks.items()
    ]
    handles.append(
        Line2D([], [], color=GREY, marker="o", label="of it with a report left over", **MISSED)
    )
    handles.append(Line2D([], [], color=GREY, label="noise of the same norm and size", **NOISE))
    if found.sizes["norm"] > 1:
        handles.append(Line2D([], [], color=GREY, linestyle="--", label="L2 (else L-infinity)"))
    figure, above = stage(WIDTH, 4.6, handles, columns=2)
    ((own, budget), (induced, universal)) = above.subplots(2, 2, sharex=True)
    first = found["norm"][0]
    for panel, frame, title in (
        (own, "target", "T2's own frame changed"),
        (induced, "distractor", "a distractor changed, before a lone T2"),
    ):
        epsilon = found.attrs[f"reference_{frame}"]
        for name, look in looks.items():
            here = found.sel(frame=frame, norm=first, network=name, epsilon=epsilon)
            curves(panel, here["success"], *look)
            if frame == "distractor":
                curve(
                    panel,
                    here["missed"].sel(condition="attacked"),
                    look[0],
                    marker=look[1],
                    **MISSED,
                )
        dress(panel, f"{title} (ε = {epsilon:g})", "T2s lost (share)")
    budgets(budget, found, looks)
    if "judged" in found:
        by_universal(universal, found, looks)
    else:
        universal.set_visible(False)
    for panel, words in ((own, "T1"), (budget, "T1"), (induced, None), (universal, None)):
        panel.set_xticks(found["lag"].to_numpy())
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("items from T1 to T2" if words else "items from the distractor to T2")
    many = int(found["success"].notnull().any(("frame", "norm", "condition", "epsilon", "lag"))
               .sum("individual").max())  # fmt: skip
    titled(
        figure, found, "Targets lost by a change of one frame, of those seen when clean\n"
        f"n ≤ {many} of each kind, mean ± SEM; budgets: of the mean, with 95 % interval",
    )  # fmt: skip
    return figure


def looks_of(found: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Colour and marker of each network."""
    own, controls = iter(OWN), iter(CONTROLS * 3)
    return {
        str(name): next(controls if str(control) else own, CONTROLS[-1])
        for name, control in zip(
            found["network"].to_numpy(), found["control"].to_numpy(), strict=True
        )
    }


def label(found: xr.Dataset, name: str) -> str:
    """The network, and what it is a control of."""
    control = str(found["control"].sel(network=name).item())
    return f"{name}: {control}" if control else name


def curves(panel: Axes, rates: xr.DataArray, colour: str, marker: str) -> None:
    """Attacked, and noise; rates (individual, condition, lag)."""
    curve(panel, rates.sel(condition="noise"), colour, **NOISE)
    curve(panel, rates.sel(condition="attacked"), colour, marker=marker)


def curve(panel: Axes, rates: xr.DataArray, colour: str, **look: Any) -> None:
    """The mean of rates (individual, lag), with its error; nothing where nothing was tried."""
    count = rates.notnull().sum("individual")
    if count.any():
        error = (rates.std("individual", ddof=1) / np.sqrt(count)).where(count > 1, 0)
        there = (count > 0).to_numpy()
        panel.errorbar(
            rates["lag"][there], rates.mean("individual")[there], error[there],
            color=colour, elinewidth=0.7, **look,
        )  # fmt: skip


def budgets(panel: Axes, found: xr.Dataset, looks: dict[str, tuple[str, str]]) -> None:
    """The budget for half of T2's own frame by lag; dashed under the second norm.

    What is beyond the largest budget tried stands at the line of that.
    """
    here = found.sel(frame="target", condition="attacked")
    tried = here["success"].dropna("epsilon", how="all")["epsilon"].to_numpy()
    most = float(tried[-1])
    for name, (colour, marker) in looks.items():
        for norm, line in zip(found["norm"].to_numpy(), ("-", "--"), strict=False):
            there = here.sel(network=name, norm=norm)
            values = there["half_budget_of_mean"].to_numpy()
            if np.isnan(values).all():
                continue
            spans = there["half_budget_interval"].transpose("bound", "lag").to_numpy()
            low, high = np.minimum(np.where(np.isnan(spans), values, spans), most)
            values = np.minimum(values, most)
            panel.errorbar(
                found["lag"], values, [np.maximum(values - low, 0), np.maximum(high - values, 0)],
                color=colour, marker=marker, linestyle=line, elinewidth=0.7,
            )  # fmt: skip
    panel.axhline(most, color=GREY, linewidth=0.6)
    panel.annotate(
        "largest tried", (1, most), xycoords=("axes fraction", "data"), xytext=(0, 2),
        textcoords="offset points", ha="right", color=GREY, fontsize=6.5,
    )  # fmt: skip
    panel.set_ylim(0, 1.12 * most)
    panel.set_title("T2's own frame: budget at which half are lost")
    panel.set_ylabel("ε (of L2: root mean square)")


def by_universal(panel: Axes, found: xr.Dataset, looks: dict[str, tuple[str, str]]) -> None:
    """One change for all distractors: before whom it was crafted on, and before controls."""
    judged = found["judged"].sel(frame="universal")
    for name, look in looks.items():
        if found["control"].sel(network=name).item():
            continue
        rates = judged.sel(network=name)
        curves(panel, rates.sel(judge="itself"), *look)
        for judge in rates["judge"].to_numpy():
            if str(judge) in looks and found["control"].sel(network=judge).item():
                shown = rates.sel(judge=judge, condition=["attacked"])
                curves(panel, shown.reindex(condition=["noise", "attacked"]), *looks[str(judge)])
    epsilon = found.attrs["reference_universal"]
    dress(
        panel,
        f"one change for all distractors (ε = {epsilon:g})",
        "T2s lost (share)",
    )


def dress(panel: Axes, title: str, words: str) -> None:
    """Title, label and range of a share."""
    panel.set_title(title)
    panel.set_ylabel(words)
    panel.set_ylim(-0.03, 1.03)
