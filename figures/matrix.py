"""Who is fooled by inputs crafted on whom."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from figures.style import COLUMN, VERMILLION, WIDTH, at_epsilon, head, named, styled
from networks.errors import BlindspotsError


@styled
def transfer_matrix(result: xr.Dataset, attack: str, epsilon: float) -> Figure:
    """Accuracy of every network (columns) on the inputs crafted on every source (rows).

    Independent sources stand first, above a line; white-box cells are framed. Means are over
    the individuals and images that were measured.

    Args:
        result: the labelled result.
        attack: one of its attacks.
        epsilon: one of its budgets.

    Raises:
        BlindspotsError: nothing was measured there.
    """
    here = at_epsilon(named(result, attack), epsilon)
    order = np.argsort(~here["independent"].to_numpy().astype(bool), kind="stable")
    correct = here["correct"].isel(source=order).transpose("source", "network", ...)
    shares = 100 * (correct == 1).where(correct >= 0).mean(["individual", "image"])
    shares = shares.isel(source=shares.notnull().any("network").to_numpy())
    if not shares.size:
        raise BlindspotsError(f"Nothing was measured under '{attack}' at {epsilon:g}; run it.")
    sources, networks = ([str(s) for s in shares[d].to_numpy()] for d in ("source", "network"))
    independent = shares["independent"].to_numpy().astype(bool)

    figure = Figure(
        figsize=(np.clip(2.6 + 0.42 * len(networks), COLUMN, WIDTH), 2.3 + 0.25 * len(sources)),
        layout="constrained",
    )
    panel = figure.subplots()
    low = 10 * np.floor(float(shares.min()) / 10)
    high = max(10 * np.ceil(float(shares.max()) / 10), low + 10)
    painted = heat(panel, shares.to_numpy(), sources, networks, (low, high))
    panel.set_xlabel("network that answers\n(framed: white-box; –: not measured)")
    panel.set_ylabel("inputs crafted on")
    if independent.any() and not independent.all():
        panel.axhline(independent.sum() - 0.5, color="white", linewidth=2)
    bar = figure.colorbar(painted, ax=panel, pad=0.015, aspect=30)
    bar.set_label("accuracy (%)")
    bar.outline.set_visible(False)
    head(figure, result, f"Transfer of {attack} at ε = {epsilon:g}")
    return figure


def heat(
    panel: Axes,
    shares: npt.NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    span: tuple[float, float],
) -> AxesImage:
    """Paints per cents with their numbers; cells whose row and column bear one name are framed.

    Args:
        panel: where.
        shares: (rows, columns), per cent; NaN where nothing was measured.
        rows: their names, from above.
        columns: their names.
        span: the per cents at the ends of the colours.
    """
    low, high = span
    painted = panel.imshow(shares, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    panel.set_facecolor("0.85")
    panel.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(rows)), rows)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    for (row, column), share in np.ndenumerate(shares):
        known = np.isfinite(share)
        colour = "black" if not known or share > low + 0.55 * (high - low) else "white"
        text = f"{share:.0f}" if known else "–"
        panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
        if rows[row] == columns[column] and known:
            corner = (column - 0.47, row - 0.46)
            panel.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, ec=VERMILLION, lw=1.4))
    return painted
