"""What the loop through time asks of a wiring at every step, looked up once."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from networks import Convolution, Projection, Wiring
from networks.area import Area
from sim.parameters import bias_name, weight_name


class Plan(NamedTuple):
    """What the loop asks of a wiring at every step.

    ``areas`` are those with units of their own, ``named`` the same by name, ``into`` the
    projections that end in each, ``last`` the last step at which each still has an effect on the
    answer, ``names`` those of all parameters, ``longest`` the longest delay.
    """

    areas: tuple[Area, ...]
    named: Mapping[str, Area]
    into: Mapping[str, tuple[Projection, ...]]
    last: Mapping[str, int]
    names: tuple[str, ...]
    longest: int

    def at(self, t: int) -> list[Area]:
        """The areas whose potential at step t the answer depends on."""
        return [area for area in self.areas if t <= self.last[area.name]]


@cache
def plan_of(wiring: Wiring) -> Plan:
    """The plan of a wiring."""
    areas = tuple(area for area in wiring.areas if area != wiring.input)
    return Plan(
        areas,
        {area.name: area for area in areas},
        {area.name: wiring.into(area.name) for area in areas},
        last_steps(wiring),
        (*map(weight_name, wiring.projections), *(bias_name(area.name) for area in areas)),
        max(p.delay for p in wiring.projections),
    )


def last_steps(wiring: Wiring) -> dict[str, int]:
    """The last step at which what each area does can still reach the answer; -1 where none can."""
    last = {area.name: -1 for area in wiring.areas} | {wiring.output: wiring.answers[-1]}
    for _ in wiring.areas:  # no shortest path is longer
        for p in wiring.projections:
            last[p.source] = max(last[p.source], last[p.target] - p.delay)
    return last


@cache
def is_flat(wiring: Wiring) -> bool:
    """Whether areas are vectors, and projections matrices or one weight for each unit."""
    areas = (area for area in wiring.areas if area != wiring.input)
    return not any(area.is_grid for area in areas) and not any(
        isinstance(p.pattern, Convolution) for p in wiring.projections
    )
