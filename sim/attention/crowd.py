"""Several individuals at once: parameters of attention that differ from trial to trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from networks.attention import Attention

BY_DIGIT = ("gate_gain", "threshold", "consolidation_per_s")
BY_TRIAL = ("refractoriness", "refractory_ms")


@dataclass(frozen=True)
class Crowd:
    """What :func:`sim.attention.attend` takes in place of one individual's parameters.

    Trial i is shown to individual i modulo their number. Parameters of ``BY_DIGIT`` and
    ``BY_TRIAL`` are tensors, (n, 1) and (n,), and may differ; all others are those of the first.
    """

    individuals: tuple[Attention, ...]
    own: dict[str, torch.Tensor]

    @classmethod
    def of(cls, individuals: Sequence[Attention], trials: int) -> "Crowd":
        """The individuals before ``trials`` trials."""
        who = torch.arange(trials) % len(individuals)
        own = {
            name: torch.tensor([getattr(each, name) for each in individuals])[who]
            for name in (*BY_DIGIT, *BY_TRIAL)
        }
        own |= {name: own[name][:, None] for name in BY_DIGIT}
        return cls(tuple(individuals), own)

    def __getattr__(self, name: str) -> Any:
        """A parameter of that name, as :class:`networks.Attention` has them."""
        if name.startswith("_"):  # what copies ask for before there are any parameters
            raise AttributeError(name)
        own = self.own.get(name)
        return getattr(self.individuals[0], name) if own is None else own
