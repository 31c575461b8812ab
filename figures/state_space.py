"""The course of an area's activity in the plane in which clean activity varies most."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA

from figures.conditions import CONDITIONS, by_step, conditions, recorded, shown_image
from figures.recordings import Floats, at_image, title
from figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    stage,
    styled,
)
from networks.errors import BlindspotsError

FEWEST = 3  # images, to fit a plane to more than one course
CLASSES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, GREY, "#8C6D1F", BLACK, "#4B2E83")


@styled
def state_space(
    recording: xr.Dataset, *, image: int = 0, areas: Sequence[str] | None = None
) -> Figure:
    """Paths of one image under every condition, over where the other clean images end.

    Each panel is the plane of the first two principal components of an area's clean activity (all
    images and steps; membranes of spiking cells, what rate units emit); the share of variance that
    each explains stands on the axes. Perturbed runs are projected onto it, and may leave it: how
    much of the shift from the clean to the adversarial last state lies in the plane is said above.
    Digits are the labels of the clean images at their last step.

    Args:
        recording: of several conditions and at least three images.
        image: position of the image whose paths are drawn.
        areas: those to draw; default all but the input.

    Raises:
        BlindspotsError: no areas, image or conditions of that kind, or too few images.
    """
    at_image(recording, image)
    names = recorded(recording, "output", areas)
    if areas is None:
        names = [n for n in names if recording[f"{n}.output"].attrs.get("unit_model") != "input"]
    if recording.sizes["image"] < FEWEST:
        raise BlindspotsError(
            f"The plane is fitted to clean images and needs at least {FEWEST}; record more."
        )
    there = conditions(recording)
    handles = [Line2D([], [], label=name, **CONDITIONS[name].kwargs()) for name in there]
    handles.append(Line2D([], [], color=BLACK, marker="*", ls="", markersize=8, label="last step"))
    columns = min(3, len(names))
    rows = ceil(len(names) / columns)
    size = WIDTH / columns
    figure, above = stage(WIDTH, 0.6 + rows * min(size, 2.7), handles, columns=5)
    panels = above.subplots(rows, columns, squeeze=False).ravel()
    for panel, area in zip(panels, names, strict=False):
        paths(recording, area, image, ax=panel)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    detail = f"{shown_image(recording, image)}; plane of {recording.sizes['image']} clean images"
    title(figure, recording, "Paths through state space", detail)
    return figure


def paths(recording: xr.Dataset, area: str, image: int, *, ax: Axes) -> None:
    """One area's paths in the plane of its clean activity; see :func:`state_space`."""
    array = states(recording, area)
    clean = array.sel(condition="clean").to_numpy()
    plane = PCA(2, svd_solver="full").fit(clean.reshape(-1, clean.shape[-1]))
    ends = plane.transform(clean[-1])
    for at, (x, y) in enumerate(ends):
        label = int(recording["label"][at]) if "label" in recording.coords else 0
        if at != image:
            ax.text(
                x, y, str(label), color=CLASSES[label % len(CLASSES)], fontsize=6.5, ha="center",
                va="center", alpha=0.75, clip_on=True,
            )  # fmt: skip
    drawn = [ends]
    for name in conditions(recording):
        path = plane.transform(array.sel(condition=name).isel(image=image).to_numpy())
        look = CONDITIONS[name]
        ax.plot(*path.T, **{**look.kwargs(), "markersize": 2.6}, zorder=3)
        ax.plot(*path[-1], "*", color=look.colour, markersize=8, mec="white", mew=0.5, zorder=4)
        drawn.append(path)
    everything = np.concatenate(drawn)
    ax.update_datalim(everything)
    ax.margins(0.08)
    ax.autoscale_view()
    first, second = 100 * plane.explained_variance_ratio_
    ax.set_xlabel(f"component 1 ({first:.0f} % of variance)")
    ax.set_ylabel(f"component 2 ({second:.0f} %)")
    ax.set_title(f"{area}\n{seen(array.isel(image=image, time=-1), plane)}")


def states(recording: xr.Dataset, area: str) -> xr.DataArray:
    """An area's state at each step of the trained network, (condition, time, image, unit)."""
    spikes = recording[f"{area}.output"].attrs.get("unit_model") == "lif"
    name = f"{area}.potential" if spikes and f"{area}.potential" in recording else f"{area}.output"
    return by_step(recording, name).transpose("condition", "time", "image", ...)


def seen(ends: xr.DataArray, plane: PCA) -> str:
    """How much of the distance between clean and adversarial end lies in the plane."""
    if "adversarial" not in ends["condition"]:
        return ""
    gap: Floats = (ends.sel(condition="adversarial") - ends.sel(condition="clean")).to_numpy()
    whole = float(np.linalg.norm(gap))
    share = np.linalg.norm(plane.components_ @ gap) / whole if whole else 1.0
    return f"{100 * share:.0f} % of the shift seen"
