"""What all units of a comparison are worked on with: data, device, software."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.provenance import software
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from experiments.data.dataset import Dataset, Split

_LOADED: "dict[tuple[str, Path | None], Dataset]" = {}
"""What this process has read, by name and directory."""


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

    @property
    def stacks_individuals(self) -> bool:
        """Whether those of a population go along one tensor axis, even where there is only one.

        On a CPU there is nothing to be gained by that: individuals go to one process per core.
        """
        return self.device == "cuda"

    def load(self) -> "Dataset":
        """The data set; read once per process, and decoded once for all of them."""
        from experiments.data.dataset import load_again
        from experiments.data.decoded import load_decoded

        place = (self.data, self.directory)
        if place not in _LOADED:
            _LOADED[place] = load_decoded(self.data, self.sha256) or load_again(*place)
        return _LOADED[place]


def bench_for(data: Path | None, device: str | None) -> Bench:
    """The data set, found or fetched once here, and the device."""
    from experiments.data.dataset import load_data

    return bench_with(load_data, data, device)


def bench_with(
    load: "Callable[[Path | None], Dataset]", data: Path | None, device: str | None
) -> Bench:
    """The data set as ``load`` gives it from a directory or, without one, from where it likes."""
    import torch

    from experiments.data.decoded import keep_decoded

    check_device(device)
    directory = data or os.environ.get("BLINDSPOTS_DATA") or None
    directory = Path(directory).resolve() if directory else None
    loaded = load(directory)
    _LOADED[loaded.name, directory] = loaded
    keep_decoded(loaded)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Bench(loaded.name, directory, loaded.sha256, device, software())


def check_device(device: str | None) -> None:
    """Raise BlindspotsError where ``device`` is "cuda" and PyTorch finds none."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise BlindspotsError("No CUDA device is available to PyTorch; leave out --device.")


def scored(bench: Bench, count: int) -> "Split":
    """The images that are attacked and scored, on the bench's device."""
    from experiments.data.dataset import Split, scored_images

    split, _ = scored_images(bench.load(), count)
    return Split(split.images.to(bench.device), split.labels.to(bench.device))
