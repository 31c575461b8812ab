"""Get units of work done, in the order that their needs demand, by whoever is there to do them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from typing import Any

from experiments.cluster import workers_of
from experiments.crash import raise_crashes
from experiments.crew import Crew, Heard, Refused, wants_gpu
from experiments.processes import processes
from experiments.units import Unit, is_complete
from experiments.workers import Cluster, Workers
from networks.errors import BlindspotsError

Event = dict[str, Any]
STAGES = {  # in their order
    "train-together": "training populations",
    "train": "training individuals",
    "teach": "teaching sensory networks",
    "rehearse": "training end to end",
    "titrate": "setting noise",
    "show": "showing streams",
    "film": "filming single trials",
    "in-cells": "watching gate and memory in cells",
    "provoke": "attacking frames of streams",
    "induce": "crafting universal distractors",
    "judge": "showing attacked streams",
    "embody": "calibrating cells",
    "craft": "crafting inputs",
    "perturb": "crafting universal perturbations",
    "corrupt": "corrupting inputs",
    "score": "scoring everyone",
    "withstand": "attacking by every means",
    "spike-trains": "moving spikes of the input",
    "examine": "watching cells",
    "watch": "watching dynamics",
    "intervene": "intervening",
    "interpret": "asking what units mean",
    "control": "controlling for feedback and time",
    "audit": "auditing accuracies",
}
Tell = Callable[[Event], None]
"""Told what happens: ``what`` is planned, started, progress, done, failed, refused (its worker was
not fit, and another one is to begin it) or spent (nothing that is still to be done needs it)."""


def complete(units: Iterable[Unit], workers: Workers | None, tell: Tell) -> dict[str, str]:
    """Make every unit complete, with all that it needs; units on disk cost nothing.

    Without ``workers`` there are as many processes of this machine as serve it best.

    Returns the failures: unit's key to the sentence that says why. What needs a failed unit is
    not tried and not listed. Raises Crash at the end where a unit failed by what nobody foresaw.
    KeyboardInterrupt stops the workers at once; nothing that was complete is lost.
    """
    waiting = _missing(units)
    for unit in waiting.values():
        tell({"what": "planned", "unit": unit})
    if not waiting:
        return {}
    with _hired(workers, any(map(wants_gpu, waiting.values()))) as crew:
        failures = _drive(waiting, crew, tell)
    raise_crashes(failures.values())
    return {key: str(error) for key, error in failures.items()}


def _hired(workers: Workers | None, on_gpu: bool) -> AbstractContextManager[Crew]:
    return workers_of(workers, on_gpu) if isinstance(workers, Cluster) else processes(workers)


def _missing(units: Iterable[Unit]) -> dict[str, Unit]:
    """Units not on disk, and those that they need; what nobody needs any more is left out."""
    missing: dict[str, Unit] = {}
    stack = list(units)
    while stack:
        unit = stack.pop()
        if unit.key not in missing and not is_complete(unit):
            missing[unit.key] = unit
            stack.extend(unit.needs)
    return dict(sorted(missing.items(), key=lambda item: list(STAGES).index(item[1].stage)))


def _drive(waiting: dict[str, Unit], crew: Crew, tell: Tell) -> dict[str, BlindspotsError]:
    """Keep all workers busy, the latest stage first, so that crafted inputs are soon scored."""
    running: dict[Future[float], Unit] = {}
    blocked, ready, wanted_by = _sorted_by_need(waiting)
    by_kind = {on_gpu: [u for u in ready if wants_gpu(u) == on_gpu] for on_gpu in (False, True)}
    users = Counter(need.key for unit in waiting.values() for need in unit.needs)
    failures: dict[str, BlindspotsError] = {}
    while running or any(by_kind.values()):
        while unit := _next(by_kind, running.values(), crew):
            tell({"what": "started", "unit": unit})
            running[crew.start(unit)] = unit
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        _pass_on(crew.heard(), tell, waiting)
        for future in done:
            unit = running.pop(future)
            try:
                seconds = future.result()
            except BlindspotsError as error:
                failures[unit.key] = error
                tell({"what": "failed", "unit": unit, "why": str(error)})
                continue
            tell({"what": "done", "unit": unit, "seconds": seconds})
            for key in wanted_by.get(unit.key, ()):
                blocked[key].discard(unit.key)
                if not blocked[key]:
                    by_kind[wants_gpu(waiting[key])].append(waiting[key])
            for need in unit.needs:
                users[need.key] -= 1
                if not users[need.key]:
                    tell({"what": "spent", "unit": need})
    return failures


def _next(by_kind: dict[bool, list[Unit]], at_work: Collection[Unit], crew: Crew) -> Unit | None:
    """A unit that there is room for, of the kind that is less at work; no GPU is to wait."""
    on_gpu = sum(map(wants_gpu, at_work))
    gpu_first = on_gpu <= len(at_work) - on_gpu
    for units in (by_kind[gpu_first], by_kind[not gpu_first]):
        if units and crew.has_room(units[-1], at_work):
            return units.pop()
    return None


def _sorted_by_need(
    waiting: dict[str, Unit],
) -> tuple[dict[str, set[str]], list[Unit], dict[str, list[str]]]:
    """What each unit still waits for, the units that wait for nothing, and who waits for whom."""
    blocked = {k: {n.key for n in u.needs if n.key in waiting} for k, u in waiting.items()}
    ready = [waiting[k] for k, needs in reversed(blocked.items()) if not needs]
    wanted_by: dict[str, list[str]] = {}
    for key, needs in blocked.items():
        for need in needs:
            wanted_by.setdefault(need, []).append(key)
    return blocked, ready, wanted_by


def _pass_on(heard: Iterable[Heard | Refused], tell: Tell, waiting: dict[str, Unit]) -> None:
    for each in heard:
        match each:
            case Heard(key, done, score):
                tell({"what": "progress", "unit": waiting[key], "done": done, "accuracy": score})
            case Refused(key, _, why, _):
                tell({"what": "refused", "unit": waiting[key], "why": why})
