"""Membranes or rates of single cells, of two recordings over each other, and their difference."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.recordings import (
    Floats,
    activity,
    answered,
    at_image,
    check_alike,
    condition_names,
    image_name,
    pair_names,
    place,
    same_sampling,
    simulator,
    spikes_of,
    time_axis,
    title,
)
from figures.style import BLACK, GREY, ORANGE, PURPLE, VERMILLION, WIDTH, stage, styled
from networks.errors import BlindspotsError, unknown

MOST = 4  # panels side by side
FEW = 60  # samples: more of them are drawn without markers
SOLID: dict[str, Any] = {"color": BLACK, "linewidth": 1.3, "marker": "o", "markersize": 3.2}
DASHED: dict[str, Any] = {
    "color": ORANGE, "linewidth": 1.2, "linestyle": (0, (2.2, 1.6)), "marker": "o",
    "markersize": 1.6,
}  # fmt: skip
PERTURBED: dict[str, Any] = {**DASHED, "color": VERMILLION}  # as in all figures of conditions


@styled
def traces(
    recording: xr.Dataset,
    other: xr.Dataset | None = None,
    *,
    image: int = 0,
    units: Mapping[str, Sequence[int]] | None = None,
) -> Figure:
    """Membranes of a few cells over time with their threshold, before the reset; spikes above.

    Of rate units it is what they emit. With a second recording its lines lie dashed over the
    first, and below is the difference, second minus first, if both are sampled at the same times.

    Args:
        recording: what was recorded of a run, with potentials and outputs of spiking areas, or
            with outputs of rate units.
        other: the same network on another simulator, or under another condition.
        image: position of the image in the recordings.
        units: cells by area, at most four in all; default of each area that spikes (or of all
            but the input where none does) the busiest cell and the one that is least active, but
            is. Of two conditions, the cell whose output rises most and the one whose falls most.

    Raises:
        BlindspotsError: no spikes, cells or image of that kind, or recordings that do not match.
    """
    names = traced_areas(recording, None if units is None else list(units))
    if other is not None:
        check_alike(recording, other, names)
    here = at_image(recording, image)
    drawn = [(here, SOLID)]
    if other is not None:
        drawn.append((at_image(other, image), look_of_second(recording, other)))
    cells = chosen([each for each, _ in drawn], names, units)
    unit_of = unit_name([each for each, _ in drawn], cells[0][0])
    compared = other is not None and same_sampling(recording, other)
    spike = any(quantity(here, area) == "potential" for area, _ in cells)
    handles = legend(recording, other, spike)
    figure, above = stage(WIDTH, 3.3 if compared else 2.3, handles, columns=4)
    panels = above.subplots(
        1 + compared, len(cells), sharex=True, squeeze=False,
        height_ratios=[1.9, 1][: 1 + compared],
    )  # fmt: skip
    for column, (area, unit) in enumerate(cells):
        upper, lower = panels[0, column], panels[-1, column]
        for at, (each, look) in enumerate(drawn):
            membrane(upper, each, area, unit, look, level=at)
        for level, colour in thresholds(drawn, area, unit).items():
            upper.axhline(level, color=colour, linewidth=0.9, linestyle=":", zorder=1)
        upper.set_title(f"{area}, cell {unit}")
        if compared:
            values = [traced(each, area)[:, unit] for each, _ in drawn]
            difference(lower, recording["time"].to_numpy(), values[1] - values[0], unit_of)
        for panel in panels[:, column]:
            time_axis(panel, *(each for each, _ in drawn), named=panel is lower)
        room(upper)
    axis = f"membrane ({unit_of})" if unit_of else "membrane u"
    for panel, area in ((panels[0, at], cells[at][0]) for at in range(len(cells))):
        named = axis if quantity(here, area) == "potential" else "rate"
        if panel is panels[0, 0] or named != panels[0, 0].get_ylabel():
            panel.set_ylabel(named)
    if other is not None and compared:
        panels[1, 0].set_ylabel("difference,\n" + subtraction(*pair_names(recording, other)))
    what = "Membranes" if quantity(here, names[0]) == "potential" else "Rates"
    name = image_name(here, image)
    if other is not None and condition_names(recording, other) and "logits" in here:
        said = answered(dict(zip(pair_names(recording, other), (d for d, _ in drawn), strict=True)))
        name = f"{image_name(here.drop_vars('logits'), image)}; {said}"
    title(figure, recording, f"{what} on {place(recording, other)}", name)
    return figure


def traced_areas(recording: xr.Dataset, areas: Sequence[str] | None) -> list[str]:
    """The chosen areas; default those that spike, or where none does all of rate units.

    Raises:
        BlindspotsError: none was recorded, or not a chosen one.
    """
    models = {
        str(name).removesuffix(".output"): array.attrs.get("unit_model")
        for name, array in recording.items() if str(name).endswith(".output")
    }  # fmt: skip
    known = [name for name, model in models.items() if model in ("lif", "rate")]
    if not known:
        raise BlindspotsError("The recording holds no area's activity; record the output.")
    for name in areas or ():
        if name not in known:
            raise unknown("recorded area", name, known)
    spiking = [name for name in known if models[name] == "lif"]
    inner = [name for name in known if name != recording.attrs.get("input")]
    return (spiking or inner or known) if areas is None else list(areas)


def quantity(here: xr.Dataset, area: str) -> str:
    """What is drawn of an area: the membranes of spiking cells, what rate units emit."""
    spikes = here[f"{area}.output"].attrs.get("unit_model") == "lif"
    return "potential" if spikes else "output"


def traced(here: xr.Dataset, area: str) -> Floats:
    """Membranes or rates of an area at one image, (time, unit)."""
    return activity(here, area, quantity(here, area))


def unit_name(drawn: Sequence[xr.Dataset], area: str) -> str:
    """The unit of an area's membranes, or nothing where they are dimensionless.

    Raises:
        BlindspotsError: it is not the same in all recordings.
    """
    for each in drawn:
        traced(each, area)
    name = f"{area}.{quantity(drawn[0], area)}"
    units = [str(each[name].attrs.get("units", "1")) for each in drawn]
    if len(set(units)) > 1:
        raise BlindspotsError(
            f"The recordings do not match: membranes are in {units[0]} and in {units[1]} (1: no "
            "unit); give both in one unit."
        )
    return "" if units[0] == "1" else units[0]


def chosen(
    drawn: Sequence[xr.Dataset], names: Sequence[str], units: Mapping[str, Sequence[int]] | None
) -> list[tuple[str, int]]:
    """(area, unit) of the cells to draw."""
    here = drawn[0]
    if units is None:
        compared = len(drawn) > 1 and condition_names(*drawn)
        outputs = {name: [activity(each, name, "output") for each in drawn] for name in names}
        pairs = [
            (name, unit)
            for name, each in outputs.items()
            for unit in (compared and telling(*each)) or typical(each[0])
        ]
        return pairs[:MOST]
    for name, wanted in units.items():
        size = activity(here, name, "output").shape[1]
        if bad := [unit for unit in wanted if not 0 <= unit < size]:
            raise BlindspotsError(
                f"There is no cell {bad[0]} in '{name}'; choose from 0 to {size - 1}."
            )
    pairs = [(name, unit) for name, wanted in units.items() for unit in wanted]
    if not 1 <= len(pairs) <= MOST:
        raise BlindspotsError(f"{len(pairs)} cells were chosen; choose from 1 to {MOST}.")
    return pairs


def typical(outputs: Floats) -> list[int]:
    """The busiest cell of (time, unit), and the least active among those that are active."""
    counts = outputs.sum(0)
    busiest = int(counts.argmax())
    others = [int(cell) for cell in np.flatnonzero(counts) if cell != busiest]
    return [busiest, *sorted(others, key=lambda cell: counts[cell])[:1]]


def telling(first: Floats, second: Floats) -> list[int]:
    """The cells of (time, unit) whose mean rises and falls most from first to second, if any do."""
    change = second.mean(0) - first.mean(0)
    ends = (int(change.argmax()), int(change.argmin()))
    return [cell for cell, up in zip(ends, (1, -1), strict=True) if up * change[cell] > 0]


def look_of_second(recording: xr.Dataset, other: xr.Dataset) -> dict[str, Any]:
    """How the second recording's lines look: of another condition, or of another simulator."""
    return PERTURBED if condition_names(recording, other) else DASHED


