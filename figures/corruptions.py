"""Corrupted images, and how well the networks tell what is on them."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import (
    BLACK,
    GREY,
    VERMILLION,
    WIDTH,
    Look,
    colours,
    head,
    is_mnist,
    stage,
    styled,
)
from networks.errors import BlindspotsError

CHANCE = 10.0  # per cent, ten classes
SPAN = 20.0  # percentage points that a panel shows at least
ACROSS = 4  # panels side by side


@styled
def corruption_examples(result: xr.Dataset) -> Figure:
    """The example images clean and under every corruption of MNIST-C, at MNIST-C's severity.

    Args:
        result: the labelled result with `example_clean` and `example_corrupted`.

    Raises:
        BlindspotsError: the result holds none of these corruptions.
    """
    names = of_kind(result, "mnist-c")
    pictures = [
        result["example_corrupted"].sel(
            corruption=name, severity=int(result["default_severity"].sel(corruption=name))
        )
        for name in names
    ]
    grid = np.stack([result["example_clean"].to_numpy(), *(p.to_numpy() for p in pictures)], axis=1)
    figure = mosaic(grid, None)
    for panel, name in zip(figure.axes, ["clean", *names], strict=False):
        panel.set_title(spoken(name), rotation=45, ha="left", va="bottom", x=0.3, fontsize=7)
    origins = sorted({str(p["corruption_origin"].values) for p in pictures})
    title(figure, result, f"What every network saw ({', '.join(origins)})")
    return figure


@styled
def sweep_examples(result: xr.Dataset) -> Figure:
    """The first example image along every sweep, one row each, with the level below.

    Args:
        result: the labelled result with `example_corrupted`.

    Raises:
        BlindspotsError: the result holds no sweeps.
    """
    names = of_kind(result, "sweep")
    here = result.sel(corruption=names).isel(example=0)
    units = [str(each).replace(" (", "\n(") for each in here["corruption_unit"].to_numpy()]
    labels = [f"{spoken(name)}:\n{unit}" for name, unit in zip(names, units, strict=True)]
    figure = mosaic(here["example_corrupted"].to_numpy(), labels)
    for panel, level in zip(figure.axes, here["corruption_level"].to_numpy().flat, strict=True):
        panel.set_xlabel("" if np.isnan(level) else f"{level:g}", fontsize=6.5, labelpad=1.5)
    title(figure, result, "Sweeps: one image at every level")
    return figure


@styled
def corruption_accuracies(summary: xr.Dataset) -> Figure:
    """Accuracy of every network, clean and under every corruption of MNIST-C at its severity.

    One panel per corruption, one row per network, bars are 95 % Wilson intervals over images;
    each panel has a range of its own.

    Args:
        summary: from `experiments.statistics.summarise`.

    Raises:
        BlindspotsError: the result holds none of these corruptions.
    """
    names = of_kind(summary, "mnist-c")
    columns = {"clean": [summary[f"clean_accuracy{end}"] for end in ("", "_low", "_high")]}
    for name in names:
        severity = int(summary["default_severity"].sel(corruption=name))
        here = summary.sel(corruption=name, severity=severity)
        columns[spoken(name)] = [here[f"corruption_accuracy{end}"] for end in ("", "_low", "_high")]
    looks = colours(summary)
    rows = -(-len(columns) // ACROSS)
    figure = Figure(
        figsize=(WIDTH, 0.75 + rows * (0.42 + 0.125 * len(looks))), layout="constrained"
    )
    panels = figure.subplots(rows, ACROSS, sharey=True, squeeze=False).ravel()
    for panel in panels[len(columns) :]:
        panel.remove()
    for panel, (name, values) in zip(panels, columns.items(), strict=False):
        dots(panel, [100 * each.to_numpy() for each in values], looks)
        panel.set_title(name, pad=3)
    figure.supxlabel("accuracy (%), each panel with a range of its own", fontsize=7.5)
    head(figure, summary, "Accuracy on corrupted images")
    return figure


def dots(panel: Axes, values: list[np.ndarray], looks: dict[str, Look]) -> None:
    """Middle, low and high (network) as points with intervals, the first network on top."""
    middle, low, high = values
    for row, (look, m, a, b) in enumerate(zip(looks.values(), middle, low, high, strict=True)):
        panel.plot([a, b], [row, row], color=look.colour, linewidth=1)
        panel.plot([m], [row], clip_on=False, **{**look.kwargs(), "linestyle": ""})
    panel.set_yticks(range(len(looks)), list(looks), fontsize=6.5)
    panel.set_ylim(len(looks) - 0.4, -0.6)
    panel.set_xlim(*shown(low, high))
    panel.tick_params(length=2)
    panel.grid(axis="x", color="0.9", linewidth=0.6)
    panel.set_axisbelow(True)


def shown(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """The range of a panel: all intervals, at least `SPAN`, inside 0 to 100."""
    start, end = float(np.nanmin(low)) - 2, float(np.nanmax(high)) + 2
    missing = max(0.0, SPAN - (end - start))
    end = min(100.0, end + missing / 2)
    return max(0.0, min(start, end - SPAN)), end


@styled
def corruption_curves(summary: xr.Dataset, kind: str) -> Figure:
    """Accuracy against the level of every sweep, or the severity of every corruption of MNIST-C.

    Bands are 95 % Wilson intervals over images. Where the image stays as it is stands the clean
    accuracy.

    Args:
        summary: from `experiments.statistics.summarise`.
        kind: "sweep" or "mnist-c".

    Raises:
        BlindspotsError: no corruption of that kind was measured at several levels.
    """
    names = several(summary, kind)
    if not names:
        raise BlindspotsError(f"No {kind} was measured at several levels; run them to draw them.")
    looks = colours(summary)
    handles = [Line2D([], [], label=name, **look.kwargs()) for name, look in looks.items()]
    across = min(3, len(names))
    rows = -(-len(names) // across)
    figure, above = stage(WIDTH, 0.6 + 1.75 * rows, handles, columns=4)
    panels = above.subplots(rows, across, sharey=True, squeeze=False).ravel()
    for panel in panels[len(names) :]:
        panel.remove()
    for panel, name in zip(panels, names, strict=False):
        for network, look in looks.items():
            level_line(panel, summary.sel(corruption=name, network=network), look, kind)
        panel.set_title(spoken(name))
        unit = str(summary["corruption_unit"].sel(corruption=name).values)
        panel.set_xlabel(unit if kind == "sweep" else "severity")
        panel.grid(axis="y", color="0.92", linewidth=0.6)
        panel.axhline(CHANCE, color=GREY, linewidth=0.7, linestyle=":", zorder=0)
        panel.set_ylim(-2, 102)
    panels[0].annotate(
        "chance", (0, CHANCE), xycoords=("axes fraction", "data"), xytext=(3, 2),
        textcoords="offset points", color=GREY, fontsize=6.5,
    )  # fmt: skip
    above.supylabel("accuracy (%)", fontsize=7.5)
    head(figure, summary, "Accuracy along sweeps" if kind == "sweep" else "Accuracy by severity")
    return figure


def level_line(panel: Axes, here: xr.Dataset, look: Look, kind: str) -> None:
    """One network under one corruption: line and band in per cent, none if unmeasured."""
    measured = here["corruption_accuracy"].notnull().to_numpy()
    if not measured.any():
        return
    along = here["corruption_level"] if kind == "sweep" else here["severity"]
    neutral = float(here["corruption_neutral"]) if kind == "sweep" else 0.0
    level = np.append(along.to_numpy()[measured], neutral)
    order = np.argsort(level)
    middle, low, high = (
        100
        * np.append(here[f"corruption_{key}"].to_numpy()[measured], float(here[f"clean_{key}"]))[
            order
        ]
        for key in ("accuracy", "accuracy_low", "accuracy_high")
    )
    panel.plot(level[order], middle, clip_on=False, **look.kwargs())
    panel.fill_between(level[order], low, high, color=look.colour, alpha=0.09, linewidth=0)


def of_kind(dataset: xr.Dataset, kind: str) -> list[str]:
    """The corruptions of a kind; BlindspotsError where there are none."""
    names = []
    if "corruption_kind" in dataset.coords:
        there = dataset["corruption_kind"].to_numpy() == kind
        names = [str(each) for each in dataset["corruption"].to_numpy()[there]]
    if not names:
        group = "mnist-c" if kind == "mnist-c" else "sweeps"
        raise BlindspotsError(f"The result holds none; compare with --corruptions {group}.")
    return names


def several(summary: xr.Dataset, kind: str) -> list[str]:
    """The corruptions of a kind that were measured at more than one level."""
    levels = summary["corruption_accuracy"].notnull().any("network").sum("severity")
    there = (summary["corruption_kind"] == kind) & (levels > 1)
    return [str(each) for each in summary["corruption"].to_numpy()[there.to_numpy()]]


def mosaic(pictures: np.ndarray, names: list[str] | None) -> Figure:
    """Pictures (row, column, height, width) side by side, NaN left out.

    Names stand left of the rows, with room for a line below each picture; without them there is
    room for slanting titles above the columns.
    """
    rows, columns = pictures.shape[:2]
    left, right, above, below = (1.6, 0.1, 0.42, 0.17) if names else (0.05, 0.55, 1.0, 0.0)
    side = WIDTH / (columns + left + right)
    height = above + rows * (side + below) + 0.06
    figure = Figure(figsize=(WIDTH, height))
    figure.subplots_adjust(
        left=left * side / WIDTH,
        right=1 - right * side / WIDTH,
        bottom=(below + 0.04) / height,
        top=1 - above / height,
        wspace=0.06,
        hspace=below / side + 0.06,
    )
    panels = figure.subplots(rows, columns, squeeze=False)
    for (row, column), panel in np.ndenumerate(panels):
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=False, color="0.6", linewidth=0.4)
        if np.isfinite(pictures[row, column]).all():
            panel.imshow(pictures[row, column], cmap="gray", vmin=0, vmax=1)
            panel.spines[:].set_visible(True)  # where a picture is as white as the page
        if names and column == 0:
            panel.set_ylabel(names[row], rotation=0, ha="right", va="center", fontsize=7)
    return figure


def spoken(name: str) -> str:
    """A corruption's name with spaces."""
    return name.replace("_", " ")


def title(figure: Figure, result: xr.Dataset, text: str) -> None:
    """What the pictures are, loud where they are not MNIST's."""
    data = str(result.attrs.get("data", "unnamed data"))
    loud = not is_mnist(result)
    figure.suptitle(
        f"{text}\nNOT MNIST: {data}" if loud else f"{text}, {data}",
        color=BLACK if not loud else VERMILLION,
        y=1 - 0.06 / figure.get_figheight(),
        va="top",
    )
