"""Processes of this machine that work on units, side by side."""

import multiprocessing as mp
import os
import queue
import signal
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from experiments.crew import Crew, Heard, retold, wants_gpu, worked
from experiments.interrupts import interrupts_held
from experiments.memory import keep_memory
from experiments.units import Unit

_messages: Any = None  # of this worker process, to the process that waits


def cores() -> int:
    """Those that this process may use: a process for each trains 1.5 x faster than threads do."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Processes:
    """Processes that start as they are wanted, each in a pool of its own.

    Where one dies, its pool breaks, and none of the others. So many at a time may work on units
    that want a GPU, ``on_gpu``, and on others, ``on_cpu``.
    """

    on_gpu: int
    on_cpu: int
    pools: list[ProcessPoolExecutor] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    """One queue for each pool: a process that dies may leave its own one locked."""
    idle: Mapping[bool, list[ProcessPoolExecutor]] = field(
        default_factory=lambda: {on_gpu: [] for on_gpu in (False, True)}
    )
    """Apart by whether they served units that want a GPU, of which they hold some memory."""

    def has_room(self, unit: Unit, beside: Collection[Unit]) -> bool:
        """Whether a process is free, or may still be started."""
        alike = [each for each in beside if wants_gpu(each) == wants_gpu(unit)]
        return len(alike) < (self.on_gpu if wants_gpu(unit) else self.on_cpu)

    def start(self, unit: Unit) -> Future[float]:
        """Hand over a unit; an interrupt waits until the process that it may start is there."""
        with interrupts_held():
            pool, attempt = self._begun(unit)

        def deaths(error: BaseException) -> int:
            return int(isinstance(error, BrokenProcessPool))

        def rest(attempt: Future[float]) -> None:
            if not attempt.cancelled() and not isinstance(attempt.exception(), BrokenProcessPool):
                self.idle[wants_gpu(unit)].append(pool)

        attempt.add_done_callback(rest)  # before the unit's end is told
        return retold(attempt, unit, deaths)

    def heard(self) -> Iterator[Heard]:
        """What the processes told since the last call."""
        for messages in self.messages:
            with suppress(queue.Empty):
                while True:
                    yield Heard(*messages.get_nowait())

    def end(self) -> None:
        """Begin nothing more."""
        for pool in self.pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _begun(self, unit: Unit) -> tuple[ProcessPoolExecutor, Future[float]]:
        idle = self.idle[wants_gpu(unit)]
        while idle:
            pool = idle.pop()
            with suppress(BrokenProcessPool):  # its process died when it had nothing to do
                pool.submit(os.getpid).result()  # an answer, since nobody may have noticed yet
                return pool, pool.submit(_work, unit)
        pool = self._hired()
        return pool, pool.submit(_work, unit)

    def _hired(self) -> ProcessPoolExecutor:
        context = mp.get_context("spawn")
        self.messages.append(context.Queue())
        self.pools.append(
            ProcessPoolExecutor(
                1, mp_context=context, initializer=_settle_in, initargs=(self.messages[-1],)
            )
        )
        return self.pools[-1]


@contextmanager
def processes(count: int | None) -> Iterator[Crew]:
    """Processes that end with the block, however it ends.

    ``count`` are at work at a time, on a GPU and beside it; without it one on a GPU, and one per
    core beside it.
    """
    others = mp.active_children()
    crew = Processes(count or 1, count or cores())
    try:
        yield crew
    finally:
        crew.end()
        for child in mp.active_children():
            if child not in others:
                child.terminate()


def _settle_in(messages: Any) -> None:
    """In a new worker: one thread, memory kept, interrupts for the parent, an end with it."""
    global _messages  # noqa: PLW0603
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    keep_memory()


def _leave_with_parent() -> None:
    parent = mp.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(unit: Unit) -> float:
    return worked(unit, lambda done, score: _messages.put((unit.key, done, score)))
