"""Streams as models without eyes see them, and what these answer: which target, and when."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Items:
    """n trials; arrays are (n, items).

    Attributes:
        target: 0 for the first target that is asked for, 1 for the second, and so on; -1 for
            distractors and blanks.
        blank: where nothing is shown.
        strength: of the items, as factors.
        soa_ms: from one item to the next.
    """

    target: Ints
    blank: Bools
    strength: Floats
    soa_ms: float

    @property
    def targets(self) -> int:
        """The most targets that a trial has, or 2: an observer is ready for two in any case."""
        return max(2, int(self.target.max(initial=-1)) + 1)

    def shows(self, item: int, units: int) -> Floats:
        """(n, units + 1): the strength of that item at its target's unit, or at the last one."""
        unit = np.where(self.target[:, item] >= 0, self.target[:, item], units)
        here = (unit[:, None] == np.arange(units + 1)) & ~self.blank[:, item, None]
        return here * self.strength[:, item, None]


@dataclass(frozen=True)
class Answers:
    """What is reported: targets (n, slots) in the order of their times, then -1; ms or NaN."""

    target: Ints
    when_ms: Floats


def ordered(when_ms: Floats) -> Answers:
    """The answers of ``when_ms`` (n, targets), when each entered memory; infinity where never."""
    order = when_ms.argsort(1, kind="stable")
    when = np.take_along_axis(when_ms, order, 1)
    return Answers(
        np.where(np.isfinite(when), order, -1), np.where(np.isfinite(when), when, np.nan)
    )
