"""Get units of work done: side by side in processes, in the order that their needs demand."""

import multiprocessing as mp
import os
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from experiments.units import Unit, is_complete
from networks.errors import BlindspotsError

Event = dict[str, Any]
STAGES = {  # in their order
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
"""Told what happens: ``what`` is planned, started, progress, done, failed or spent (nothing that
is still to be done needs the unit)."""

_messages: Any = None  # of this worker process, to the process that waits


def workers_for(device: str) -> int:
    """One process per core, which trains 1.5 x faster than threads do; one alone on a GPU."""
    return 1 if device == "cuda" else len(os.sched_getaffinity(0))


def complete(units: Iterable[Unit], workers: int, tell: Tell) -> dict[str, str]:
    """Make every unit complete, with all that it needs; units on disk cost nothing.

    Returns the failures: unit's key to the sentence that says why. What needs a failed unit is
    not tried and not listed. KeyboardInterrupt stops the workers at once; nothing that was
    complete is lost.
    """
    waiting = _missing(units)
    for unit in waiting.values():
        tell({"what": "planned", "unit": unit})
    if not waiting:
        return {}
    others = mp.active_children()
    context = mp.get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_settle_in, initargs=(messages,)
    )
    try:
        return _drive(waiting, pool, workers, messages, tell)
    except BrokenProcessPool:
        raise BlindspotsError(
            "A worker process was killed, most likely for memory; free some, or lower --workers, "
            "and run the same command again: it goes on where it stopped."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in mp.active_children():
            if child not in others:
                child.terminate()


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


def _drive(
    waiting: dict[str, Unit],
    pool: ProcessPoolExecutor,
    workers: int,
    messages: Any,
    tell: Tell,
) -> dict[str, str]:
    """Keep all workers busy, the latest stage first, so that crafted inputs are soon scored."""
    running: dict[Future[float], Unit] = {}
    blocked, ready, wanted_by = _sorted_by_need(waiting)
    users = Counter(need.key for unit in waiting.values() for need in unit.needs)
    failures: dict[str, str] = {}
    while ready or running:
        while ready and len(running) < workers + 1:
            unit = ready.pop()
            tell({"what": "started", "unit": unit})
            with _interrupts_held():
                running[pool.submit(_work, unit)] = unit
        done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        _pass_on(messages, tell, waiting)
        for future in done:
            unit = running.pop(future)
            try:
                seconds = future.result()
            except BlindspotsError as error:
                failures[unit.key] = str(error)
                tell({"what": "failed", "unit": unit, "why": str(error)})
                continue
            tell({"what": "done", "unit": unit, "seconds": seconds})
            for key in wanted_by.get(unit.key, ()):
                blocked[key].discard(unit.key)
                if not blocked[key]:
                    ready.append(waiting[key])
            for need in unit.needs:
                users[need.key] -= 1
                if not users[need.key]:
                    tell({"what": "spent", "unit": need})
    return failures


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """An interrupt waits for the end; a worker that starts inside never feels any.

    The mask is for the worker, which inherits it. Python's handler is for this process, since
    another thread may take the signal: a worker that is half started complains.
    """
    held: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        handler = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main:
            signal.signal(signal.SIGINT, handler)
    if held:
        raise KeyboardInterrupt


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


def _pass_on(messages: Any, tell: Tell, waiting: dict[str, Unit]) -> None:
    while True:
        try:
            key, done, score = messages.get_nowait()
        except queue.Empty:
            return
        tell({"what": "progress", "unit": waiting[key], "done": done, "accuracy": score})


def _settle_in(messages: Any) -> None:
    """In a new worker: one thread, interrupts left to the parent, and an end with the parent's."""
    global _messages  # noqa: PLW0603
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _leave_with_parent() -> None:
    parent = mp.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(unit: Unit) -> float:
    """The unit's seconds."""
    began = time.monotonic()
    if not is_complete(unit):
        unit.run(lambda done, score: _messages.put((unit.key, done, score)))
    return time.monotonic() - began
