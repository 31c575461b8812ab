"""A population whose steps of training a GPU replays: one CUDA graph of all that it is to do.

A loop through time starts thousands of small kernels, and starting them takes longer than what they
do. A graph is recorded once for each shape of images, and then started as one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sim.population import Population


class Replayed:
    """What a population on a GPU answers, and the gradients by its values, out of a recording.

    Its values are to stay where they are in memory, as optimisers leave them. An answer holds until
    the next one is asked for, and so do its gradients.
    """

    def __init__(self, population: Population):
        self.population = population
        self.recorded: dict[torch.Size, Callable[..., Any]] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (individuals, N, *shape), each its own."""
        values = tuple(self.population.values.values())
        if images.shape not in self.recorded:
            self.recorded[images.shape] = torch.cuda.make_graphed_callables(
                lambda shown, *_: self.population(shown),
                (images.clone(), *values),
                allow_unused_input=True,
            )
        answer: Tensor = self.recorded[images.shape](images, *values)
        return answer
