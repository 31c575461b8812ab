"""What a user sees while units are worked on, and what the log keeps."""

import json
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from experiments.store import unwritable
from experiments.units import Unit
from experiments.work import STAGES, Event

LONG = 10.0  # s; what takes longer is worth a line where nobody sees bars


class Monitor:
    """Shows progress on ``console`` and appends every event to ``log``, one JSON per line."""

    def __init__(self, console: Console, log: Path):
        self.console = console
        self._path = log
        self._stages: dict[str, TaskID] = {}
        self._running: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        try:
            self._log: IO[str] = self._path.open("a")
        except OSError as error:
            raise unwritable(self._path.parent, error) from None
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        with suppress(OSError):  # every line was flushed, or its error told
            self._log.close()

    def tell(self, event: Event) -> None:
        """Show and keep one event of :func:`experiments.work.complete`."""
        unit: Unit = event["unit"]
        what = event["what"]
        if what == "planned":
            if unit.stage not in self._stages:
                self._stages[unit.stage] = self._progress.add_task(
                    STAGES[unit.stage], total=0, note=""
                )
            task = self._task(unit.stage)
            self._progress.update(task, total=self._total(task) + 1)
        elif what == "progress":
            self._show_training(unit, event["done"], event["accuracy"])
        elif what != "spent":
            self._keep(event, unit)
            if what in ("done", "failed"):
                self._end(unit, event)
            elif what == "refused":
                self.console.print(f"[bold]left out[/] {escape(event['why'])}", highlight=False)

    def _task(self, stage: str) -> TaskID:
        return self._stages[stage]

    def _total(self, task: TaskID) -> float:
        return next(t.total or 0 for t in self._progress.tasks if t.id == task)

    def _show_training(self, unit: Unit, done: float, accuracy: float) -> None:
        note = f"validation {100 * accuracy:.1f} %" if accuracy else ""
        if unit.key not in self._running:
            self._running[unit.key] = self._progress.add_task(
                f"  {unit.label}", total=100, note=note
            )
        self._progress.update(self._running[unit.key], completed=round(100 * done), note=note)

    def _end(self, unit: Unit, event: Event) -> None:
        if unit.key in self._running:
            self._progress.remove_task(self._running.pop(unit.key))
        self._progress.advance(self._task(unit.stage))
        if event["what"] == "failed":
            says = escape(f"{unit.label}: {event['why']}")
            self.console.print(f"[bold red]failed[/] {says}", highlight=False)
        elif unit.stage == "train":
            self.console.print(f"trained {unit.label} in {event['seconds']:.0f} s", highlight=False)
        elif event["seconds"] >= LONG and not self.console.is_terminal:  # which shows no bars
            says = f"{STAGES[unit.stage]}: {unit.label} in {event['seconds']:.0f} s"
            self.console.print(escape(says), highlight=False)

    def _keep(self, event: Event, unit: Unit) -> None:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "stage": unit.stage,
            "unit": unit.label,
            "key": unit.key,
            **{k: v for k, v in event.items() if k != "unit"},
        }
        try:
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()
        except OSError as error:
            raise unwritable(self._path.parent, error) from None
