"""A wiring as boxes and arrows, drawn to be checked against its description."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from figures.style import BLACK, GREY, PARTS, styled
from networks import Area, Projection, Wiring

BOX, TALL, GAP = 2.3, 0.56, 0.62  # inches: width and height of a box, space between two
LANE, LOOP = 0.4, 0.3  # inches: between parallel arrows at the side; reach of a lateral loop
MARGIN, SIDE = 0.25, 1.55  # inches: around everything; for the labels of lateral loops
COLOURS = {**{kind: colour for kind, (colour, _) in PARTS.items()}, "feedforward": BLACK}
DASHED = (0, (4, 2))

Neighbours = dict[tuple[str, str], list[Projection]]


@dataclass(frozen=True)
class Side:
    """An arrow beside the boxes: from and to which level, in which lane."""

    projection: Projection
    start: int
    end: int
    lane: int


@styled
def diagram(wiring: Wiring) -> Figure:
    """Areas as boxes from the bottom up, projections as arrows.

    Feedforward arrows run up between neighbours, lateral ones loop at the left, top-down
    (dashed) and skip ones run at the right. Arrows that end in a bar are inhibitory. Labels give
    the pattern and, where it is more than one step, the delay.
    """
    levels = {area.name: at for at, area in enumerate(wiring.areas)}
    straight, beside, lateral = sort(wiring.projections, levels)
    lanes = 1 + max((side.lane for side in beside), default=-1)
    left = SIDE if lateral else 0.0
    width = 2 * MARGIN + left + BOX + LANE * lanes + 0.15 * bool(lanes)
    height = 2 * MARGIN + 0.28 + len(levels) * TALL + (len(levels) - 1) * GAP
    width = max(width, 2.9)
    figure = Figure(figsize=(width, height))
    panel = figure.add_axes((0, 0, 1, 1))
    panel.set(xlim=(-MARGIN - left, width - MARGIN - left), ylim=(-MARGIN, height - MARGIN))
    panel.set_axis_off()
    for area in wiring.areas:
        box(panel, levels[area.name], area)
    upward(panel, straight, levels)
    for name, loops in lateral.items():
        loop(panel, levels[name], loops)
    for side in beside:
        run(panel, side, beside)
    panel.text(BOX / 2, height - MARGIN - 0.15, wiring.name, ha="center", va="top", fontsize=8.5)
    return figure


def sort(
    projections: Iterable[Projection], levels: dict[str, int]
) -> tuple[Neighbours, list[Side], dict[str, list[Projection]]]:
    """Projections between neighbours, beside the boxes (each in a free lane), and onto itself."""
    straight: Neighbours = {}
    lateral: dict[str, list[Projection]] = {}
    others = []
    for each in projections:
        start, end = levels[each.source], levels[each.target]
        if start == end:
            lateral.setdefault(each.source, []).append(each)
        elif end == start + 1 and each.kind in ("feedforward", "skip"):
            straight.setdefault((each.source, each.target), []).append(each)
        else:
            others.append((abs(end - start), start, end, each))
    taken: list[list[tuple[int, int]]] = []
    beside = []
    for _, start, end, each in sorted(others, key=lambda other: other[:3]):
        low, high = min(start, end), max(start, end)
        free = [all(high <= a or b <= low for a, b in lane) for lane in taken]
        lane = free.index(True) if True in free else len(taken)
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        beside.append(Side(each, start, end, lane))
    return straight, beside, lateral


def floor(level: int) -> float:
    """The height of the bottom of a box."""
    return level * (TALL + GAP)


def box(panel: Axes, level: int, area: Area) -> None:
    """One area; thin lines divide it into its modules."""
    y = floor(level)
    panel.add_patch(
        FancyBboxPatch(
            (0, y), BOX, TALL, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="0.95", edgecolor=BLACK, linewidth=0.9,
        )
    )  # fmt: skip
    for at in range(1, area.modules if area.modules <= 16 else 1):
        panel.plot([BOX * at / area.modules] * 2, [y, y + 0.07], color=GREY, linewidth=0.7)
        panel.plot(
            [BOX * at / area.modules] * 2, [y + TALL - 0.07, y + TALL], color=GREY, linewidth=0.7
        )
    middle = y + TALL / 2
    panel.text(BOX / 2, middle + 0.1, area.name, ha="center", va="center", fontweight="bold")
    panel.text(BOX / 2, middle - 0.11, described(area), ha="center", va="center", fontsize=6.5)


def upward(
    panel: Axes, straight: dict[tuple[str, str], list[Projection]], levels: dict[str, int]
) -> None:
    """Arrows between neighbours, side by side where there are several."""
    for (source, target), several in straight.items():
        for at, each in enumerate(several):
            x = BOX * (at + 1) / (len(several) + 1)
            low, high = floor(levels[source]) + TALL, floor(levels[target])
            arrow(panel, [(x, low), (x, high)], each)
            panel.text(
                x + 0.06, (low + high) / 2, label(each), va="center", fontsize=6.5, linespacing=1.2
            )


def loop(panel: Axes, level: int, loops: list[Projection]) -> None:
    """Lateral projections of one area at its left."""
    step = TALL / len(loops)
    for at, each in enumerate(loops):
        low = floor(level) + at * step + 0.2 * step
        high = low + 0.6 * step
        arrow(panel, [(0, high), (-LOOP, high), (-LOOP, low), (0, low)], each)
        panel.text(
            -LOOP - 0.06, (low + high) / 2, label(each), ha="right", va="center", fontsize=6.5
        )


def run(panel: Axes, side: Side, beside: list[Side]) -> None:
    """One arrow at the right, with its label along its lane."""
    x = BOX + LANE * (side.lane + 1)
    start, end = (port(side, level, beside) for level in (side.start, side.end))
    arrow(panel, [(BOX, start), (x, start), (x, end), (BOX, end)], side.projection)
    panel.text(
        x - 0.05, (start + end) / 2, label(side.projection), rotation=90, ha="right", va="center",
        fontsize=6.5, linespacing=1.1, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def port(side: Side, level: int, beside: list[Side]) -> float:
    """The height at which an arrow meets a box, so that no two meet in one point."""
    meeting = [each for each in beside if level in (each.start, each.end)]
    above = [each for each in meeting if max(each.start, each.end) > level]
    below = [each for each in meeting if max(each.start, each.end) == level]
    order = [*sorted(below, key=lambda e: e.lane), *sorted(above, key=lambda e: -e.lane)]
    return floor(level) + TALL * (order.index(side) + 1) / (len(order) + 1)


def arrow(panel: Axes, points: list[tuple[float, float]], projection: Projection) -> None:
    """A line with square corners and a head, or a bar where it inhibits."""
    inhibits = projection.sign == "inhibitory"
    if inhibits:  # the bar stands clear of the box
        (x, y), (before_x, before_y) = points[-1], points[-2]
        clear = 0.04
        points[-1] = (x + clear * np.sign(before_x - x), y + clear * np.sign(before_y - y))
    panel.add_patch(
        FancyArrowPatch(
            path=Path(points),
            arrowstyle="-[,widthB=0.5,lengthB=0" if inhibits else "-|>",
            mutation_scale=7,
            linestyle=DASHED if projection.kind == "top-down" else "-",
            color=COLOURS[projection.kind],
            linewidth=1.1,
            shrinkA=0,
            shrinkB=0,
            joinstyle="round",
        )
    )


def described(area: Area) -> str:
    """Shape, number of units, kind of unit, modules."""
    size = f"{area.size:,} units".replace(",", " ")
    parts = [" × ".join(map(str, area.shape)) + f" = {size}" if area.is_grid else size]
    parts.append(area.unit.label)
    if area.modules > 1:
        parts.append(f"{area.modules} modules")
    return " · ".join(parts)


def label(projection: Projection) -> str:
    """Pattern, and below it what else is said of the projection."""
    first, *rest = projection.pattern.label.split(", ")
    rest += [f"{projection.modules} modules"] if projection.modules != "all" else []
    rest += [projection.sign] if projection.sign else []
    rest += [f"delay {projection.delay}"] if projection.delay > 1 else []
    return f"{first}\n{', '.join(rest)}".rstrip()
