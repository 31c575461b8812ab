"""Membranes of single cells, two simulators over each other, and their difference."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.recordings import (
    Floats,
    activity,
    at_image,
    check_alike,
    image_name,
    pair_names,
    same_sampling,
    simulator,
    spikes_of,
    spiking_areas,
    time_axis,
    title,
)
from figures.style import BLACK, GREY, ORANGE, PURPLE, WIDTH, stage, styled
from networks.errors import BlindspotsError

MOST = 4  # panels side by side
FEW = 60  # samples: more of them are drawn without markers
SOLID: dict[str, Any] = {"color": BLACK, "linewidth": 1.3, "marker": "o", "markersize": 3.2}
DASHED: dict[str, Any] = {
    "color": ORANGE, "linewidth": 1.2, "linestyle": (0, (2.2, 1.6)), "marker": "o",
    "markersize": 1.6,
}  # fmt: skip


@styled
def traces(
    recording: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    image: int = 0,
    units: Mapping[str, Sequence[int]] | None = None,
) -> Figure:
    """Membranes of a few cells over time with their threshold, before the reset; spikes above.

    With a second recording its membranes lie dashed over the first, and below is the difference,
    second minus first, if both are sampled at the same times.

    Args:
        recording: what was recorded of a run, with potentials and outputs of spiking areas.
        other: the same network and images on another simulator.
        image: position of the image in the recordings.
        units: cells by area, at most four in all; default of each area the busiest cell and the
            one that spikes least often, but does.

    Raises:
        BlindspotsError: no spikes, cells or image of that kind, or recordings that do not match.
    """
    names = spiking_areas(recording, None if units is None else list(units))
    if other is not None:
        check_alike(recording, other, names)
    here = at_image(recording, image)
    cells = chosen(here, names, units)
    drawn = [(here, SOLID)] + ([] if other is None else [(at_image(other, image), DASHED)])
    unit_of = unit_name([each for each, _ in drawn], cells[0][0])
    compared = other is not None and same_sampling(recording, other)
    figure, above = stage(WIDTH, 3.3 if compared else 2.3, legend(recording, other), columns=4)
    panels = above.subplots(
        1 + compared, len(cells), sharex=True, squeeze=False,
        height_ratios=[1.9, 1][: 1 + compared],
    )  # fmt: skip
    for column, (area, unit) in enumerate(cells):
        upper, lower = panels[0, column], panels[-1, column]
        for at, (each, look) in enumerate(drawn):
            membrane(upper, each, area, unit, look, level=at)
        for level, colour in thresholds([each for each, _ in drawn], area, unit).items():
            upper.axhline(level, color=colour, linewidth=0.9, linestyle=":", zorder=1)
        upper.set_title(f"{area}, cell {unit}")
        if compared:
            values = [activity(each, area, "potential")[:, unit] for each, _ in drawn]
            difference(lower, recording["time"].to_numpy(), values[1] - values[0], unit_of)
        for panel in panels[:, column]:
            time_axis(panel, *(each for each, _ in drawn), named=panel is lower)
        room(upper)
    panels[0, 0].set_ylabel(f"membrane ({unit_of})" if unit_of else "membrane u")
    if other is not None and compared:
        panels[1, 0].set_ylabel("difference,\n" + subtraction(*pair_names(recording, other)))
    where = simulator(recording) if other is None else " and ".join(pair_names(recording, other))
    title(figure, recording, f"Membranes on {where}", image_name(here, image))
    return figure


def unit_name(drawn: Sequence[xr.Dataset], area: str) -> str:
    """The unit of an area's membranes, or nothing where they are dimensionless.

    Raises:
        BlindspotsError: it is not the same in all recordings.
    """
    for each in drawn:
        activity(each, area, "potential")
    units = [str(each[f"{area}.potential"].attrs.get("units", "1")) for each in drawn]
    if len(set(units)) > 1:
        raise BlindspotsError(
            f"The recordings do not match: membranes are in {units[0]} and in {units[1]} (1: no "
            "unit); give both in one unit."
        )
    return "" if units[0] == "1" else units[0]


def chosen(
    here: xr.Dataset, names: Sequence[str], units: Mapping[str, Sequence[int]] | None
) -> list[tuple[str, int]]:
    """(area, unit) of the cells to draw."""
    if units is None:
        pairs = [(name, unit) for name in names for unit in typical(spikes_of(here, name))]
        return pairs[:MOST]
    for name, wanted in units.items():
        size = spikes_of(here, name).shape[1]
        if bad := [unit for unit in wanted if not 0 <= unit < size]:
            raise BlindspotsError(
                f"There is no cell {bad[0]} in '{name}'; choose from 0 to {size - 1}."
            )
    pairs = [(name, unit) for name, wanted in units.items() for unit in wanted]
    if not 1 <= len(pairs) <= MOST:
        raise BlindspotsError(f"{len(pairs)} cells were chosen; choose from 1 to {MOST}.")
    return pairs


def typical(spikes: npt.NDArray[np.bool_]) -> list[int]:
    """The busiest cell, and the one that spikes least often among those that spike."""
    counts = spikes.sum(0)
    busiest = int(counts.argmax())
    others = [int(cell) for cell in np.flatnonzero(counts) if cell != busiest]
    return [busiest, *sorted(others, key=lambda cell: counts[cell])[:1]]


def legend(recording: xr.Dataset, other: xr.Dataset | None) -> list[Line2D]:
    """What the lines are."""
    first, second = (simulator(recording), "") if other is None else pair_names(recording, other)
    lines = [Line2D([], [], label=first, **look_of(recording, SOLID))]
    if other is not None:
        lines.append(Line2D([], [], label=second, **look_of(other, DASHED)))
    return [
        *lines,
        Line2D([], [], color=GREY, linestyle=":", label="threshold"),
        Line2D([], [], color=GREY, marker="|", ls="", markersize=7, mew=1.4, label="spike"),
    ]


def look_of(recording: xr.Dataset, look: Mapping[str, Any]) -> dict[str, Any]:
    """The look, without markers where they would touch each other."""
    return {**look, "marker": look["marker"] if recording.sizes["time"] <= FEW else ""}


def membrane(
    panel: Axes, here: xr.Dataset, area: str, unit: int, look: Mapping[str, Any], level: int
) -> None:
    """One cell of one recording; its spikes are ticks above the panel's lines."""
    time = here["time"].to_numpy()
    values = activity(here, area, "potential")[:, unit]
    panel.plot(time, values, zorder=2 + level, clip_on=False, **look_of(here, look))
    fired = time[spikes_of(here, area)[:, unit]]
    height = 0.96 - 0.07 * level
    panel.plot(
        fired, np.full(len(fired), height), "|", color=look["color"], markersize=5.5, mew=1.4,
        transform=panel.get_xaxis_transform(),
    )  # fmt: skip


