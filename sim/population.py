"""Many individuals of one wiring at once: their parameters are stacked along a first axis.

A GPU that one small network leaves idle has many of them in hardly more time than one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from networks import SpikingUnit
from sim.network import Network, settle
from sim.rule import Rule, surrogate
from sim.unroll import potentials
from sim.whole import answers, is_flat


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
        self._is_whole = is_flat(first.wiring) and not first.wiring.is_feedforward
        kind = _Whole if self._is_whole else _Stepwise
        self._one = kind(first.wiring, dict(first.values.items()))
        self._one.to(next(iter(self.values.values())).device)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (individuals, N, *shape), each its own."""
        if self._is_whole:
            return self._answer(self.values, images)
        found: Tensor = torch.vmap(self._answer)(self.values, images)
        return found

    def to_the_same(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (N, *shape) that all are shown."""
        if self._is_whole:
            count = len(next(iter(self.values.values())))
            return self._answer(self.values, images.expand(count, *images.shape))
        found: Tensor = torch.vmap(self._answer, in_dims=(0, None))(self.values, images)
        return found

    def _answer(self, values: dict[str, Tensor], images: Tensor) -> Tensor:
        given = {f"values.{name}": value for name, value in values.items()}
        answer: Tensor = functional_call(self._one, given, (images,))
        return answer


class _Whole(Network):
    """Answers all individuals at once, whose values it is lent stacked, by one function."""

    def forward(self, images: Tensor) -> Tensor:
        frames = self.frames(images.flatten(0, 1))
        shape = (*images.shape[:2], *frames[0].shape[1:])
        if all(frame is frames[0] for frame in frames):
            frames = [frames[0].reshape(shape)] * len(frames)
        else:
            frames = [frame.reshape(shape) for frame in frames]
        return answers(self.circuit(), frames).mean(0)


class _Stepwise(Network):
    """Answers step by step, in operations that can be given an axis of individuals."""

    def forward(self, images: Tensor) -> Tensor:
        frames, circuit = self.frames(images), self.circuit()
        if self.wiring.is_feedforward and all(f is frames[0] for f in frames):
            return settle(circuit, frames[0])
        return potentials(circuit, frames, rule=Rule(fire=_fire)).mean(0)


def _fire(unit: SpikingUnit, above: Tensor) -> Tensor:
    """Spikes with the surrogate derivative of training, for which snnTorch has no such axis."""
    return surrogate(unit.surrogate, unit.slope)(unit, above)
