"""How regularly cells fire beside the trained units: intervals between spikes, and their spread."""

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.ablations import title
from figures.style import BLACK, BLUE, GREY, VERMILLION, WIDTH, stage, styled

LOOKS: tuple[tuple[str, Any], ...] = (
    (BLACK, "-"),
    (BLUE, (0, (1, 1.2))),
    (VERMILLION, (0, (4, 1.5))),
    (GREY, "-."),
)
NEARLY = 0.999
ROWS = {  # variable: its coordinate and what that is called
    "isi": ("isi", "interval between spikes (ms)", "intervals up to it (%)"),
    "cv": ("cv", "coefficient of variation of a train", "trains up to it (%)"),
}


@styled
def intervals(
    result: xr.Dataset, variants: tuple[str, ...] = ("torch", "bare", "together")
) -> Figure:
    """Cumulative distributions on clean images, one column per area, a line per variant.

    Args:
        result: `isi_at_most` (variant, condition, area, isi in ms), `cv_at_most` (..., cv), and
            `isi_delta` and `cv_delta` (variant, condition, area), Cliff's delta against torch.
        variants: up to four; the last one's deltas are written into the panels.
    """
    areas = [str(each) for each in result["area"].to_numpy()]
    looks = dict(zip(variants, LOOKS, strict=False))
    handles = [
        Line2D([], [], color=colour, linestyle=line, label=name)
        for name, (colour, line) in looks.items()
    ]
    width = min(WIDTH, 0.9 + 2.6 * len(areas))
    figure, above = stage(width, 4.2, handles, columns=4)
    panels = above.subplots(len(ROWS), len(areas), squeeze=False, sharey=True)
    clean = result.isel(condition=0)
    for row, (name, (axis, label, share)) in zip(panels, ROWS.items(), strict=True):
        for panel, area in zip(row, areas, strict=True):
            here = clean.sel(area=area)
            for variant, (colour, line) in looks.items():
                values = 100 * here[f"{name}_at_most"].sel(variant=variant)
                panel.step(here[axis], values, where="post", color=colour, linestyle=line)
            panel.set_xlim(0, reached(here[f"{name}_at_most"].sel(variant=list(variants)), axis))
            effect(panel, float(here[f"{name}_delta"].sel(variant=variants[-1])))
            panel.set_xlabel(label)
            panel.set_title(area)
        row[0].set_ylabel(share)
    title(figure, result, f"Regularity of {result.attrs['network']} in cells", "clean")
    return figure


def reached(shares: xr.DataArray, axis: str) -> float:
    """Where nearly all of every variant lie below, with some room."""
    full = (shares >= NEARLY).all("variant").to_numpy()
    values = shares[axis].to_numpy()
    return float(1.1 * values[full.argmax()] if full.any() else values[-1])


def effect(panel: Axes, delta: float) -> None:
    """Cliff's delta against torch."""
    panel.annotate(
        f"δ = {delta:+.2f}", (0.97, 0.06), xycoords="axes fraction", ha="right", fontsize=7,
        color=VERMILLION,
    )  # fmt: skip
