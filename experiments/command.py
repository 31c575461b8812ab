"""What the commands share: a directory that is theirs, units worked on in sight, and a log."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from experiments.progress import Monitor
from experiments.store import unwritable, write_text
from experiments.units import Unit, is_complete
from experiments.work import Tell, complete
from experiments.workers import Workers
from networks.errors import BlindspotsError


def check_unclaimed(out: Path, settings: str) -> None:
    """Raise BlindspotsError where ``out`` holds anything but the run of these settings (TOML)."""
    path = out / "spec.toml"
    if path.exists() and path.read_text() != settings:
        raise BlindspotsError(
            f"'{out}' holds another experiment; choose another directory with --out, or remove it."
        )
    if not path.exists() and out.is_dir() and any(out.iterdir()):
        raise BlindspotsError(
            f"'{out}' holds files that are no experiment's; choose another directory with --out."
        )


def claim(out: Path, settings: str | None = None) -> None:
    """Make the directory ``out``, and write down there the settings (TOML), if there are any."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from None
    if settings is not None:
        write_text(out / "spec.toml", settings)


def attempted(
    units: Iterable[Unit],
    out: Path,
    console: Console,
    *,
    workers: Workers | None,
    also: Tell = lambda event: None,
) -> dict[str, str]:
    """Work on units, with progress on ``console`` and in ``out``/log.jsonl; returns the failures.

    ``workers`` are by default as many as serve this machine best; ``also`` is told of every event
    after the log.
    """
    with Monitor(console, out / "log.jsonl") as monitor:

        def tell(event: dict[str, object]) -> None:
            monitor.tell(event)
            also(event)

        return complete(units, workers, tell)


def require_all(failures: dict[str, str]) -> None:
    """Raise BlindspotsError with the first of the failures, where there is one."""
    for sentence in failures.values():
        raise BlindspotsError(sentence)


def require_some(units: Iterable[Unit], failures: dict[str, str]) -> None:
    """Raise BlindspotsError, with a reason among the failures, where no unit is complete."""
    if not any(is_complete(unit) for unit in units):
        raise BlindspotsError(
            f"Nothing could be measured: {next(iter(failures.values()), 'no unit ended well.')}"
        )
