"""What the loop through time asks of a wiring at every step, looked up once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from networks import Convolution, OneToOne, Projection, Wiring
from networks.area import Area
from sim.parameters import bias_name, weight_name
from sim.whole.grids import FIRST, Grids, Order


class Link(NamedTuple):
    """A projection: its source, its delay, the name of its weights.

    ``is_diagonal``: it has one weight for each unit, not one for each pair; ``grids``: it is a
    convolution.
    """

    source: str
    delay: int
    weight: str
    is_input: bool
    is_diagonal: bool
    grids: Grids | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """What the loop asks of a wiring at every step.

    ``areas`` are those with units of their own, ``into`` the projections that end in each,
    ``since`` the first step at which each may differ from image to image, ``last`` the last step
    at which it still has an effect on the answer, ``names`` those of all parameters, ``biases``
    those of the areas' biases, ``longest`` the longest delay. ``output`` is read at the steps
    ``answers`` of ``steps``. In tables the units of grids stand in that ``order``.
    """

    areas: tuple[Area, ...]
    into: Mapping[str, tuple[Link, ...]]
    since: Mapping[str, int]
    last: Mapping[str, int]
    names: tuple[str, ...]
    biases: Mapping[str, str]
    longest: int
    input: Area
    output: str
    steps: int
    answers: range
    order: Order

    def has_grids(self) -> bool:
        """Whether units of some areas, the input aside, lie on a grid."""
        return any(area.is_grid for area in self.areas)

    def arrivals(self, area: Area) -> list[int]:
        """Step 0, and those from which on more of an input that stays arrives at the area."""
        return sorted({0, *(link.delay for link in self.into[area.name] if link.is_input)})

    def at(self, t: int) -> list[Area]:
        """The areas whose potential at step t the answer depends on."""
        return [area for area in self.areas if t <= self.last[area.name]]


@cache
def plan_of(wiring: Wiring, order: Order = FIRST) -> Plan:
    """The plan of a wiring whose grids stand in tables in that order."""
    areas = tuple(area for area in wiring.areas if area != wiring.input)
    biases = {area.name: bias_name(area.name) for area in areas}
    return Plan(
        areas,
        {a.name: tuple(_link(wiring, p, order) for p in wiring.into(a.name)) for a in areas},
        first_steps(wiring),
        last_steps(wiring),
        (*map(weight_name, wiring.projections), *biases.values()),
        biases,
        max(p.delay for p in wiring.projections),
        wiring.input,
        wiring.output,
        wiring.steps,
        wiring.answers,
        order,
    )


def _link(wiring: Wiring, p: Projection, order: Order) -> Link:
    pattern, grids = p.pattern, None
    if isinstance(pattern, Convolution):
        grids = Grids(pattern, wiring.area(p.source), wiring.area(p.target), order)
    is_diagonal, is_input = isinstance(pattern, OneToOne), p.source == wiring.input.name
    return Link(p.source, p.delay, weight_name(p), is_input, is_diagonal, grids)


def first_steps(wiring: Wiring) -> dict[str, int]:
    """The first step at which the input can have reached each area; ``steps`` where it cannot."""
    first = {area.name: wiring.steps for area in wiring.areas} | {wiring.input.name: 0}
    for _ in wiring.areas:  # no path without a loop is longer
        for p in wiring.projections:
            first[p.target] = min(first[p.target], first[p.source] + p.delay)
    return first


def last_steps(wiring: Wiring) -> dict[str, int]:
    """The last step at which what each area does can still reach the answer; -1 where none can."""
    last = {area.name: -1 for area in wiring.areas} | {wiring.output: wiring.answers[-1]}
    for _ in wiring.areas:  # no path without a loop is longer
        for p in wiring.projections:
            last[p.source] = max(last[p.source], last[p.target] - p.delay)
    return last


def is_flat(wiring: Wiring) -> bool:
    """Whether no area lies on a grid, the input aside: nothing is convolved."""
    return not plan_of(wiring).has_grids()
