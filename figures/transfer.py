"""How far adversarial inputs carry: from network to network, and how many they fool at once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from figures.style import BLACK, SKY, VERMILLION, WIDTH, head, styled

KINDS = ("feedforward", "lateral", "top-down", "both", "modular", "spiking", "cells", "brought")
BELOW = {"incoming": "mean of others'", "direct": "own attack", "noise": "noise"}
CELL, TALL = 0.46, 0.31  # inches, of one cell
SMALL = 5.3  # points
WAYS = {
    "direct": "each by its own attack",
    "transferred": "by what was crafted on another one",
}
ACROSS = 6  # examples side by side
TITLE, ROW = 0.42, 0.92  # inches of the montage: its title, each row


@styled
def exchange_matrix(summary: xr.Dataset) -> Figure:
    """Transfer rate from every source (rows) to every network (columns), with 95 % intervals.

    Networks are grouped by kind. On the framed diagonal inputs go from one individual to another
    of the same network. Below stand, for every network, the mean of all other networks' inputs,
    its own attack, and noise of the same budget; on the right the mean of every source.

    Args:
        summary: `rate` (source, network), `outgoing` (source), `incoming`, `direct`, `noise`
            (network), each with `_low` and `_high`; coordinates `kind` and, of the sources,
            `kind` by their names; attributes attack and epsilon.
    """
    kinds = summary["kind"].to_series()
    columns = sorted(kinds.index, key=lambda name: KINDS.index(kinds[name]))
    sources = {str(s) for s in summary["source"].to_numpy()}
    rows = [name for name in columns if name in sources]
    here = summary.sel(network=columns, source=rows)
    wide, tall = len(columns), len(rows)
    width = float(np.clip(2.5 + CELL * (wide + 1), 3.6, WIDTH))
    figure = Figure(
        figsize=(width, 2.75 + TALL * (tall + len(BELOW))),
        layout=ConstrainedLayoutEngine(hspace=0.02, wspace=0.02),
    )
    panels = figure.subplots(
        2, 2, width_ratios=[wide, 1], height_ratios=[tall, len(BELOW)], squeeze=False
    )
    limits = span(here)
    painted = paint(panels[0, 0], bounds(here, ["rate"], "source", "network"), limits)
    paint(panels[0, 1], bounds(here, ["outgoing"], "source", ""), limits)
    paint(panels[1, 0], bounds(here, list(BELOW), "", "network"), limits)
    panels[1, 1].set_axis_off()
    label(panels, columns, rows)
    for at, name in enumerate(rows):
        frame(panels[0, 0], columns.index(name), at)
    divide(panels, [kinds[name] for name in columns], [kinds[name] for name in rows])
    bar = figure.colorbar(painted, ax=panels[1, 1], orientation="horizontal", fraction=0.9)
    bar.set_ticks(limits)
    bar.outline.set_visible(False)
    bar.set_label("fooled (%)", labelpad=1)
    head(figure, here, f"Transfer rate of {conditions(summary)}")
    return figure


def conditions(dataset: xr.Dataset) -> str:
    """ "pgd-linf at ε = 0.05", with the parts of the training images if there are any."""
    parts = int(dataset.attrs.get("parts", 1))
    divided = f", trained on {parts} disjoint parts" if parts > 1 else ""
    return f"{dataset.attrs['attack']} at ε = {float(dataset.attrs['epsilon']):g}{divided}"


def span(here: xr.Dataset) -> tuple[float, float]:
    """Tens of per cent around what networks are fooled by each other; noise may lie below."""
    rates = 100 * here["rate"].to_numpy()
    if not np.isfinite(rates).any():
        return 0.0, 100.0
    low = 10 * np.floor(np.nanmin(rates) / 10)
    return float(low), float(max(10 * np.ceil(np.nanmax(rates) / 10), low + 10))


def bounds(
    here: xr.Dataset, names: Sequence[str], rows: str, columns: str
) -> npt.NDArray[np.float64]:
    """Point, low and high in per cent: (3, row, column); several names are rows."""
    table = []
    for end in ("", "_low", "_high"):
        values = [here[name + end] for name in names]
        if rows:
            values = [v.transpose(rows, *([columns] if columns else [])) for v in values]
        stacked = np.stack([v.to_numpy() for v in values])
        table.append(stacked[0].reshape(here.sizes[rows], -1) if rows else stacked)
    return 100 * np.stack(table)


def paint(panel: Axes, values: npt.NDArray[np.float64], limits: tuple[float, float]) -> AxesImage:
    """Shares as colours, with numbers and intervals in the cells."""
    low_end, high_end = limits
    painted = panel.imshow(values[0], cmap="cividis", vmin=low_end, vmax=high_end, aspect="auto")
    panel.set_facecolor("0.85")
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xticks([])
    panel.set_yticks([])
    for (row, column), share in np.ndenumerate(values[0]):
        known = np.isfinite(share)
        dark = known and share < low_end + 0.5 * (high_end - low_end)
        colour = "white" if dark else BLACK
        panel.text(
            column, row - 0.13 * known, digits(share) if known else "–",
            ha="center", va="center", color=colour, fontsize=7,
        )  # fmt: skip
        low, high = values[1:, row, column]
        if known and np.isfinite(low):
            panel.text(
                column, row + 0.27, f"{digits(low)}–{digits(high)}",
                ha="center", va="center", color=colour, fontsize=SMALL,
            )  # fmt: skip
    return painted


def digits(share: float) -> str:
    """Whole per cent, with a decimal where that would be one digit."""
    return f"{share:.1f}" if share < 9.95 else f"{share:.0f}"


def label(panels: npt.NDArray[np.object_], columns: Sequence[str], rows: Sequence[str]) -> None:
    """Names of networks, sources and strips."""
    tilted = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    panels[0, 0].set_yticks(range(len(rows)), rows)
    panels[0, 0].set_ylabel("crafted on an individual of")
    panels[0, 1].set_title("mean", fontsize=7)
    panels[1, 0].set_yticks(range(len(BELOW)), BELOW.values())
    panels[1, 0].set_xticks(range(len(columns)), columns, **tilted)
    panels[1, 0].set_xlabel("network that answers (framed: another individual of the same network)")


def frame(panel: Axes, column: int, row: int) -> None:
    """A frame around a cell."""
    box = Rectangle((column - 0.44, row - 0.42), 0.88, 0.84, fill=False, ec=VERMILLION, lw=1.2)
    panel.add_patch(box)


def divide(panels: npt.NDArray[np.object_], columns: Sequence[str], rows: Sequence[str]) -> None:
    """White lines between kinds, whose names stand on top."""
    for panel in panels[:, 0]:
        for at in changes(columns):
            panel.axvline(at - 0.5, color="white", linewidth=2.2)
    for panel in panels[0]:
        for at in changes(rows):
            panel.axhline(at - 0.5, color="white", linewidth=2.2)
    starts = [0, *changes(columns), len(columns)]
    for first, last in pairwise(starts):
        panels[0, 0].annotate(
            columns[first], ((first + last - 1) / 2, 1.012),
            xycoords=("data", "axes fraction"), ha="center" if last - first > 1 else "left",
            va="bottom", fontsize=7, rotation=0 if last - first > 1 else 40,
            rotation_mode="anchor", style="italic",
        )  # fmt: skip


def changes(names: Sequence[str]) -> list[int]:
    """Where a name differs from the one before."""
    return [at for at in range(1, len(names)) if names[at] != names[at - 1]]


@styled
def universality_histogram(spread: xr.Dataset, summary: xr.Dataset) -> Figure:
    """How many individuals the same input fools, beside independent failures at the same rates.

    Args:
        spread: `fooling` and `expected` (way, count), `asked` and `inputs` (way), `dispersion`
            with `_low` and `_high` (way).
        summary: for the title.
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    panels = figure.subplots(1, spread.sizes["way"])
    for panel, (way, text) in zip(panels, WAYS.items(), strict=True):
        here = spread.sel(way=way)
        asked, inputs = int(here["asked"]), int(here["inputs"])
        count = np.arange(asked + 1)
        seen, by_chance = (
            100 * here[name].to_numpy()[: asked + 1] / max(inputs, 1)
            for name in ("fooling", "expected")
        )
        panel.bar(count, seen, width=0.85, color=SKY, label="observed")
        panel.plot(
            count, by_chance, color=BLACK, marker="o", markersize=2.6, linewidth=0.9,
            label="independent failures\nat the same rates",
        )  # fmt: skip
        panel.set_title(f"Fooled {text}\n{said(here)}")
        panel.set_xlabel(f"individuals fooled, of {asked}")
        panel.set_ylabel(f"of {inputs} {'images' if way == 'direct' else 'crafted inputs'} (%)")
        panel.set_xlim(-0.7, asked + 0.7)
        panel.xaxis.get_major_locator().set_params(integer=True)
    panels[0].legend(loc="upper center")
    head(figure, summary, f"Shared blind spots: {conditions(summary)}")
    return figure


