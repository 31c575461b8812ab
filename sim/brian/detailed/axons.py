"""Projections of a detailed run: what was emitted arrives later, for all images in one product."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Array = NDArray[np.float64]
Spikes = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(image, unit) of each."""


class Axons:
    """Spikes on their way from one area along one projection.

    ``delays`` (size,) are in samples, at least one, from emission to arrival. ``weights`` are
    (source, target), dense or sparse. Spikes are rare at 0.1 ms, so the product is one with the few
    that arrive.
    """

    def __init__(self, delays: NDArray[np.int64], weights: Any, images: int):
        self.delays, self.weights, self.images = delays, weights, images
        self.under_way = np.zeros((int(delays.max()) + 1, images, len(delays)), bool)

    def send(self, sample: int, spikes: Spikes) -> None:
        """What was emitted at ``sample``."""
        image, unit = spikes
        self.under_way[(sample + self.delays[unit]) % len(self.under_way), image, unit] = True

    def arrive(self, sample: int) -> Array | None:
        """The summed weights (images, target) of what arrives at ``sample``, None for nothing."""
        there = self.under_way[sample % len(self.under_way)]
        flat = np.flatnonzero(there)
        if not len(flat):
            return None
        there[:] = False
        image, unit = np.divmod(flat, there.shape[1])
        starts = np.zeros(self.images + 1, np.int64)
        np.cumsum(np.bincount(image, minlength=self.images), out=starts[1:])
        spikes = csr_array((np.ones(len(unit)), unit, starts), shape=there.shape)
        arrived = spikes @ self.weights
        return arrived if isinstance(arrived, np.ndarray) else arrived.toarray()


class Counted:
    """What arrived during the last step: a spike counts for one step, as it does in training."""

    def __init__(self, samples: int):
        self.recent: deque[Array | None] = deque(maxlen=samples)

    def add(self, arrived: Array | None) -> None:
        """What arrived at this sample."""
        self.recent.append(arrived)

    def total(self) -> Array | float:
        """The sum over the step that ends now."""
        return sum((each for each in self.recent if each is not None), start=0.0)


class Graded:
    """What an area of rate units, or the input, sends along one projection of whole samples."""

    def __init__(self, delay: int, carry: Callable[[Array], Array]):
        self.carry = carry
        self.past: deque[Array] = deque(maxlen=delay)

    def send(self, out: Array) -> None:
        """What was emitted at this sample; it must not change any more."""
        self.past.append(out)

    def arrive(self) -> Array | None:
        """What arrives at the next sample (images, target), None before anything can."""
        return self.carry(self.past[0]) if len(self.past) == self.past.maxlen else None
