"""Two populations' rates against each other: where the recorded runs move in that plane."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.conditions import CONDITIONS, by_step, conditions, recorded, shown_image
from figures.recordings import Floats, at_image, title
from figures.style import BLUE, COLUMN, GREY, ORANGE, PURPLE, stage, styled
from networks.errors import BlindspotsError

ARROWS, FINE = 14, 40  # points of the grids of arrows and of nullclines along each axis
REACH = 0.06  # of an axis: standard deviation of the window in which displacements are averaged
NEAR, LEAST = 1.5, 3  # standard deviations, and so many steps must start within, for an estimate
NULLCLINES = (ORANGE, PURPLE)  # where the first, where the second rate stands still


class Flow(NamedTuple):
    """The mean displacement per step at points of a grid; NaN where too few runs came by."""

    x: Floats
    y: Floats
    along: Floats
    across: Floats


@styled
def phase(
    recording: xr.Dataset,
    populations: tuple[str, str],
    *,
    image: int = 0,
    fixed: xr.Dataset | None = None,
) -> Figure:
    """Phase portrait of two populations' mean output, estimated from all recorded runs.

    Arrows are the mean displacement in one step of the runs (all images and conditions) that came
    near, in a Gaussian window; nullclines are where an estimated component is zero. Where it is so
    nowhere, as in networks whose rates grow all the time, the legend says so. That is a projection
    of many cells onto two numbers: runs may cross, and where nothing came near, nothing is known.
    Thick lines are the paths of one image.

    Args:
        recording: of several conditions, with the outputs of both populations.
        populations: names of areas, or `AREA:MODULE` with a module's number, for the two axes.
        image: position of the image whose paths are drawn.
        fixed: fixed points, where they were sought: `AREA.output` (point, AREA.unit) of both
            areas, and `stable` (point). The legend says so where there is none.

    Raises:
        BlindspotsError: no populations, image or conditions of that kind.
    """
    at_image(recording, image)
    first, second = (rate(recording, name) for name in populations)
    there = conditions(recording)
    handles = [Line2D([], [], label=name, **CONDITIONS[name].kwargs()) for name in there]
    handles += [
        Line2D([], [], color=colour, linewidth=1.6, label=f"{name} stands still")
        if crosses_zero(part)
        else Line2D([], [], linestyle="none", label=f"no nullcline here: {name} only {goes(part)}")
        for name, colour, part in zip(
            populations, NULLCLINES, field(first, second)[2:], strict=True
        )
    ]
    if fixed is not None and not fixed.sizes["point"]:
        handles.append(Line2D([], [], linestyle="none", label="no fixed point found"))
    figure, above = stage(1.3 * COLUMN, 3.9, handles, columns=2)
    panel = above.subplots()
    portrait(first, second, image, ax=panel)
    if fixed is not None and fixed.sizes["point"]:
        points(fixed, populations, ax=panel)
    panel.set_xlabel(f"mean output of {populations[0]}")
    panel.set_ylabel(f"mean output of {populations[1]}")
    runs = recording.sizes["image"] * len(there)
    moved = runs * (first.sizes["time"] - 1)
    detail = f"estimated projection: {moved} steps of {runs} runs;\n{shown_image(recording, image)}"
    title(figure, recording, "Phase portrait of two populations", detail)
    return figure


def rate(recording: xr.Dataset, population: str) -> xr.DataArray:
    """Mean output of an area, or of one of its modules, (condition, time, image).

    Raises:
        BlindspotsError: there is no such area or module.
    """
    area, _, module = population.partition(":")
    (area,) = recorded(recording, "output", [area])
    output = by_step(recording, f"{area}.output")
    unit = f"{area}.unit"
    if module:
        count = int(recording[f"{area}.output"].attrs.get("modules", 1))
        if not module.isdigit() or int(module) >= count:
            raise BlindspotsError(
                f"There is no module '{module}' in '{area}'; choose from 0 to {count - 1}."
            )
        size = output.sizes[unit] // count
        output = output.isel({unit: slice(int(module) * size, (int(module) + 1) * size)})
    return output.mean(unit).transpose("condition", "time", "image")


def portrait(first: xr.DataArray, second: xr.DataArray, image: int, *, ax: Axes) -> None:
    """Flow, nullclines and paths of two rates (condition, time, image); see :func:`phase`."""
    arrows, fine = field(first, second, ARROWS), field(first, second)
    ax.quiver(
        arrows.x, arrows.y, arrows.along, arrows.across, color="0.55", angles="xy", width=0.004,
        pivot="mid", zorder=1,
    )  # fmt: skip
    for part, colour in zip((fine.along, fine.across), NULLCLINES, strict=True):
        if crosses_zero(part):
            ax.contour(fine.x, fine.y, part, levels=[0], colors=colour, linewidths=1.6, zorder=2)
    pair = np.stack([first, second], -1)
    for at, name in enumerate(str(each) for each in first["condition"].to_numpy()):
        look = CONDITIONS[name]
        ax.plot(*pair[at].T, color=look.colour, linewidth=0.3, alpha=0.25, zorder=1)
        ax.plot(*pair[at, :, image].T, **{**look.kwargs(), "markersize": 2.8}, zorder=4)
    ax.margins(0.04)


def crosses_zero(part: Floats) -> bool:
    """Whether a component of the flow is of both signs where it is known."""
    known = part[np.isfinite(part)]
    return bool(known.size and known.min() < 0 < known.max())


def goes(part: Floats) -> str:
    """Which way a component of the flow goes that does not cross zero where it is known."""
    return "rises" if np.nansum(part) >= 0 else "falls"


def field(first: xr.DataArray, second: xr.DataArray, points: int = FINE) -> Flow:
    """Mean displacement per step of two rates (condition, time, image) on a square grid.

    The average of all displacements, weighted by a Gaussian of the distance from where they start
    (Nadaraya 1964, Watson 1964), with both axes scaled to their range.

    Raises:
        BlindspotsError: one of the rates never changes.
    """
    pair = np.stack([first, second], -1).astype(float)
    low, high = pair.reshape(-1, 2).min(0), pair.reshape(-1, 2).max(0)
    if not (high > low).all():
        raise BlindspotsError("A population's rate never changes; choose others for the portrait.")
    starts = ((pair[:, :-1] - low) / (high - low)).reshape(-1, 2)
    moves = (pair[:, 1:] - pair[:, :-1]).reshape(-1, 2)
    axis = np.linspace(0, 1, points)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    square = (((grid - starts) / REACH) ** 2).sum(-1)
    weights = np.exp(-square / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ moves / weights.sum(1)[:, None]
    mean[(square <= NEAR**2).sum(1) < LEAST] = np.nan
    x, y = (grid[:, 0] * (high - low) + low).T.reshape(2, points, points)
    along, across = mean.T.reshape(2, points, points)
    return Flow(x, y, along, across)


def points(fixed: xr.Dataset, populations: tuple[str, str], *, ax: Axes) -> None:
    """Fixed points in the plane of two areas: filled where stable, hollow where not."""
    names = [name.partition(":")[0] for name in populations]
    x, y = (fixed[f"{name}.output"].mean(f"{name}.unit").to_numpy() for name in names)
    for stable in (True, False):
        chosen = fixed["stable"].to_numpy().astype(bool) == stable
        ax.plot(
            x[chosen], y[chosen], "s", color=BLUE, mfc=BLUE if stable else "white", markersize=5,
            zorder=5, label="stable" if stable else "unstable",
        )  # fmt: skip
    ax.legend(title="fixed points", title_fontsize=7, labelcolor=GREY)
