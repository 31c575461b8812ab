"""Processes of this machine that work on units, side by side."""

import multiprocessing as mp
import os
import queue
import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from experiments.crew import Crew, Heard, worked
from experiments.interrupts import interrupts_held
from experiments.units import Unit
from networks.errors import BlindspotsError

_messages: Any = None  # of this worker process, to the process that waits


def workers_for(device: str) -> int:
    """One process per core, which trains 1.5 x faster than threads do; one alone on a GPU."""
    return 1 if device == "cuda" else len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Processes:
    """A pool of ``size`` processes, which start as they are wanted."""

    size: int
    pool: ProcessPoolExecutor
    messages: Any

    def has_room(self, unit: Unit, beside: Collection[Unit]) -> bool:
        """Whether a process is free, or would be if it were for ``beside``, but for one unit."""
        return len(beside) <= self.size

    def start(self, unit: Unit) -> Future[float]:
        """Hand over a unit; an interrupt waits until the process that it may start is there."""
        with interrupts_held():
            return self.pool.submit(_work, unit)

    def heard(self) -> Iterator[Heard]:
        """What the processes told since the last call."""
        while True:
            try:
                yield Heard(*self.messages.get_nowait())
            except queue.Empty:
                return


@contextmanager
def processes(size: int) -> Iterator[Crew]:
    """Processes that end with the block, however it ends; BlindspotsError where one is killed."""
    others = mp.active_children()
    context = mp.get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(
        size, mp_context=context, initializer=_settle_in, initargs=(messages,)
    )
    try:
        yield Processes(size, pool, messages)
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
    return worked(unit, lambda done, score: _messages.put((unit.key, done, score)))
