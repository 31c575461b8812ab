"""Ctrl-C, held back while worker processes start."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """An interrupt waits for the end; a worker that starts inside never feels any.

    The mask is for the worker, which inherits it. Python's handler is for this process, since
    another thread may take the signal: a worker that is half started complains.
    """
    resource_tracker.ensure_running()  # whose start would let interrupts through again
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
