"""What one check found, and what all findings together say of a number."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from networks.errors import unknown

Outcome = Literal["pass", "warn", "fail", "not applicable"]
Verdict = Literal["trusted", "suspicious", "void"]
COMPARISON = frozenset({"individuals", "fairness", "corruptions"})
"""Checks of what a number may be compared with; they do not bear on the number itself."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name, see `checks.CHECKS`.
        outcome: whether the number withstood it.
        number: what was measured; NaN where nothing was.
        unit: of the number.
        sentence: what was found, for people.
        overturned: positions of the images that withstood the claimed attack and that this check
            saw fooled within the same budget.

    Raises:
        BlindspotsError: no such outcome.
    """

    check: str
    outcome: Outcome
    number: float
    unit: str
    sentence: str
    overturned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.outcome not in get_args(Outcome):
            raise unknown("outcome", self.outcome, get_args(Outcome))


def outcome(*, failed: bool, doubtful: bool = False) -> Outcome:
    """Of a check with two thresholds, the graver first."""
    return "fail" if failed else "warn" if doubtful else "pass"


def not_applicable(check: str, why: str) -> Finding:
    """The finding of a check that has nothing to look at."""
    return Finding(check, "not applicable", math.nan, "", why)


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Void where a check of the number failed, suspicious where one warns, else trusted.

    Nothing looked at is nothing trusted: without a check that passed, the number is suspicious.
    """
    outcomes = {each.outcome for each in findings if each.check not in COMPARISON}
    if "fail" in outcomes:
        return "void"
    return "trusted" if "pass" in outcomes and "warn" not in outcomes else "suspicious"
