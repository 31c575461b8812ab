"""All weights of a network as one matrix of blocks, areas by areas."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from figures.recordings import Floats, title
from figures.style import BLACK, WIDTH, stage, styled
from figures.wiring import COLOURS
from networks.errors import BlindspotsError

LARGEST = 0.995  # of all weights' sizes: the ends of the colours


@styled
def weights(parameters: xr.Dataset) -> Figure:
    """Weights by target (rows) and source (columns), a block for each pair of areas.

    One scale of colours for all, symmetric about zero; its ends are the 99.5th percentile of all
    sizes. The frame's colour says the kind of the projection. Modules are outlined where
    both areas have as many. Blocks are as wide and tall as the roots of their areas' sizes.

    Args:
        parameters: an array for each projection by its name, target's units first, with the
            attributes `source`, `target`, `kind` and, for areas in modules, `source_modules` and
            `target_modules`. Several between one pair of areas (within and between modules) are
            added. Attributes as those of a recording.

    Raises:
        BlindspotsError: there are no projections, or they do not fit together.
    """
    blocks = together(parameters)
    targets = list(dict.fromkeys(target for target, _ in blocks))[::-1]
    sources = list(dict.fromkeys(source for _, source in blocks))
    tall = {t: np.sqrt(next(b for (o, _), b in blocks.items() if o == t).shape[0]) for t in targets}
    wide = {s: np.sqrt(next(b for (_, o), b in blocks.items() if o == s).shape[1]) for s in sources}
    kinds = dict.fromkeys(str(each.attrs["kind"]) for each in blocks.values())
    handles = [Line2D([], [], color=COLOURS[k], linewidth=2, label=k) for k in kinds]
    figure, above = stage(WIDTH, 4.2, handles, columns=4)
    panels = above.subplots(
        len(targets), len(sources), squeeze=False,
        height_ratios=[max(tall[t], 0.35 * max(tall.values())) for t in targets],
        width_ratios=[max(wide[s], 0.35 * max(wide.values())) for s in sources],
    )  # fmt: skip
    limit = largest(blocks)
    painted: list[AxesImage] = []
    for row, target in zip(panels, targets, strict=True):
        for panel, source in zip(row, sources, strict=True):
            if (target, source) in blocks:
                painted.append(block(blocks[target, source], limit, ax=panel))
            else:
                absent(panel)
        row[0].set_ylabel(f"to {target}\n({blocks_size(blocks, target, 0)})")
    for panel, source in zip(panels[-1], sources, strict=True):
        panel.set_xlabel(f"from {source}\n({blocks_size(blocks, source, 1)})")
    bar = figure.colorbar(painted[0], ax=panels, pad=0.015, aspect=30, extend="both")
    bar.set_label("weight")
    bar.outline.set_visible(False)
    count = sum(int(np.count_nonzero(each)) for each in blocks.values())
    title(figure, parameters, "Weights by target and source", f"{count:,} weights")
    return figure


def together(parameters: xr.Dataset) -> Mapping[tuple[str, str], xr.DataArray]:
    """One matrix for each pair (target, source): the sum of the projections between them."""
    blocks: dict[tuple[str, str], xr.DataArray] = {}
    for name, each in parameters.data_vars.items():
        if each.ndim != 2 or not {"source", "target", "kind"} <= set(each.attrs):
            raise BlindspotsError(
                f"'{name}' is no matrix of a projection; give (target units, source units) with "
                "the attributes source, target and kind."
            )
        pair = str(each.attrs["target"]), str(each.attrs["source"])
        if pair in blocks and blocks[pair].shape != each.shape:
            raise BlindspotsError(f"'{name}' has another shape than the rest of its block.")
        blocks[pair] = each if pair not in blocks else blocks[pair].copy(data=blocks[pair] + each)
    if not blocks:
        raise BlindspotsError("There are no weights to draw; give those of a network.")
    return blocks


def largest(blocks: Mapping[tuple[str, str], xr.DataArray]) -> float:
    """The end of the colours: nearly the largest size of all weights that are not zero."""
    sizes: Floats = np.abs(np.concatenate([b.to_numpy().ravel() for b in blocks.values()]))
    sizes = sizes[sizes > 0]
    return float(np.quantile(sizes, LARGEST)) if sizes.size else 1.0


def blocks_size(blocks: Mapping[tuple[str, str], xr.DataArray], area: str, side: int) -> int:
    """How many units an area has, as a target (0) or as a source (1)."""
    return next(each.shape[side] for pair, each in blocks.items() if pair[side] == area)


def block(matrix: xr.DataArray, limit: float, *, ax: Axes) -> AxesImage:
    """One block (target, source), its frame in the colour of its kind and its modules outlined."""
    rows, columns = matrix.shape
    painted = ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color=COLOURS[str(matrix.attrs["kind"])], linewidth=1.6)
    counts = [int(matrix.attrs.get(f"{end}_modules", 1)) for end in ("target", "source")]
    if counts[0] == counts[1] > 1:
        tall, wide = rows / counts[0], columns / counts[1]
        for at in range(counts[0]):
            corner = (at * wide - 0.5, at * tall - 0.5)
            ax.add_patch(Rectangle(corner, wide, tall, fill=False, ec=BLACK, lw=0.9))
    return painted


def absent(panel: Axes) -> None:
    """A pair of areas without a projection."""
    panel.set_facecolor("0.95")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
