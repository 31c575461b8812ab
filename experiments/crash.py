"""Units that end by an error that nobody foresaw, or for memory: said in one sentence, and kept."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from experiments.data.cache import cache_dir
from experiments.store import write_text, writing
from experiments.units import Unit
from networks.errors import BlindspotsError

OF_MEMORY = ("out of memory", "allocate memory", "alloc_failed")  # as torch and systems say it


class Crash(BlindspotsError):
    """One unit came to no end that belongs to the experiment; the others are none the worse."""


def crash_of(unit: Unit, error: BaseException) -> Crash:
    """What is to be said of an error in ``unit``; the traceback goes to :func:`traceback_path`."""
    what = f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
    said = f"failed with {what}"
    if is_of_memory(error):
        said = f"ran out of memory ({what}); lower the batch of its training, or --workers"
    return Crash(f"{unit.label} {said}. {_kept(unit, error)}")


def is_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a GPU's or the machine's."""
    return isinstance(error, MemoryError) or any(each in str(error).lower() for each in OF_MEMORY)


def too_deadly(unit: Unit, workers: int) -> Crash:
    """What is to be said of a unit at which so many workers died, which leave no traceback."""
    died = "its worker" if workers == 1 else f"{workers} workers"
    return Crash(
        f"{unit.label} was given up after {died} died at it, most likely for memory; free some, or "
        "have fewer workers at a time (--workers)."
    )


def traceback_path(unit: Unit) -> Path:
    """Where the traceback of a unit lies until the unit is complete."""
    return cache_dir().resolve() / "tracebacks" / f"{unit.stage}-{unit.key}.txt"


def raise_crashes(failures: Iterable[BlindspotsError]) -> None:
    """Raise Crash where one is among the failures: the first, and how many there are."""
    crashes = [each for each in failures if isinstance(each, Crash)]
    if crashes:
        others = f" So did {len(crashes) - 1} more, as said above." if crashes[1:] else ""
        raise Crash(
            f"{crashes[0]}{others} All that could be done without is done, and stays; the same "
            "command tries the rest again."
        )


def _kept(unit: Unit, error: BaseException) -> str:
    path = traceback_path(unit)
    try:
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(traceback.format_exception(error)))
    except BlindspotsError as instead:
        return f"Its traceback could not be kept: {instead}"
    return f"Its traceback is in '{path}'."
