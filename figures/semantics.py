"""What units, directions and modules mean: their images, their measures, and what they are for."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.ablations import title
from figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    Look,
    colours,
    stage,
    styled,
)
from networks.errors import unknown

KINDS = {
    "unit": ("units", Look(BLUE, "-", "o", True)),
    "random": ("random directions", Look(ORANGE, "-", "D", False)),
    "principal": ("principal directions", Look(GREEN, "-", "^", True)),
    "module": ("modules", Look(VERMILLION, "-", "s", True)),
    "group": ("random groups of units", Look(PURPLE, "-", "v", False)),
}
PICTURED = {  # what one of them is called
    "unit": "unit", "random": "direction", "principal": "direction", "module": "module",
}  # fmt: skip
MEASURES = {
    "selectivity": "class selectivity",
    "information": "information about\nthe class (bits)",
    "purity": "purity of the\ntop images",
}
LESIONS = {
    "unit": ("one unit", Look(GREY, "-", "o", True)),
    "selective": ("most selective units", Look(BLUE, "-", "^", True)),
    "unselective": ("least selective units", Look(SKY, "-", "v", False)),
    "random": ("random units", Look(ORANGE, "-", "D", False)),
    "module": ("a module", Look(VERMILLION, "-", "s", True)),
}
CONDITIONS = {"clean": "clean images", "attacked": "under attack"}
OUTCOMES = {"robust": "right under attack (%)", "corruption": "right when corrupted (%)"}
ROW = 0.44  # inches, one network
SIDE, LABEL = 28, 19  # pixels: a picture's side, and the room for the words above it


@styled
def activating(result: xr.Dataset, network: str) -> Figure:
    """The test images that most activate a few units, random and principal directions, modules.

    Args:
        result: `example_picture` (network, kind, example, top_shown, row, column), intensities
            from 0 to 1 or NaN, `example_member` (network, kind, example), `example_area` (network),
            and the first individual's `purity` and `entropy` (network, individual, area, kind,
            member).
        network: one of its networks.

    Raises:
        BlindspotsError: there is no such network.
    """
    known = [str(each) for each in result["network"].to_numpy()]
    if network not in known:
        raise unknown("network", network, known)
    here = result.sel(network=network).isel(individual=0)
    area = str(here["example_area"].values)
    kinds = [kind for kind in PICTURED if bool((here["example_member"].sel(kind=kind) >= 0).any())]
    strips, images = here.sizes["example"], here.sizes["top_shown"]
    across = (WIDTH - 0.3) / len(kinds) - 0.1
    height = strips * (SIDE + LABEL) * across / (images * SIDE)
    figure = Figure(figsize=(WIDTH, height + 0.75), layout="constrained")
    for panel, kind in zip(np.atleast_1d(figure.subplots(1, len(kinds))), kinds, strict=True):
        strip(panel, here.sel(kind=kind, area=area), PICTURED[kind])
        panel.set_title(KINDS[kind][0])
    title(
        figure,
        result,
        f"{network}, area {area}: the {images} images that activate each most, from the left",
        "individual 0",
    )
    return figure


def strip(panel: Axes, here: xr.Dataset, called: str) -> None:
    """One row of pictures for each example, with what it is and how pure its top images are."""
    pictures = here["example_picture"].transpose("example", "top_shown", "row", "column").to_numpy()
    members = here["example_member"].to_numpy()
    rows, images = pictures.shape[:2]
    canvas = np.full((rows * (SIDE + LABEL), images * SIDE), np.nan)
    for row, member in enumerate(members):
        if member < 0:
            continue
        top = row * (SIDE + LABEL) + LABEL
        canvas[top : top + SIDE] = np.concatenate(list(pictures[row]), axis=1)
        facts = here.sel(member=member)
        purity, entropy = float(facts["purity"]), float(facts["entropy"])
        words = f"{called} {member}: purity {purity:.2f}, {entropy:.1f} bits"
        panel.text(0, top - 3, words, fontsize=6)
    panel.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    panel.set_axis_off()


@styled
def meanings(result: xr.Dataset) -> Figure:
    """How the measures spread over units, directions and modules, beside shuffled labels.

    Args:
        result: `selectivity`, `information` and `purity` (network, individual, area, kind, member),
            each with `_null_low` and `_null_high`.
    """
    names = [str(each) for each in result["network"].to_numpy()]
    shown = [
        kind
        for kind in KINDS
        if kind in result["kind"] and result["information"].sel(kind=kind).notnull().any()
    ]
    handles = [Line2D([], [], label=KINDS[kind][0], **KINDS[kind][1].kwargs()) for kind in shown]
    handles.append(Line2D([], [], color="0.85", linewidth=6, label="labels shuffled, 95 %"))
    figure, above = stage(WIDTH, 0.9 + ROW * len(names), handles, columns=3)
    panels = above.subplots(1, len(MEASURES), sharey=True)
    places = -np.arange(len(names), dtype=float)
    for panel, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        for place, name in zip(places, names, strict=True):
            here = result.sel(network=name)
            mine = [k for k in shown if here[measure].sel(kind=k).notnull().any()]
            for shift, kind in zip(np.linspace(0.32, -0.32, len(mine)), mine, strict=True):
                distribution(panel, here.sel(kind=kind), measure, place + shift, KINDS[kind][1])
        panel.set_xlabel(label)
        panel.set_xlim(left=min(0, panel.get_xlim()[0]))
        ruled(panel, places)
    panels[0].set_yticks(places, names)
    title(
        figure,
        result,
        "What an activity says of the class: median, quartiles, and 5 to 95 %",
        "all areas and individuals",
    )
    return figure


def distribution(panel: Axes, here: xr.Dataset, measure: str, place: float, look: Look) -> None:
    """A dot at the median, a thick line over the quartiles, a thin one from 5 to 95 %."""
    low, high = (float(here[f"{measure}_null_{end}"].mean()) for end in ("low", "high"))
    panel.hlines(place, low, high, color="0.85", linewidth=5, zorder=0.5)
    values = here[measure].to_numpy()
    ends = np.nanquantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    panel.hlines(place, ends[0], ends[4], color=look.colour, linewidth=0.7)
    panel.hlines(place, ends[1], ends[3], color=look.colour, linewidth=2)
    panel.plot(ends[2], place, **{**look.kwargs(), "markersize": 3.2})


def ruled(panel: Axes, places: np.ndarray) -> None:
    """Networks in rows, told apart by faint lines."""
    panel.grid(axis="x", color="0.92", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(places[-1] - 0.5, places[0] + 0.5)
    for place in places[:-1]:
        panel.axhline(place - 0.5, color="0.8", linewidth=0.5)


@styled
def lesions(result: xr.Dataset, summary: xr.Dataset) -> Figure:
    """What silencing units, and groups of one size, costs each network, and how unevenly.

    Args:
        result: of which the images are counted.
        summary: `drop` and `uneven` (network, lesion, condition) as fractions, each with `_low`
            and `_high`; NaN where there is none.
    """
    names = [str(each) for each in summary["network"].to_numpy()]
    shown = [each for each in LESIONS if summary["drop"].sel(lesion=each).notnull().any()]
    handles = [
        Line2D([], [], label=LESIONS[each][0], **LESIONS[each][1].kwargs()) for each in shown
    ]
    figure, above = stage(WIDTH, 0.95 + ROW * len(names), handles, columns=5)
    measured = [c for c in CONDITIONS if c in summary["condition"]]
    cases = [("drop", c, f"points lost,\n{CONDITIONS[c]}") for c in measured]
    cases.append(("uneven", "clean", "unevenness over classes\n(s.d., points), clean images"))
    places = -np.arange(len(names), dtype=float)
    spread = np.linspace(0.3, -0.3, len(shown))
    panels = above.subplots(1, len(cases), sharey=True)
    for panel, (what, condition, label) in zip(panels, cases, strict=True):
        for lesion, shift in zip(shown, spread, strict=True):
            here = 100 * summary[[what, f"{what}_low", f"{what}_high"]].sel(
                lesion=lesion, condition=condition
            )
            look = LESIONS[lesion][1]
            ends = here[f"{what}_low"], here[f"{what}_high"]
            panel.hlines(places + shift, *ends, color=look.colour, linewidth=0.9)
            panel.plot(here[what], places + shift, **{**look.kwargs(), "linestyle": ""})
        panel.set_xlabel(label)
        ruled(panel, places)
        panel.axvline(0, color="0.6", linewidth=0.6)
    panels[0].set_yticks(places, names)
    title(
        figure,
        result,
        "Units silenced in one area: one, or as many as a module has (else a quarter)",
        f"lesions on {result.attrs['lesioned']} of them; bootstrap over individuals and lesions",
    )
    return figure


@styled
def robustness(result: xr.Dataset, summary: xr.Dataset) -> Figure:
    """Each individual's mean selectivity and information against what it withstands.

    Args:
        result: `selectivity` and `information` (network, individual, area, kind, member), and
            `robust_accuracy` and `corruption_accuracy` (network, individual) as fractions.
        summary: `correlation` (among, predictor, outcome) with `_low` and `_high`, and
            `correlated` and `networks_correlated`, numbers.
    """
    looks = marks(result)
    handles = [Line2D([], [], label=name, **look) for name, look in looks.items()]
    there = [o for o in OUTCOMES if result[f"{o}_accuracy"].notnull().any()] or ["robust"]
    figure, above = stage(WIDTH, 0.6 + 2.3 * len(there), handles, columns=4)
    panels = np.atleast_2d(above.subplots(len(there), 2, sharey="row", sharex="col"))
    for row, outcome in zip(panels, there, strict=True):
        for panel, predictor in zip(row, ("selectivity", "information"), strict=True):
            x = result[predictor].sel(kind="unit").mean("member").mean("area")
            for name, look in looks.items():
                y = 100 * result[f"{outcome}_accuracy"].sel(network=name)
                panel.plot(x.sel(network=name), y, **look)
            panel.set_title(
                correlated(summary.sel(among="all", predictor=predictor, outcome=outcome)),
                fontsize=7,
            )
            panel.grid(color="0.92", linewidth=0.6)
            panel.set_axisbelow(True)
        row[0].set_ylabel(OUTCOMES[outcome])
    for panel, label in zip(
        panels[-1], ("mean class selectivity of units", "mean information of units (bits)"),
        strict=True,
    ):  # fmt: skip
        panel.set_xlabel(label)
    title(
        figure,
        result,
        "Does selectivity go with robustness? One mark per individual, half filled if it spikes",
        f"{result.attrs['attack']} at ε = {result.attrs['epsilon']:g}",
    )
    return figure


def marks(result: xr.Dataset) -> dict[str, dict[str, Any]]:
    """How each network's individuals are marked; half a mark is filled where units spike."""
    spiking = result["units"] == "spiking"
    return {
        name: {
            **look.kwargs(),
            "linestyle": "",
            "fillstyle": "bottom" if spiking.sel(network=name) else "full",
            "markersize": 5,
        }
        for name, look in colours(result).items()
    }


def correlated(here: xr.Dataset) -> str:
    """Spearman's correlation with its interval, where there is one, and of how many."""
    count = f"{int(here['correlated'])} individuals, {int(here['networks_correlated'])} networks"
    if not np.isfinite(here["correlation"]):
        return f"{count}: too few for a correlation"
    middle, low, high = (float(here[f"correlation{end}"]) for end in ("", "_low", "_high"))
    within = f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""
    return f"Spearman's ρ = {middle:.2f}{within}; {count}"
