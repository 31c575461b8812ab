"""Networks whose way back finds most of the past again, from moments that were kept."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from benchmarks.training_step import lively
from networks import RateUnit, SpikingUnit, Wiring, wiring_named
from sim import Network
from sim.whole import answers
from sim.whole.plain import Emitted
from sim.whole.seen import Room

Wire = Callable[..., Wiring]
HIDDEN = {"a": (7, SpikingUnit(beta=0.7, threshold=0.4)), "b": (6, RateUnit(leak=0.3))}
ARROWS = {
    **{"input>a": 1, "input>b": {"kind": "skip", "delay": 2}, "a>b": 1, "a>a": 1},
    **{"b>a": {"kind": "top-down", "delay": 3}, "b>output": 1},
}


def held(past: Mapping[Any, Emitted | Room]) -> int:
    """How many numbers wait for the way back."""
    tables = [
        [each.u] if isinstance(each, Emitted) else [each.alone, each.many, *each.marks.values()]
        for each in past.values()
    ]
    return sum(table.numel() for each in tables for table in each)


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize("steps", [9, 24])
def test_a_frugal_network_has_the_same_gradients_from_less_memory(steps: int, wire: Wire) -> None:
    mixed = wire(HIDDEN, ARROWS, steps=steps, inputs=20, outputs=3)
    for wiring in (mixed, wiring_named("fc-blt-spiking").replace(steps=steps)):
        values = dict(lively(wiring).values.items())
        images = torch.rand(4, *wiring.input.shape, generator=torch.Generator().manual_seed(1))
        kept, found = [], []
        for is_frugal in (False, True):
            network = Network(wiring, values, is_frugal=is_frugal)
            potential = answers(network.circuit(), network.frames(images), is_frugal=is_frugal)
            kept.append(held(potential.grad_fn.past))  # type: ignore[union-attr]
            loss = network(images).square().sum()
            weights = list(network.values.values())
            for _ in range(2):
                found.append(torch.autograd.grad(loss, weights, retain_graph=True))
        for other in found[1:]:
            assert all(torch.equal(*pair) for pair in zip(other, found[0], strict=True))
        if steps == 24:
            assert kept[1] < kept[0] / 2