def thresholds(drawn: Sequence[xr.Dataset], area: str, unit: int) -> dict[float, str]:
    """Levels that a membrane must exceed to spike, each with its colour.

    That of the area in grey; a cell's own (`AREA.threshold`), where cells differ, in its look's.
    """
    levels: dict[float, str] = {}
    for here, look in zip(drawn, (SOLID, DASHED), strict=False):
        if f"{area}.threshold" in here:
            levels[float(here[f"{area}.threshold"][unit])] = look["color"]
        elif "threshold" in here[f"{area}.potential"].attrs:
            levels[float(here[f"{area}.potential"].attrs["threshold"])] = GREY
    return levels


def subtraction(first: str, second: str) -> str:
    """What is taken from what, in few letters."""
    said = f"{second} − {first}"
    return said if len(said) < 20 else "second − first"


def difference(panel: Axes, time: Floats, values: Floats, unit: str) -> None:
    """Second minus first, and the largest of it in words."""
    panel.axhline(0, color=GREY, linewidth=0.7)
    marker = "o" if len(time) <= FEW else ""
    panel.plot(time, values, color=PURPLE, linewidth=1, marker=marker, markersize=2.2)
    most = float(np.abs(values).max())
    largest = f"{most:.3g}" if most >= 0.01 else f"{most:.1e}"
    said = "equal in every bit" if most == 0 else f"at most {largest} {unit}".strip()
    panel.annotate(said, (0.98, 0.97), xycoords="axes fraction", ha="right", va="top", fontsize=6.5)
    panel.margins(y=0.45)
    if most == 0:
        panel.set_yticks([0])


def room(panel: Axes) -> None:
    """Space above the lines for the ticks of spikes."""
    low, high = panel.get_ylim()
    panel.set_ylim(low, high + 0.2 * (high - low))
