"""Many individuals of one wiring at once: their parameters are stacked along a first axis.

A GPU that one small network leaves idle has many of them in hardly more time than one.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import functional_call

from sim.network import Network, settle
from sim.step import Circuit
from sim.whole import answers

Question = Callable[[Circuit, Sequence[Tensor]], Tensor]
"""What is asked of one individual: its circuit and frames (N, *shape), to (..., N, classes)."""

Which = TypeVar("Which", bound="Population")


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

    def __len__(self) -> int:
        """How many individuals there are."""
        return len(next(iter(self.values.values())))

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (individuals, N, *shape), each its own."""
        return self._lent(images, logits)

    def to_the_same(self, images: Tensor) -> Tensor:
        """Logits (individuals, N, classes) of images (N, *shape) that all are shown."""
        return self(images.expand(len(self), *images.shape))

    def ask(self, images: Tensor, question: Question) -> Tensor:
        """The answer of each to a question that suits `torch.vmap`, (individuals, ..., N, classes).

        Images are (individuals, N, *shape).
        """

        def each(circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
            return one_by_one(question, circuit, frames)

        return self._lent(images, each)

    def only(self: Which, places: Tensor) -> Which:
        """Those at these places, int64 (k,); their values are copies."""
        some = copy(self)
        some.values = {name: value[places] for name, value in self.values.items()}
        return some

    def _lent(self, images: Tensor, question: Question) -> Tensor:
        values = {f"values.{name}": value for name, value in self.values.items()}
        answer: Tensor = functional_call(self._one, values, (images, question))
        return answer


class _Stacked(Network):
    """Asked about all individuals at once, whose values it is lent stacked."""

    def forward(self, images: Tensor, question: Question) -> Tensor:  # type: ignore[override]
        frames = self.frames(images.flatten(0, 1))
        is_still = all(frame is frames[0] for frame in frames)
        stacked = [f.unflatten(0, images.shape[:2]) for f in (frames[:1] if is_still else frames)]
        return question(self.circuit(), stacked * len(frames) if is_still else stacked)


def logits(circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
    """Those of each individual, (individuals, N, classes), from stacked values and frames."""
    if circuit.wiring.is_feedforward and all(frame is frames[0] for frame in frames):
        return one_by_one(lambda one, shown: settle(one, shown[0]), circuit, frames)
    return answers(circuit, frames).mean(0)


def one_by_one(question: Question, circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
    """A question, mapped over the axis of individuals; a frame that stays is the same to each."""
    is_still = all(frame is frames[0] for frame in frames)

    def one(values: Mapping[str, Tensor], shown: list[Tensor]) -> Tensor:
        each = shown * len(frames) if is_still else shown
        return question(Circuit(circuit.wiring, values), each)

    found: Tensor = torch.vmap(one)(circuit.values, list(frames[:1] if is_still else frames))
    return found
