"""How far a perturbation drives each area from its clean course, and whether it comes back."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.conditions import CONDITIONS
from figures.population import counted_images, of_network
from figures.recordings import time_axis, title
from figures.style import WIDTH, stage, styled

BAND = (0.25, 0.75)  # of images and individuals


@styled
def divergence(result: xr.Dataset, network: str) -> Figure:
    """Relative divergence of each area through time, and the share of right answers beside it.

    Lines are medians over images and individuals, bands hold the middle half of them. Where a line
    falls, the area returns towards its clean course. The last panel has the answer so far: thick
    the mean over all, thin each individual.

    Args:
        result: `relative_divergence` (network, individual, condition, area, time, image) and
            `right` (network, individual, condition, time, image): 1, 0, or -1 before an answer.
        network: one of its networks.

    Raises:
        BlindspotsError: no such network or measure.
    """
    here = of_network(result, network, "relative_divergence")
    areas = [str(each) for each in here["area"].to_numpy()]
    names = [name for name in CONDITIONS if name in here["condition"]]
    handles = [Line2D([], [], label=name, **CONDITIONS[name].kwargs()) for name in names]
    figure, above = stage(WIDTH, 2.5, handles, columns=3)
    panels = above.subplots(1, len(areas) + 1, squeeze=False)[0]
    for panel, area in zip(panels, areas, strict=False):
        area_course(here, area, ax=panel)
        panel.set_title(area)
    panels[0].set_ylabel("divergence from the clean run\n(relative)")
    right_so_far(here, ax=panels[-1])
    panels[-1].set_title("answer so far")
    panels[-1].set_ylabel("right (%)")
    detail = f"median and middle half of {counted_images(here)}"
    title(figure, here, "Divergence and recovery", detail)
    return figure


def area_course(here: xr.Dataset, area: str, *, ax: Axes) -> None:
    """Median and middle half of one area's relative divergence, a line for each condition."""
    apart = here["relative_divergence"].sel(area=area)
    for name, look in CONDITIONS.items():
        if name == "clean" or name not in apart["condition"]:
            continue
        values = apart.sel(condition=name).transpose("time", ...).to_numpy()
        rows = values.reshape(len(values), -1)
        low, middle, high = np.nanquantile(rows, (BAND[0], 0.5, BAND[1]), axis=1)
        ax.fill_between(here["time"], low, high, color=look.colour, alpha=0.15, linewidth=0)
        ax.plot(here["time"], middle, **look.kwargs())
    ax.set_ylim(bottom=0)
    time_axis(ax, here, named=True)


def right_so_far(here: xr.Dataset, *, ax: Axes) -> None:
    """Share of images that the answer so far is right about; thin lines are individuals."""
    for name, look in CONDITIONS.items():
        if name not in here["condition"]:
            continue
        right = here["right"].sel(condition=name)
        share = 100 * (right == 1).where(right >= 0).mean("image")
        for _, single in share.groupby("individual"):
            ax.plot(here["time"], single.squeeze(), color=look.colour, linewidth=0.4)
        ax.plot(here["time"], share.mean("individual"), **look.kwargs())
    ax.set_ylim(0, 103)
    time_axis(ax, here, named=True)
