"""Individuals of one wiring under attack at once: their images are rows of one attack.

A GPU that one small network leaves idle attacks many in hardly more time. What an attack does to
an image depends on no other one, so it need not know: images of all individuals stand in one
batch, image by image in turn, and each is shown to its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from experiments.attacks.sources import Sources
from sim import Network
from sim.population import Population, Question


@dataclass(frozen=True)
class Crowd:
    """A model (`victim.Model`) that shows each of n images to one individual alone.

    Attributes:
        population: the individuals; their parameters want no gradient.
        whose: int64 (n,), the place of the individual that each image is shown to.
        question: what each individual is asked, see `Population.along`; None: its logits.
    """

    population: Population
    whose: Tensor
    question: Question | None = None

    @classmethod
    def of(cls, individuals: Sequence[Network], images: int) -> "Crowd":
        """With so many images of each: row r is shown to individual r modulo their number."""
        population = Population(individuals)
        values = [value.requires_grad_(False) for value in population.values.values()]
        everyone = torch.arange(len(individuals), device=values[0].device)
        return cls(population, everyone.repeat(images))

    def at(self, rows: Tensor) -> "Crowd":
        """The model of the given rows (k,) of these images."""
        return replace(self, whose=self.whose[rows])

    def __call__(self, points: Tensor) -> Tensor:
        """Logits (n, K) of points (n, *shape); (T, n, K) where the question is of T moments."""
        (places, most), count = self.places, len(self.population)
        shown = points.new_zeros(count * most, *points.shape[1:]).index_copy(0, places, points)
        shown = shown.unflatten(0, (count, most))
        if self.question:
            answer = self.population.along(shown, self.question)
        else:
            answer = self.population(shown)
        return answer.movedim(0, -3).flatten(-3, -2).index_select(-2, places)

    @cached_property
    def places(self) -> tuple[Tensor, int]:
        """Where each image stands if all have room for as many as the most that one has: (n,)."""
        counts = self.whose.bincount(minlength=len(self.population))
        order = self.whose.argsort(stable=True)
        first = (counts.cumsum(0) - counts).repeat_interleave(counts)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - first
        most = int(counts.max())
        return self.whose * most + rank, most


def at(asked: Any, rows: Tensor) -> Any:
    """The model, guide or source of chance of the given rows (k,); only a crowd's asks whose."""
    return asked.at(rows) if isinstance(asked, Crowd | Sources) else asked
