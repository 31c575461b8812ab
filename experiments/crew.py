"""What gets units of work done has in common, be it processes here or workers elsewhere."""

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import CancelledError, Future
from typing import NamedTuple, Protocol

from experiments.crash import crash_of, too_deadly, traceback_path
from experiments.units import Report, Unit, is_complete
from networks.errors import BlindspotsError


class Abandoned(Exception):
    """Nobody waits for the unit any more; what it has done lies in its checkpoint."""


class Heard(NamedTuple):
    """How far a unit is: its key, the fraction done, and the best validation score so far."""

    key: str
    done: float
    score: float


Name = str | int
"""Of a worker, which no other one of its scheduler has."""


class Refused(NamedTuple):
    """A worker that came late and is not fit left its unit to the others, and went."""

    key: str
    worker: Name
    why: str
    has_gpu: bool


class Crew(Protocol):
    """Workers, each of which does one unit at a time."""

    def has_room(self, unit: Unit, beside: Collection[Unit]) -> bool:
        """Whether to hand over a unit too, beside those that were handed over."""

    def start(self, unit: Unit) -> Future[float]:
        """Hand over a unit whose needs are complete; its seconds, or a BlindspotsError."""

    def heard(self) -> Iterable[Heard | Refused]:
        """What came in since the last call; BlindspotsError where nobody is left who could work."""


def worked(unit: Unit, report: Report) -> float:
    """Do the work of a unit unless it is done; the seconds that it took.

    Raises BlindspotsError where it cannot be done, which is Crash for all that nobody foresaw.
    """
    began = time.monotonic()
    if not is_complete(unit):
        try:
            unit.run(report)
        except (BlindspotsError, Abandoned):
            raise
        except Exception as error:
            raise crash_of(unit, error) from None
        traceback_path(unit).unlink(missing_ok=True)
    return time.monotonic() - began


def retold(
    attempt: Future[float], unit: Unit, deaths: Callable[[BaseException], int]
) -> Future[float]:
    """The seconds of an attempt at a unit, or a BlindspotsError whatever became of it.

    ``deaths`` says of its error how many workers died at the unit; 0 where it is another one.
    """
    seconds: Future[float] = Future()

    def pass_on(attempt: Future[float]) -> None:
        if attempt.cancelled():
            seconds.set_exception(CancelledError())
        elif not (error := attempt.exception()):
            seconds.set_result(attempt.result())
        elif isinstance(error, BlindspotsError):
            seconds.set_exception(error)
        elif workers := deaths(error):
            seconds.set_exception(too_deadly(unit, workers))
        else:  # on the unit's way there or back
            seconds.set_exception(crash_of(unit, error))

    attempt.add_done_callback(pass_on)
    return seconds


def wants_gpu(unit: Unit) -> bool:
    """Whether a unit computes on a GPU, which its bench says; without one it does not."""
    bench = getattr(unit, "bench", None)
    return bench is not None and bench.device == "cuda"
