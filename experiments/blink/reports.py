"""What an observer answers: the digits that it reports, in the order in which it does."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.blink.streams import DIGITS, Bools, Floats, Ints
from networks.errors import BlindspotsError


def among(identity: Ints, digit: Ints) -> Bools:
    """Whether ``digit`` (n,) is among the reports (n, slots); never where it is -1."""
    return ((identity == digit[:, None]) & (digit >= 0)[:, None]).any(1)


@dataclass(frozen=True)
class Reports:
    """Answers to n trials, with room for ``slots`` digits each.

    Attributes:
        identity: (n, slots), digits in the order of report, then -1 where there are no more.
        when_ms: (n, slots), from the start of the stream to when each entered memory; NaN where
            there is none or it is unknown.
        recordings: what went on inside, where it was kept.

    Raises:
        BlindspotsError: shapes that do not fit, something that is no digit, or a gap.
    """

    identity: Ints
    when_ms: Floats
    recordings: xr.Dataset | None = None

    def __post_init__(self) -> None:
        if self.identity.ndim != 2 or self.identity.shape != self.when_ms.shape:
            raise BlindspotsError(
                f"Reports {self.identity.shape} and times {self.when_ms.shape} must both be "
                "(trials, slots)."
            )
        if self.identity.min(initial=0) < -1 or self.identity.max(initial=0) >= DIGITS:
            raise BlindspotsError("Reports must be digits, or -1 for none.")
        given = self.identity >= 0
        if (given[:, 1:] & ~given[:, :-1]).any():
            raise BlindspotsError(
                "Reports have a digit after a slot without one; put those of -1 last."
            )

    def __len__(self) -> int:
        return len(self.identity)

    @property
    def many(self) -> Ints:
        """Digits reported in each trial, (n,)."""
        return (self.identity >= 0).sum(1)

    def slot_of(self, digit: Ints) -> Ints:
        """The first slot in which ``digit`` (n,) is reported; -1 where it is not, or is -1."""
        same = (self.identity == digit[:, None]) & (digit >= 0)[:, None]
        return np.where(same.any(1), same.argmax(1), -1)
