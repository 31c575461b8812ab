"""Individuals of one wiring under attack at once: their images are rows of one attack.

A GPU that one small network leaves idle attacks many in hardly more time. What an attack does to
an image depends on no other one, so it need not know: images of all individuals stand in one
batch, image by image in turn, and each is shown to its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from experiments.attacks.sources import Sources
from sim import Network
from sim.population import Population


@dataclass(frozen=True)
class Crowd:
    """A model (`victim.Model`) that shows each of n images to one individual alone.

    Attributes:
        population: the individuals; their parameters want no gradient.
        whose: int64 (n,), the place of the individual that each image is shown to.
        most: images of an individual at a time, >= 1. What one that withstands has more than others
            is shown to it alone, rather than that all have room for as many.
        asked: from the population, or some of it, and images (individuals, N, *shape) to the
            answers, (individuals, N, K) or (individuals, T, N, K).
    """

    population: Population
    whose: Tensor
    most: int
    asked: Callable[[Population, Tensor], Tensor] = Population.__call__

    @classmethod
    def of(cls, individuals: Sequence[Network], images: int, most: int) -> "Crowd":
        """With so many images of each, which take turns: row r is of individual r modulo all."""
        population = Population(individuals)
        for value in population.values.values():
            value.requires_grad_(False)
        device = next(iter(population.values.values())).device
        everyone = torch.arange(len(individuals), device=device)
        return cls(population, everyone.repeat(images), most)

    def to_each(self, images: Tensor) -> Tensor:
        """Images or labels (N, ...) for each individual, in the order of the whole crowd."""
        return images.repeat_interleave(len(self.population), 0)

    def rows(self, place: int) -> slice:
        """Those of one individual, in the order of the whole crowd."""
        return slice(place, None, len(self.population))

    def sources(self, seeds: Sequence[int]) -> Sources:
        """Chance of each individual, from a seed of its own."""
        return Sources([torch.Generator().manual_seed(seed) for seed in seeds], self.whose.cpu())

    def at(self, rows: Tensor) -> "Crowd":
        """The model of the given rows (k,) of these images."""
        return replace(self, whose=self.whose[rows])

    def __call__(self, points: Tensor) -> Tensor:
        """Answers (n, K), or (T, n, K), to points (n, *shape), none to none."""
        if not len(points):
            somebody = replace(self, whose=self.whose.new_zeros(1))
            return somebody(points.new_zeros(1, *points.shape[1:]))[..., :0, :]
        if len(self.turns) == 1:
            return self._together(points)
        found = [self.at(rows)._together(points.index_select(0, rows)) for rows in self.turns]
        return torch.cat(found, -2).index_select(-2, torch.cat(self.turns).argsort())

    @cached_property
    def turns(self) -> list[Tensor]:
        """Rows, so that none of these parts holds more than `most` images of an individual."""
        turn = self.rank // self.most
        return [(turn == at).nonzero()[:, 0] for at in range(int(turn.max()) + 1)]

    @cached_property
    def rank(self) -> Tensor:
        """Of each image among those of its individual, (n,)."""
        counts, order = self.whose.bincount(), self.whose.argsort(stable=True)
        first = (counts.cumsum(0) - counts).repeat_interleave(counts)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - first
        return rank

    def _together(self, points: Tensor) -> Tensor:
        """All in one batch, in which each individual has room for as many as the most has."""
        present, among = self.whose.unique(return_inverse=True)
        population, each = self.population, int(self.rank.max()) + 1
        if len(present) < len(population):
            population = population.only(present)
        places = among * each + self.rank
        shown = points.new_zeros(len(present) * each, *points.shape[1:])
        shown = shown.index_copy(0, places, points).unflatten(0, (len(present), each))
        answer = self.asked(population, shown)
        return answer.movedim(0, -3).flatten(-3, -2).index_select(-2, places)


def of_rows(asked: Any, rows: Tensor) -> Any:
    """A model, guide or source of chance for the given rows (k,); only a crowd's asks whose."""
    return asked.at(rows) if isinstance(asked, Crowd | Sources) else asked
