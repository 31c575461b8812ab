"""How much an audit may look at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """How much each check may look at, so that a small network's audit takes minutes at most.

    Attributes:
        images: right ones shown where all images would be too slow.
        few: surviving images for costly searches.
        handful: surviving images for the most costly.
        draws: of random noise, per image.
        samples: pairs of points from which a gradient is estimated.
        steps: of each of the many guided attacks.
        queries: of searches without gradients, per image.
    """

    images: int = 50
    few: int = 16
    handful: int = 5
    draws: int = 10_000
    samples: int = 2000
    steps: int = 20
    queries: int = 1000
