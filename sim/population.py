"""Many individuals of one wiring at once: their parameters are stacked along a first axis.

A GPU that one small network leaves idle has many of them in hardly more time than one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from sim.network import Network, settle
from sim.step import Circuit
from sim.whole import answers

Question = Callable[[Circuit, Sequence[Tensor]], Tensor]
"""What is made of one individual's circuit and frames (N, *shape): (..., N, classes)."""


class Population:
    """Individuals of one wiring, as one function from images to the logits of each.

    ``values`` are theirs by name, each (individuals, *shape).
    """

    def __init__(self, individuals: Sequence[Network]):
        first = individuals[0]
        self.wiring = first.wiring
        self.values = {
            name: torch.stack([one.values[name].detach() for one in individuals]).requires_grad_()
            for name in first.values
        }
        self._one = _Stacked(first.wiring, dict(first.values.items()))
        self._one.to(next(iter(self.values.values())).device)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (individuals, N, *shape), each its own."""
        return self._asked(images)

    def along(self, images: Tensor, question: Question) -> Tensor:
        """The answers of each to a question, (individuals, ..., N, classes), which fits vmap."""
        return self._asked(images, question)

    def _asked(self, *given: Any) -> Tensor:
        lent = {f"values.{name}": value for name, value in self.values.items()}
        answer: Tensor = functional_call(self._one, lent, given)
        return answer

    def to_the_same(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (N, *shape) that all are shown."""
        return self(images.expand(len(self), *images.shape))

    def __len__(self) -> int:
        """How many individuals there are."""
        return len(next(iter(self.values.values())))


class _Stacked(Network):
    """Answers all individuals at once, whose values it is lent stacked."""

    def forward(self, images: Tensor, question: Question | None = None) -> Tensor:
        frames, circuit = self.frames(images.flatten(0, 1)), self.circuit()
        is_still = all(frame is frames[0] for frame in frames)
        different = frames[:1] if is_still else frames
        stacked = [frame.unflatten(0, images.shape[:2]) for frame in different]
        if question is None and is_still and self.wiring.is_feedforward:
            question = _settled
        if question is None:
            return answers(circuit, stacked * len(frames) if is_still else stacked).mean(0)

        def one(values: Mapping[str, Tensor], shown: list[Tensor]) -> Tensor:
            each = shown * len(frames) if is_still else shown
            return question(Circuit(self.wiring, values), each)

        found: Tensor = torch.vmap(one)(circuit.values, stacked)
        return found


def _settled(circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
    return settle(circuit, frames[0])
