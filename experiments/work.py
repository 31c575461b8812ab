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
from experiments.together import Together, cohorts
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
    "craft-together": "attacking populations",
    "craft": "crafting inputs",
    "perturb": "crafting universal perturbations",
    "corrupt": "corrupting inputs",
    "score-together": "scoring populations",
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
    """Units not on disk, those that they need, and what serves many of them at once.

    What nobody needs any more is left out.
    """
    missing: dict[str, Unit] = {}
    stack = list(units)
    while stack:
        unit = stack.pop()
        if unit.key not in missing and not is_complete(unit):
            missing[unit.key] = unit
            stack.extend(unit.needs)
    missing |= {each.key: each for each in cohorts(missing.values())}
    return dict(sorted(missing.items(), key=lambda item: list(STAGES).index(item[1].stage)))


class _Queue:
    """Units that are to be done, of which some wait for what they need."""

    def __init__(self, units: dict[str, Unit]):
        self.units = units
        self._lacks = {k: {n.key for n in u.needs if n.key in units} for k, u in units.items()}
        for key, unit in units.items():
            for served in unit.units if isinstance(unit, Together) else ():
                self._lacks[served.key].add(key)
        self._users: dict[str, list[str]] = {}
        self._barred = set[str]()
        for key, needs in self._lacks.items():
            for need in needs:
                self._users.setdefault(need, []).append(key)
        self._ready: dict[bool, list[Unit]] = {False: [], True: []}  # by whether they want a GPU
        for key in reversed(self._lacks):
            self._admit(key)

    def __bool__(self) -> bool:
        """Whether any unit need not wait."""
        return any(self._ready.values())

    def next(self, at_work: Collection[Unit], crew: Crew) -> Unit | None:
        """A unit that there is room for, of the kind that is less at work; no GPU is to wait."""
        on_gpu = sum(map(wants_gpu, at_work))
        gpu_first = on_gpu <= len(at_work) - on_gpu
        for units in (self._ready[gpu_first], self._ready[not gpu_first]):
            if units and crew.has_room(units[-1], at_work):
                return units.pop()
        return None

    def done(self, key: str) -> None:
        """Nothing waits for that unit any more."""
        for user in self._users.get(key, ()):
            self._spare(user, key)

    def failed(self, key: str) -> None:
        """What needs that unit is not tried, at any remove.

        But who serves a population serves the others, and whom it cannot serve is tried alone.
        """
        for user in self._users.get(key, ()):
            if isinstance(self.units[key], Together) or isinstance(self.units[user], Together):
                self._spare(user, key)
            elif user not in self._barred:
                self._barred.add(user)
                self.failed(user)

    def _spare(self, user: str, need: str) -> None:
        if need in self._lacks[user]:
            self._lacks[user].remove(need)
            self._admit(user)

    def _admit(self, key: str) -> None:
        if not self._lacks[key]:
            self._ready[wants_gpu(self.units[key])].append(self.units[key])


def _drive(waiting: dict[str, Unit], crew: Crew, tell: Tell) -> dict[str, BlindspotsError]:
    """Keep all workers busy, the latest stage first, so that crafted inputs are soon scored."""
    running: dict[Future[float], Unit] = {}
    queue, failures = _Queue(waiting), dict[str, BlindspotsError]()
    shares: dict[str, float] = {}  # of the seconds of what was done together
    users = Counter(need.key for unit in waiting.values() for need in unit.needs)

    def end(unit: Unit, attempt: Future[float] | None) -> None:
        try:
            seconds = attempt.result() if attempt else shares.get(unit.key, 0.0)
        except BlindspotsError as error:
            failures[unit.key] = error
            tell({"what": "failed", "unit": unit, "why": str(error)})
            queue.failed(unit.key)
            if not isinstance(unit, Together):
                return
        else:
            tell({"what": "done", "unit": unit, "seconds": seconds})
            if isinstance(unit, Together):
                shares.update({each.key: seconds / len(unit.units) for each in unit.units})
            queue.done(unit.key)
        for need in unit.needs:
            users[need.key] -= 1
            if not users[need.key]:
                tell({"what": "spent", "unit": need})

    while running or queue:
        while unit := queue.next(running.values(), crew):
            if is_complete(unit):  # by what served many at once
                end(unit, None)
                continue
            tell({"what": "started", "unit": unit})
            running[crew.start(unit)] = unit
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        _pass_on(crew.heard(), tell, waiting)
        for future in done:
            end(running.pop(future), future)
    # what those done together could not do was tried alone, and said so
    return {k: error for k, error in failures.items() if not isinstance(waiting[k], Together)}


def _pass_on(heard: Iterable[Heard | Refused], tell: Tell, waiting: dict[str, Unit]) -> None:
    for each in heard:
        match each:
            case Heard(key, done, score):
                tell({"what": "progress", "unit": waiting[key], "done": done, "accuracy": score})
            case Refused(key, _, why, _):
                tell({"what": "refused", "unit": waiting[key], "why": why})
