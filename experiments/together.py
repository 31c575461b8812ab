"""Units of work that serve a population at once, where a GPU would be left idle by one of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast

from experiments.bench import Bench
from experiments.crash import is_of_memory
from experiments.store import key_of
from experiments.units import Report, Unit, is_complete
from networks.errors import BlindspotsError

MOST = 64  # units at once; how many fit into memory shows when they run


class Stacked(Unit, Protocol):
    """A unit for one individual that can be done at once with those for others.

    Where it can be, it goes the same way when it is done alone, along an axis of one: its key is
    not to stand for the numbers of two ways.
    """

    @property
    def bench(self) -> Bench:
        """What it is worked on with."""

    @property
    def is_stacked(self) -> bool:
        """Whether it can be."""

    @property
    def anonymous(self) -> Unit:
        """Equal for units that differ in nothing but the individual."""

    @staticmethod
    def run_all(units: Sequence[Any], report: Report) -> None:
        """Do units that are equal but for the individual, and leave each under its key.

        Raises BlindspotsError where one of them spoils it for all, or leaves that one out.
        """


@dataclass(frozen=True)
class Together:
    """Units that differ in nothing but the individual, done along one tensor axis.

    It leaves nothing but theirs, so it is never complete, and found only among what is to be done.
    A unit that cannot be done is left out: alone, it says why.
    """

    product: ClassVar[str] = "none"
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
        """What the units need."""
        needed = {need.key: need for unit in self.units for need in unit.needs}
        return tuple(needed.values())

    def run(self, report: Report) -> None:
        """Do those that can be and are not done yet, as many at a time as memory holds."""
        _run([each for each in self.units if all(map(is_complete, each.needs))], report)


def _run(units: Sequence[Stacked], report: Report) -> None:
    units = [each for each in units if not is_complete(each)]
    if not units:
        return
    try:
        units[0].run_all(units, report)
        return
    except (BlindspotsError, MemoryError, RuntimeError) as error:
        if not (isinstance(error, BlindspotsError) or is_of_memory(error)):
            raise
        if len(units) == 1:
            return
    half = len(units) // 2  # outside of the handler, which keeps hold of what filled the memory
    _run(units[:half], lambda done, score: report(done / 2, score))
    _run(units[half:], lambda done, score: report((1 + done) / 2, score))


def cohorts(units: Iterable[Unit]) -> list[Together]:
    """What serves those of the units that can be done with others among them."""
    found = defaultdict[tuple[str, str], list[Stacked]](list)
    for unit in units:
        if getattr(unit, "is_stacked", False):
            stacked = cast("Stacked", unit)
            found[unit.stage, stacked.anonymous.key].append(stacked)
    parts = (all_[at : at + MOST] for all_ in found.values() for at in range(0, len(all_), MOST))
    return [Together(tuple(part)) for part in parts if len(part) > 1]
