"""One change for all images: what it looks like, and whom it misleads."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.style import WIDTH, head, styled
from figures.transfer import KINDS, changes, frame, paint

Floats = npt.NDArray[np.float64]

SIGNS, CLEAN = "random signs", "no change"
MEANS = ("mean of others", "crafted on")
NAMES, GAP, EDGE = 1.36, 0.1, 0.06  # inches: row names, between panels, at the right
ROW, CELL = 0.37, 0.46  # inches, of one row; of one column at most
SCALE = (0.3, 1.35)  # inches: left end and width of the colour bars, clear of tilted names
TITLE, HEADER, FOOT = 0.5, 0.42, 1.15  # inches above and below the rows


@styled
def universal_perturbations(summary: xr.Dataset) -> Figure:
    """Universal perturbations as images, and the error of every network under each.

    Rows are what they were crafted on: each network, all at once, and the controls. Columns of
    the matrix are networks; numbers are of fresh individuals, which no perturbation was crafted
    on, or of the first ones where there are no others, at the middle budget. On the right stand
    the mean over all networks but the one it was crafted on, and the individuals it was crafted on.

    Args:
        summary: `universal_error` (universal_source, budget, network, who), `signs_error`,
            `clean_error`, `universal_own` and `universal_others`, each with `_low` and `_high`;
            `universal_perturbation` (universal_source, budget, row, column), intensity, and
            `universal_noise_perturbation`; coordinate `kind`; attributes attack and epsilon.
    """
    kinds = summary["kind"].to_series()
    columns = sorted(kinds.index, key=lambda name: KINDS.index(kinds[name]))
    sources = [str(source) for source in summary["universal_source"].to_numpy()]
    rows = sorted(sources, key=lambda s: columns.index(s) if s in columns else len(columns))
    here = summary.isel(budget=summary.sizes["budget"] // 2)
    tall, wide, budgets = len(rows) + 2, len(columns), summary.sizes["budget"]
    taken = NAMES + budgets * ROW + 3 * GAP + EDGE
    cell = min(CELL, (WIDTH - taken) / (wide + len(MEANS)))
    height = TITLE + HEADER + tall * ROW + FOOT
    figure = Figure(figsize=(max(taken + cell * (wide + len(MEANS)), 3.9), height))

    def panel(left: float, bottom: float, width: float, size: float) -> Axes:
        across = figure.get_figwidth()
        return figure.add_axes((left / across, bottom / height, width / across, size / height))

    left = NAMES + budgets * ROW
    pictures = panel(NAMES, FOOT, budgets * ROW, tall * ROW)
    change = draw_changes(pictures, summary, rows)
    matrix = panel(left + GAP, FOOT, wide * cell, tall * ROW)
    means = panel(left + 2 * GAP + wide * cell, FOOT, len(MEANS) * cell, tall * ROW)
    painted = paint(matrix, errors(here, rows, columns), (0.0, 100.0))
    paint(means, averages(here, rows), (0.0, 100.0))
    finish(matrix, rows, columns, [kinds[name] for name in columns])
    name_columns(matrix, columns)
    name_columns(means, MEANS)
    who = "fresh individuals of" if is_fresh(here) else "individual 0 of"
    matrix.set_title(
        f"error (%) at ε = {float(here['budget']):g} of {who}", fontsize=7.5, pad=5, loc="left"
    )
    scale(figure, change, panel(SCALE[0], 0.74, SCALE[1], 0.07), "change / largest")
    scale(figure, painted, panel(SCALE[0], 0.3, SCALE[1], 0.07), "error (%)")
    parts = int(summary.attrs.get("parts", 1))
    divided = f", trained on {parts} disjoint parts" if parts > 1 else ""
    head(figure, summary, f"Universal perturbations: one change for all images{divided}")
    return figure


def is_fresh(here: xr.Dataset) -> bool:
    """Whether any network has individuals that no perturbation was crafted on."""
    return bool(here["universal_error"].sel(who="fresh").notnull().any())


def ends(here: xr.Dataset, name: str) -> list[xr.DataArray]:
    """Point, low and high in per cent."""
    return [100 * here[name + end] for end in ("", "_low", "_high")]


def errors(here: xr.Dataset, rows: Sequence[str], columns: Sequence[str]) -> Floats:
    """(3, row, column) of the individuals that the matrix is about, then the two controls."""
    at = here.sel(who="fresh" if is_fresh(here) else "first", network=list(columns))
    crafted = [
        e.sel(universal_source=list(rows)).transpose("universal_source", "network").to_numpy()
        for e in ends(at, "universal_error")
    ]
    controls = [[e.to_numpy() for e in ends(at, f"{name}_error")] for name in ("signs", "clean")]
    return np.concatenate([np.stack(crafted), np.stack(controls, 1)], 1)


def averages(here: xr.Dataset, rows: Sequence[str]) -> Floats:
    """(3, row, 2): mean of others, and those crafted on; under controls, the mean of all."""
    who = "fresh" if is_fresh(here) else "first"
    at = here.sel(universal_source=list(rows))
    others = np.stack([e.to_numpy() for e in ends(at.sel(who=who), "universal_others")])
    own = np.stack([e.to_numpy() for e in ends(at.sel(who="first"), "universal_own")])
    controls = np.full((3, 2, 2), np.nan)
    for row, name in enumerate(("signs_mean", "clean_mean")):
        controls[:, row, 0] = [float(e) for e in ends(here.sel(who=who), name)]
    return np.concatenate([np.stack([others, own], -1), controls], 1)


def draw_changes(panel: Axes, summary: xr.Dataset, rows: Sequence[str]) -> AxesImage:
    """The perturbations, a row by source and a column by budget; returns the last image."""
    budgets = summary.sizes["budget"]
    crafted = summary["universal_perturbation"].sel(universal_source=list(rows)).to_numpy()
    signs = summary["universal_noise_perturbation"].isel(universal_draw=0).to_numpy()
    shown = [*crafted, signs, np.zeros_like(signs)]
    panel.set(xlim=(0, budgets), ylim=(len(shown), 0))
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    for row, changes_ in enumerate(shown):
        for column, change in enumerate(changes_):
            largest = float(np.nanmax(np.abs(crafted[:, column]), initial=1e-6))
            drawn = panel.imshow(
                change / largest,
                extent=(column + 0.04, column + 0.96, row + 0.96, row + 0.04),
                cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest", aspect="auto",
            )  # fmt: skip
    panel.set(xlim=(0, budgets), ylim=(len(shown), 0))
    panel.set_yticks(np.arange(len(shown)) + 0.5, [*rows, SIGNS, CLEAN])
    panel.set_ylabel("change crafted on individual 0 of")
    budget = [f"{float(each):g}" for each in summary["budget"].to_numpy()]
    panel.set_xticks(np.arange(budgets) + 0.5, budget)
    panel.xaxis.tick_top()
    panel.set_title("change at ε =", fontsize=7.5, pad=5)
    return drawn


def finish(panel: Axes, rows: Sequence[str], columns: Sequence[str], kinds: Sequence[str]) -> None:
    """Frames around networks' own perturbations; lines between kinds and above the controls."""
    for row, name in enumerate(rows):
        if name in columns:
            frame(panel, columns.index(name), row)
    for at in changes(kinds):
        panel.axvline(at - 0.5, color="white", linewidth=2.2)
    own = [kinds[columns.index(name)] if name in columns else name for name in rows]
    for at in [*changes(own), len(rows)]:
        panel.axhline(at - 0.5, color="white", linewidth=2.2)


def name_columns(panel: Axes, names: Sequence[str]) -> None:
    """Tilted names below."""
    panel.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")


def scale(figure: Figure, painted: AxesImage, panel: Axes, text: str) -> None:
    """A horizontal colour bar in a panel of its own."""
    low, high = painted.get_clim()
    bar = figure.colorbar(painted, cax=panel, orientation="horizontal")
    bar.set_ticks([low, (low + high) / 2, high])
    bar.ax.tick_params(length=2, pad=1)
    bar.outline.set_visible(False)
    bar.set_label(text, labelpad=1)