def said(here: xr.Dataset) -> str:
    """The variance beside that of independent failures."""
    if not np.isfinite(here["dispersion"]):
        return "(nobody is ever fooled, or everybody always)"
    value, low, high = (float(here[f"dispersion{end}"]) for end in ("", "_low", "_high"))
    return f"variance {value:.1f} [{low:.1f}, {high:.1f}] × that of independence"


@styled
def montage(result: xr.Dataset) -> Figure:
    """The inputs that fool most others, one per image, each beside its clean image.

    Args:
        result: `example_inputs` and `example_clean` (example, row, column), intensities;
            `example_source`, `example_individual`, `example_image` (places), `example_fooled`;
            `others_asked`; `prediction`, `label`.
    """
    count = result.sizes["example"]
    rows = -(-count // ACROSS)
    figure = Figure(figsize=(WIDTH, TITLE + ROW * rows))
    grid = figure.subplots(rows, 2 * ACROSS, squeeze=False)
    tall = figure.get_figheight()
    figure.subplots_adjust(0.01, 0.04 / tall, 0.99, 1 - (TITLE + 0.26) / tall, wspace=0.04)
    for panel in grid.ravel():
        panel.set_axis_off()
    for at in range(count):
        here = result.isel(example=at)
        row, column = divmod(at, ACROSS)
        clean, crafted = grid[row, 2 * column : 2 * column + 2]
        for panel, name in ((clean, "example_clean"), (crafted, "example_inputs")):
            panel.imshow(here[name], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        source = str(result["source"].to_numpy()[int(here["example_source"])])
        label_, wrong = answers_to(here)
        clean.set_title(
            f"{label_} → {wrong}, fools {int(here['example_fooled'])} of "
            f"{int(result['others_asked'])}\nmade on {source}",
            loc="left", fontsize=6, pad=2, linespacing=1.2,
        )  # fmt: skip
    text = f"Most universal inputs, {conditions(result)}: clean, crafted; label → commonest error"
    head(figure, result, text)
    return figure


def answers_to(example: xr.Dataset) -> tuple[int, int]:
    """The true label, and the wrong class that most individuals answer to the input."""
    at = {k: int(example[f"example_{k}"]) for k in ("source", "individual", "image")}
    label_ = int(example["label"].isel(image=at["image"]))
    answered = example["prediction"].isel(
        source=at["source"], source_individual=at["individual"], image=at["image"]
    )
    values = answered.to_numpy().ravel()
    wrong = values[(values >= 0) & (values != label_)]
    return label_, int(np.bincount(wrong).argmax()) if wrong.size else label_
