"""Whether images that are fooled by little change are those at which the dynamics diverge."""

from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.conditions import DIRECTIONS
from figures.population import named_after, of_network
from figures.recordings import title
from figures.style import GREY, WIDTH, styled
from networks.errors import BlindspotsError, unknown


@styled
def sensitivity(result: xr.Dataset, summary: xr.Dataset, direction: str = "adversarial") -> Figure:
    """Lyapunov exponent against minimal distortion, one dot per image, a panel per network.

    Spearman's rank correlation with its interval stands in each panel. Images for which no
    change was found that fools are counted, not drawn.

    Args:
        result: `exponent` (network, individual, direction, image), per step, and
            `minimum_distortion` (network, individual, image), rms change of intensity, inf where
            none was found and NaN where not measured.
        summary: `rank_correlation`, `rank_correlation_low` and `rank_correlation_high` (network,
            direction).
        direction: of the exponents.

    Raises:
        BlindspotsError: there are no exponents or distortions, or none in that direction.
    """
    for name, mend in (
        ("exponent", "measure Lyapunov exponents"),
        ("minimum_distortion", "measure minimal distortions"),
    ):
        if name not in result:
            raise BlindspotsError(f"The result holds no '{name}'; {mend} to draw it.")
    known = [str(each) for each in result["direction"].to_numpy()]
    if direction not in known:
        raise unknown("direction", direction, known)
    both = result["exponent"].sel(direction=direction) * result["minimum_distortion"]
    names = [str(n) for n in result["network"].to_numpy() if both.sel(network=n).notnull().any()]
    if not names:
        raise BlindspotsError("No network has both exponents and distortions; measure them.")
    columns = min(4, len(names))
    rows = ceil(len(names) / columns)
    figure = Figure(figsize=(WIDTH, 0.8 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for at, panel in enumerate(panels.ravel()):
        if at >= len(names):
            panel.set_axis_off()
            continue
        here = of_network(result, names[at], "exponent").sel(direction=direction)
        scatter(here, ax=panel)
        said = correlation(summary.sel(network=names[at], direction=direction))
        panel.set_title(f"{names[at]}\n{said}\n{counted(here)}", fontsize=7)
        if at + columns >= len(names):
            panel.set_xlabel("minimal distortion (rms)")
    for panel in panels[:, 0]:
        panel.set_ylabel("exponent (per step)")
    detail = f"{direction} direction, 95 % intervals"
    title(
        figure,
        named_after(result, names),
        "Finite-time Lyapunov exponent and minimal distortion",
        detail,
    )
    return figure


def scatter(here: xr.Dataset, *, ax: Axes) -> None:
    """One network's images: exponent over the smallest change that fools."""
    far = here["minimum_distortion"].to_numpy().ravel()
    growth = here["exponent"].transpose(*here["minimum_distortion"].dims).to_numpy().ravel()
    known = np.isfinite(far) & np.isfinite(growth)
    look = DIRECTIONS[str(here["direction"].values)]
    ax.scatter(far[known], growth[known], s=5, color=look.colour, alpha=0.5, linewidth=0)
    ax.axhline(0, color=GREY, linewidth=0.7, linestyle=":")
    ax.set_xlim(left=0)


def counted(here: xr.Dataset) -> str:
    """How many images are drawn, and how many nothing fooled."""
    far = here["minimum_distortion"].where(here["exponent"].notnull())
    drawn, never = int(np.isfinite(far).sum()), int(np.isinf(far).sum())
    return f"n = {drawn}, {never} never fooled"


def correlation(here: xr.Dataset) -> str:
    """ "ρ = -0.41 (-0.55 to -0.25)"."""
    middle, low, high = (float(here[f"rank_correlation{end}"]) for end in ("", "_low", "_high"))
    if not np.isfinite(middle):
        return "ρ not estimated"
    return f"ρ = {middle:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
