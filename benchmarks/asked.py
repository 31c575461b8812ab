"""What is asked for in the environment, for a while: another engine, or another precision."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Found = TypeVar("Found")


@contextmanager
def asked(name: str, value: str) -> Iterator[None]:
    """Within it, an environment variable has that value."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def under(name: str, value: str, work: Callable[[], Found]) -> Callable[[], Found]:
    """The work, done where an environment variable has that value."""

    def within() -> Found:
        with asked(name, value):
            return work()

    return within
