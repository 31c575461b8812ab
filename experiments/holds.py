"""What commands that share a store still need of it: none deletes what another one is to read.

A command lists the crafted inputs that its units need, before it looks which of them are there, and
holds a lock beside the list for as long as it lives. So a list whose lock is free is that of a
command that was killed.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.data.cache import cache_dir
from experiments.inputs import Craft
from experiments.store import writing
from experiments.units import Unit, product


@dataclass(frozen=True)
class Hold:
    """The keys of what one command needs, in a file of their own."""

    path: Path
    keys: set[str]

    def let_go(self, craft: Craft) -> None:
        """Delete crafted inputs that no other command holds; their distances stay.

        Where another comparison does, it deletes them when it lets go, or when it has ended well.
        """
        with self.turn():
            self.keys.discard(craft.key)
            self.write()
            if not any(craft.key in keys for keys in self._others()):
                product(craft).unlink(missing_ok=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block in which no other command lists or deletes anything."""
        with writing(self.path.parent), FileLock(self.path.parent / "turn"):
            yield

    def write(self) -> None:
        """Let the others know."""
        self.path.write_text("\n".join(self.keys))

    def _others(self) -> Iterator[set[str]]:
        for path in self.path.parent.glob("*.keys"):
            if path == self.path:
                continue
            if is_free(lock := path.with_suffix(".lock")):
                path.unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
            else:
                with suppress(FileNotFoundError):  # that of a command which ends at this moment
                    yield set(path.read_text().split())


@contextmanager
def holding(units: Iterable[Unit]) -> Iterator[Hold]:
    """Nobody else deletes crafted inputs that units need, at any remove, until the block ends."""
    folder = cache_dir() / "holds"
    hold = Hold(folder / f"{uuid.uuid4().hex}.keys", crafts_below(units))
    lock = FileLock(hold.path.with_suffix(".lock"))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        with hold.turn():
            hold.write()
        yield hold
    finally:
        hold.path.unlink(missing_ok=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def crafts_below(units: Iterable[Unit]) -> set[str]:
    """The keys of crafted inputs among units, and among what they need, at any remove."""
    seen: dict[str, Unit] = {}
    stack = list(units)
    while stack:
        unit = stack.pop()
        if unit.key not in seen:
            seen[unit.key] = unit
            stack.extend(unit.needs)
    return {key for key, unit in seen.items() if isinstance(unit, Craft)}


def is_free(lock: Path) -> bool:
    """Whether nobody holds a lock."""
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False
