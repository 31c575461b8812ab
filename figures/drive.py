"""What each kind of projection delivers to an area through time, on clean and perturbed images."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures.conditions import conditions, decisive, recorded, shown_image, under
from figures.recordings import Floats, at_image, time_axis, title
from figures.style import BLACK, PARTS, WIDTH, stage, styled

BAR = 0.8  # of a step


@styled
def drives(recording: xr.Dataset, *, image: int = 0, areas: Sequence[str] | None = None) -> Figure:
    """Drive of each area through time, stacked by kind of projection, a column per condition.

    Positive parts are stacked above zero, negative ones below it; the line is their sum. Of an
    area of cells it is the mean over those that are active under any condition at any step. Of the
    output area it is the drive of the label's unit minus that of its rival: what votes for the
    label; the rival is the class of the largest other logit on the adversarial image.

    Args:
        recording: of several conditions, with `AREA.drive_by_kind` (condition, kind, time, image,
            AREA.unit).
        image: position of the image in the recording.
        areas: those to draw; default all of which it was recorded.

    Raises:
        BlindspotsError: no areas, image, conditions or drives of that kind.
    """
    here = at_image(recording, image)
    names, there = recorded(recording, "drive_by_kind", areas), conditions(recording)
    stacks = {area: by_kind(here, area) for area in names}
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0, label=kind)
        for kind, (colour, hatch) in PARTS.items()
        if any(delivers(each, kind) for each in stacks.values())
    ]
    line = Line2D([], [], color=BLACK, marker="o", markersize=2.5, label="sum")
    figure, above = stage(WIDTH, 0.6 + 1.45 * len(names), [*handles, line], columns=6)
    panels = above.subplots(len(names), len(there), sharey="row", squeeze=False)
    for row, area in zip(panels, names[::-1], strict=True):
        for panel, name in zip(row, there, strict=True):
            stacked(stacks[area].sel(condition=name), ax=panel)
            time_axis(panel, recording, named=area == names[0])
        row[0].set_ylabel(f"{area}\n{meaning(here, area)}")
    for panel, name in zip(panels[0], there, strict=True):
        panel.set_title(name)
    title(figure, recording, "Drive by kind of projection", shown_image(recording, image))
    return figure


def delivers(drive: xr.DataArray, kind: str) -> bool:
    """Whether a kind of projection contributes anything to a drive."""
    return kind in drive["kind"] and bool((drive.sel(kind=kind) != 0).any())


def stacked(drive: xr.DataArray, *, ax: Axes) -> None:
    """Bars of a drive (kind, time), stacked by sign, and the line of their sum."""
    time = drive["time"].to_numpy()
    above, below = np.zeros(len(time)), np.zeros(len(time))
    for kind, (colour, hatch) in PARTS.items():
        if kind not in drive["kind"]:
            continue
        part: Floats = drive.sel(kind=kind).to_numpy().astype(float)
        start = np.where(part > 0, above, below)
        ax.bar(
            time, part, BAR, bottom=start, color=colour, hatch=hatch, edgecolor="white",
            linewidth=0,
        )  # fmt: skip
        above, below = above + np.maximum(part, 0), below + np.minimum(part, 0)
    ax.plot(time, drive.sum("kind"), color=BLACK, marker="o", markersize=2.5, zorder=3)
    ax.axhline(0, color=BLACK, linewidth=0.7)
    ax.use_sticky_edges = False
    ax.margins(y=0.08)


def by_kind(here: xr.Dataset, area: str) -> xr.DataArray:
    """An area's drive at one image, (condition, kind, time): mean of cells, or votes."""
    unit = f"{area}.unit"
    drive = here[f"{area}.drive_by_kind"]
    if is_output(here, area):
        label, rival = rivals(here)
        return drive.isel({unit: label}) - drive.isel({unit: rival})
    active = (here[f"{area}.output"] != 0).any(["condition", "time"])
    chosen = active.to_numpy() if bool(active.any()) else np.ones(drive.sizes[unit], bool)
    return drive.isel({unit: chosen}).mean(unit)


def is_output(here: xr.Dataset, area: str) -> bool:
    """Whether the area's units stand for the classes of a known label."""
    return "label" in here.coords and f"{area}.potential" in here and area == decisive(here)


def rivals(here: xr.Dataset) -> tuple[int, int]:
    """The label, and the class of the largest other logit under the last perturbed condition."""
    name = "adversarial" if "adversarial" in conditions(here) else conditions(here)[-1]
    logits = under(here, name)["logits"].to_numpy().copy()
    label = int(here["label"])
    logits[label] = -np.inf
    return label, int(logits.argmax())


def meaning(here: xr.Dataset, area: str) -> str:
    """What is drawn of an area."""
    if not is_output(here, area):
        return "mean drive of\nactive cells"
    label, rival = rivals(here)
    return f"drive of {label}\nminus that of {rival}"
