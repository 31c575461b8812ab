"""The course of an area's activity in the plane in which clean activity varies most."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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

CLASSES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, GREY, "#8C6D1F", BLACK, "#4B2E83")


@styled
def state_space(
    recording: xr.Dataset, *, image: int = 0, areas: Sequence[str] | None = None
) -> Figure:
    """Paths of one image under every condition, over where clean images end.

    Each panel is the plane of the first two principal components of an area's clean activity, as
    the recording has it (of more images than were recorded; membranes of spiking cells, what rate
    units emit); the share of variance that each explains stands on the axes. Perturbed runs are
    projected onto it, and may leave it: how much of the shift from the clean to the adversarial
    last state lies in the plane is said above. Digits are the labels of the clean images that the
    plane was fitted to, at their last step.

    Args:
        recording: of several conditions, with `AREA.plane` (component, AREA.unit), whose attribute
            `quantity` says of what, `AREA.centre`, `AREA.explained` and `AREA.ends`.
        image: position of the image whose paths are drawn.
        areas: those to draw; default all that have a plane.

    Raises:
        BlindspotsError: no planes, areas, image or conditions of that kind.
    """
    at_image(recording, image)
    names = recorded(recording, "plane", areas)
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
    fitted = recording.sizes["fitted"]
    detail = f"{shown_image(recording, image)}; plane of {fitted} clean images at all steps"
    title(figure, recording, "Paths through state space", detail)
    return figure


def paths(recording: xr.Dataset, area: str, image: int, *, ax: Axes) -> None:
    """One area's paths in the plane of its clean activity; see :func:`state_space`."""
    plane = recording[f"{area}.plane"].to_numpy()
    array = states(recording, area).isel(image=image)
    ends = recording[f"{area}.ends"].to_numpy()
    small = 6.5 if len(ends) <= 50 else 4.5
    for (x, y), label in zip(ends, recording["fitted_label"].to_numpy(), strict=True):
        ax.text(
            x, y, str(label), color=CLASSES[label % len(CLASSES)], fontsize=small, ha="center",
            va="center", alpha=0.75, clip_on=True,
        )  # fmt: skip
    drawn = [ends]
    for name in conditions(recording):
        path = array.sel(condition=name).to_numpy() @ plane.T
        look = CONDITIONS[name]
        ax.plot(*path.T, **{**look.kwargs(), "markersize": 2.6}, zorder=3)
        ax.plot(*path[-1], "*", color=look.colour, markersize=8, mec="white", mew=0.5, zorder=4)
        drawn.append(path)
    everything = np.concatenate(drawn)
    ax.update_datalim(everything)
    ax.margins(0.08)
    ax.autoscale_view()
    first, second = 100 * recording[f"{area}.explained"].to_numpy()
    ax.set_xlabel(f"component 1 ({first:.0f} % of variance)")
    ax.set_ylabel(f"component 2 ({second:.0f} %)")
    ax.set_title(f"{area}\n{seen(array.isel(time=-1), plane)}")


def states(recording: xr.Dataset, area: str) -> xr.DataArray:
    """An area's state at each step from its centre, (condition, time, image, unit)."""
    quantity = recording[f"{area}.plane"].attrs["quantity"]
    away = by_step(recording, f"{area}.{quantity}") - recording[f"{area}.centre"]
    return away.transpose("condition", "time", "image", ...)


def seen(ends: xr.DataArray, plane: Floats) -> str:
    """How much of the distance between clean and adversarial end lies in the plane."""
    if "adversarial" not in ends["condition"]:
        return ""
    gap: Floats = (ends.sel(condition="adversarial") - ends.sel(condition="clean")).to_numpy()
    whole = float(np.linalg.norm(gap))
    share = np.linalg.norm(plane @ gap) / whole if whole else 1.0
    return f"{100 * share:.0f} % of the shift seen"
