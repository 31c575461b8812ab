"""Who errs on inputs made for whom: the cross-network tables of Szegedy et al. (2014)."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures.matrix import heat
from figures.style import COLUMN, WIDTH, head, styled
from networks.errors import BlindspotsError


@styled
def error_matrix(
    summary: xr.Dataset, names: Sequence[str], level: str, deviations: Sequence[float], text: str
) -> Figure:
    """Error of every network (columns) on inputs made for every network (rows), and under noise.

    Args:
        summary: holds `error` (network, source, level) and `noise_error` (network, deviation) as
            fractions.
        names: the networks, rows and columns in this order.
        level: "minimal" or "amplified".
        deviations: of the noise rows below.
        text: the title.

    Raises:
        BlindspotsError: nothing was measured there.
    """
    chosen = summary.sel(network=list(names))
    made = chosen["error"].sel(source=list(names), level=level).transpose("source", "network")
    noise = chosen["noise_error"].sel(deviation=list(deviations)).transpose("deviation", "network")
    shares = 100 * np.concatenate([made.to_numpy(), noise.to_numpy()])
    if not np.isfinite(shares).any():
        raise BlindspotsError(f"No network was measured at the level '{level}'; run it again.")
    rows = [*names, *(f"noise {each:g}" if each else "clean" for each in deviations)]
    figure = Figure(
        figsize=(np.clip(2.6 + 0.42 * len(names), COLUMN, WIDTH), 2.3 + 0.25 * len(rows)),
        layout="constrained",
    )
    panel = figure.subplots()
    painted = heat(panel, shares, rows, list(names), (0, 100))
    panel.axhline(len(names) - 0.5, color="white", linewidth=2)
    panel.set_xlabel("network that answers\n(framed: white-box; –: not measured)")
    panel.set_ylabel("inputs made for")
    bar = figure.colorbar(painted, ax=panel, pad=0.015, aspect=30)
    bar.set_label("error (%)")
    bar.outline.set_visible(False)
    head(figure, summary, text)
    return figure
