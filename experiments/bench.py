"""What all units of a comparison are worked on with: data, device, software."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.data.dataset import Dataset, Split


@dataclass(frozen=True)
class Bench:
    """What all units of a comparison are worked on with.

    ``data`` and ``directory`` name the data set and where its files lie, ``sha256`` its content;
    ``device`` is "cpu" or "cuda". ``software`` names what else the numbers depend on.
    """

    data: str
    directory: Path | None
    sha256: str
    device: str
    software: str

    def load(self) -> "Dataset":
        """The data set; read once per process."""
        return _loaded(self.data, self.directory)


@cache
def _loaded(name: str, directory: Path | None) -> "Dataset":
    from experiments.data.dataset import load_again

    return load_again(name, directory)


def scored(bench: Bench, count: int) -> "Split":
    """The images that are attacked and scored, on the bench's device."""
    from experiments.data.dataset import Split, scored_images

    split, _ = scored_images(bench.load(), count)
    return Split(split.images.to(bench.device), split.labels.to(bench.device))
