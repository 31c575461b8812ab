"""Trained individuals that lie in the directory of a run, beside those that are made here."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.bench import Bench
from experiments.store import key_of

if TYPE_CHECKING:
    from experiments.units import Unit
    from sim import Network


@dataclass(frozen=True)
class Kept:
    """A trained individual in the directory of a run, told by the SHA-256 of its files."""

    directory: Path
    sha256: str
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.directory.parent.name} ({self.directory.name})"

    @property
    def key(self) -> str:
        """Of what it is."""
        return key_of(kept=self.sha256)

    @property
    def before(self) -> "tuple[Unit, ...]":
        """What must be complete before :meth:`model` is there."""
        return ()

    @property
    def is_random(self) -> bool:
        """Whether it answers the same image by chance."""
        return self.model().wiring.is_random

    def model(self) -> "Network":
        """The trained individual."""
        from experiments.training import load_individual

        return load_individual(self.directory).to(self.bench.device)
