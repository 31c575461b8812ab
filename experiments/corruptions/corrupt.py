"""One corruption of many images, reproducible from its generator."""

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.corruptions.names import corruption_named
from networks.errors import BlindspotsError

Images: TypeAlias = NDArray[np.floating]
SIDE = 28  # pixels: what the constants of MNIST-C are made for


class CorruptionFunction(Protocol):
    """Images (N, 28, 28) in [0, 1] and the parameters of a level to images of that shape.

    Every kind of draw has a stream of its own, read image after image: the first n of N images
    become what they would become alone. What comes back may leave [0, 1] and have any float type.
    """

    def __call__(self, images: Images, generator: np.random.Generator, *level: float) -> Images:
        """The corrupted images."""


def corrupt(
    name: str,
    images: Images,
    *,
    severity: int | None = None,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Images under one of :data:`experiments.corruptions.CORRUPTIONS`, made here.

    Args:
        name: the corruption, such as "fog" or "rotation".
        images: float (N, 28, 28) in [0, 1]; they stay as they are.
        severity: from 1; by default the one at which MNIST-C was made. For a sweep, the number
            of its level.
        generator: the only source of chance; it must be able to spawn others, as those of
            `numpy.random.default_rng` are. The same state gives image i the same corruption,
            however many images follow.

    Returns:
        float32 (N, 28, 28) in [0, 1].

    Raises:
        BlindspotsError: no such corruption or severity, or images of another shape, type or range.
    """
    corruption = corruption_named(name)
    level = corruption.level(severity)
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise BlindspotsError(
            f"Corruptions take images of the shape (N, {SIDE}, {SIDE}), not {images.shape}."
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise BlindspotsError(
            f"Corruptions take floats from 0 to 1, not {images.dtype}; divide by 255 first."
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise BlindspotsError("Corruptions take intensities from 0 to 1; scale the images first.")
    spoiled = corruption.function(images.astype(np.float64), generator, *level)
    return np.clip(spoiled, 0, 1).astype(np.float32)