def legend(recording: xr.Dataset, other: xr.Dataset | None, spike: bool) -> list[Line2D]:
    """What the lines are, and the marks of cells that spike."""
    first, second = (simulator(recording), "") if other is None else pair_names(recording, other)
    lines = [Line2D([], [], label=first, **look_of(recording, SOLID))]
    if other is not None:
        lines.append(
            Line2D([], [], label=second, **look_of(other, look_of_second(recording, other)))
        )
    if not spike:
        return lines
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
    values = traced(here, area)[:, unit]
    panel.plot(time, values, zorder=2 + level, clip_on=False, **look_of(here, look))
    if quantity(here, area) != "potential":
        return
    fired = time[spikes_of(here, area)[:, unit]]
    height = 0.96 - 0.07 * level
    panel.plot(
        fired, np.full(len(fired), height), "|", color=look["color"], markersize=5.5, mew=1.4,
        transform=panel.get_xaxis_transform(),
    )  # fmt: skip


def thresholds(
    drawn: Sequence[tuple[xr.Dataset, Mapping[str, Any]]], area: str, unit: int
) -> dict[float, str]:
    """Levels that a membrane must exceed to spike, each with its colour.

    That of the area in grey; a cell's own (`AREA.threshold`), where cells differ, in its look's.
    """
    levels: dict[float, str] = {}
    for here, look in drawn:
        if f"{area}.threshold" in here:
            levels[float(here[f"{area}.threshold"][unit])] = look["color"]
        elif "threshold" in (said := here[f"{area}.{quantity(here, area)}"].attrs):
            levels[float(said["threshold"])] = GREY
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
