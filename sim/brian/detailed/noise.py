"""Deviates for the membranes: each image has its own, whatever is shown beside it."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class Noise:
    """Standard normal deviates for the cells of all areas, sample by sample.

    ``generators`` are one per image; ``sizes`` are the cells by area. They are drawn a step of
    ``samples`` at a time.
    """

    def __init__(
        self, generators: Sequence[np.random.Generator], sizes: Mapping[str, int], samples: int
    ):
        self.generators, self.samples = generators, samples
        self.ends = np.cumsum(list(sizes.values()))
        self.areas = list(sizes)

    def at(self, sample: int) -> dict[str, NDArray[np.float32]]:
        """(images, cells) by area; ask for every sample once, in their order."""
        here = sample % self.samples
        if here == 0:
            shape = (self.samples, int(self.ends[-1]))
            drawn = [each.standard_normal(shape, dtype=np.float32) for each in self.generators]
            self.step = np.stack(drawn, axis=1)
        parts = np.split(self.step[here], self.ends[:-1], axis=1)
        return dict(zip(self.areas, parts, strict=True))
