"""Units of work that serve a population at once, where a GPU would be left idle by one of it."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar

from experiments.bench import Bench
from experiments.store import fresh_unit, key_of
from experiments.units import Report, Unit, is_complete
from networks.errors import BlindspotsError

MOST = 64  # units of one; how many fit into memory shows when they run


class Stacked(Unit, Protocol):
    """A unit for one individual, which can be done along one tensor axis with those for others.

    It is a dataclass. Alone it goes the same way where ``is_stacked``, or a key would stand for
    numbers of two.
    """

    @property
    def bench(self) -> Bench:
        """What it is worked on with."""

    @property
    def together(self) -> Unit | None:
        """What does it among others, if anything; it says nothing of the outcome."""

    @property
    def is_stacked(self) -> bool:
        """Whether it is done along an axis of individuals, be there one or many."""

    @staticmethod
    def run_all(units: Sequence[Any], report: Report) -> None:
        """Do units of this kind, which differ in nothing but the individual, at once.

        One of many that cannot be done is left out, or all are, for a BlindspotsError.
        """


@dataclass(frozen=True)
class Together:
    """Units that differ in nothing but the individual, done along one tensor axis.

    Each is left where it would be had it been done alone, on the same axis. One that cannot be done
    is left out: alone, it says why.
    """

    product: ClassVar[str] = "keys.json"
    units: tuple[Stacked, ...]

    @property
    def stage(self) -> str:
        """That of its units, done together."""
        return f"{self.units[0].stage}-together"

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.units[0].label} and {len(self.units) - 1} more"

    @cached_property
    def key(self) -> str:
        """Of all units."""
        return key_of(together=[each.key for each in self.units])

    @property
    def bench(self) -> Bench:
        """That of all units."""
        return self.units[0].bench

    @property
    def needs(self) -> tuple[Unit, ...]:
        """What the units need besides."""
        needed = {need.key: need for unit in self.units for need in unit.needs}
        return tuple(needed.values())

    def run(self, report: Report) -> None:
        """Do those that can be and are not done yet, as many at a time as memory holds."""
        lacking = [each for each in self.units if not is_complete(each)]
        _run(tuple(each for each in lacking if all(map(is_complete, each.needs))), report)
        with fresh_unit(self.stage, self.key) as directory:
            done = [each.key for each in self.units if is_complete(each)]
            (directory / self.product).write_text(json.dumps(done))


def _run(units: tuple[Stacked, ...], report: Report) -> None:
    import torch

    if not units:
        return
    try:
        units[0].run_all(units, report)
        return
    except BlindspotsError:
        return  # each says so alone
    except torch.OutOfMemoryError:
        if len(units) == 1:
            raise
    half = len(units) // 2  # outside of the handler, which keeps hold of what filled the memory
    _run(units[:half], lambda done, score: report(done / 2, score))
    _run(units[half:], lambda done, score: report((1 + done) / 2, score))


Place = TypeVar("Place", bound=Hashable)
Kind = TypeVar("Kind", bound=Stacked)


def together(units: Mapping[Place, Kind], shared: Callable[[Place], Hashable]) -> dict[Place, Kind]:
    """The same units; those whose places have as much in common are done together if they can be.

    ``shared`` says of a place all but the individual.
    """
    groups = defaultdict[Hashable, list[Place]](list)
    for place, unit in units.items():
        if unit.is_stacked:
            groups[shared(place)].append(place)
    found = dict(units)
    for places in groups.values():
        for first in range(0, len(places), MOST):
            some = places[first : first + MOST]
            if len(some) > 1:
                both = Together(tuple(units[place] for place in some))
                found |= {place: replace(units[place], together=both) for place in some}  # type: ignore[type-var]
    return found
