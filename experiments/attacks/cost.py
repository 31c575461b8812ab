"""What an attack costs: images shown to a network, and gradients taken through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Cost:
    """How much a network was asked; filled in while `counting` lasts.

    Attributes:
        forward: images shown, with or without a gradient.
        backward: images whose gradient was taken; each was shown as well.
    """

    forward: int = 0
    backward: int = 0


_meters: ContextVar[tuple[Cost, ...]] = ContextVar("meters", default=())


@contextmanager
def counting() -> Iterator[Cost]:
    """Counts what attacks ask inside; where it is nested, the outer count holds the inner one's."""
    cost = Cost()
    token = _meters.set((*_meters.get(), cost))
    try:
        yield cost
    finally:
        _meters.reset(token)


def count(*, forward: int = 0, backward: int = 0) -> None:
    """Adds to every count that lasts."""
    for cost in _meters.get():
        cost.forward += forward
        cost.backward += backward
