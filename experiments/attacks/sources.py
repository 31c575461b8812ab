"""Where an attack's chance comes from: one source, or one for each individual of a crowd."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sources:
    """Chance of each individual of a crowd, as if it were attacked alone.

    Attributes:
        generators: one for each individual.
        whose: int64 (n,), on the CPU: which of them each image draws from.
    """

    generators: Sequence[torch.Generator]
    whose: Tensor

    def at(self, rows: Tensor) -> "Sources":
        """Those of the given rows (k,)."""
        return replace(self, whose=self.whose[rows.cpu()])

    @cached_property
    def each(self) -> list[tuple[torch.Generator, Tensor]]:
        """Every individual's, and the rows of its images."""
        return [
            (generator, (self.whose == individual).nonzero()[:, 0])
            for individual, generator in enumerate(self.generators)
        ]


Source = torch.Generator | Sources

Draw = Callable[..., Tensor]

SEEDS = 2**62  # how many there are


def drawn(draw: Draw, like: Tensor, source: Source, axis: int = 0) -> Tensor:
    """Numbers of the shape of `like` from `torch.rand` or `torch.randn`, on its device.

    Its images lie along the axis.
    """
    if isinstance(source, torch.Generator):
        numbers = draw(like.shape, generator=source, device=source.device, dtype=like.dtype)
        return numbers.to(like.device)
    numbers, shape = torch.empty(like.shape, dtype=like.dtype), list(like.shape)
    for generator, rows in source.each:
        shape[axis] = len(rows)
        own = draw(shape, generator=generator, device=generator.device, dtype=like.dtype)
        numbers.index_copy_(axis, rows, own.cpu())
    return numbers.to(like.device)


def seeds(count: int, source: Source) -> Tensor:
    """One seed per image, int64 (count,), so that what one image draws does not move another's."""
    if isinstance(source, torch.Generator):
        return torch.randint(SEEDS, (count,), generator=source, device=source.device)
    found = torch.empty(count, dtype=torch.int64)
    for generator, rows in source.each:
        found[rows] = seeds(len(rows), generator).cpu()
    return found


def renewed(source: Source) -> Source:
    """Another source of chance, seeded by this one."""
    if isinstance(source, torch.Generator):
        return _seeded_by(source)
    return replace(source, generators=[_seeded_by(each) for each in source.generators])


def _seeded_by(generator: torch.Generator) -> torch.Generator:
    seed = int(torch.randint(SEEDS, (), generator=generator))
    return torch.Generator().manual_seed(seed)
