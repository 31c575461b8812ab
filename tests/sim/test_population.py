"""A population answers and learns as its individuals do one by one."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from networks import wiring_named
from sim import Network
from sim.population import Population

NAMES = (
    *("fc-b", "fc-blt", "fc-blt-spiking", "fc-blt-modular", "fc-blt-spiking-latency", "conv-b"),
    *("conv-blt", "conv-blt-sparse-spiking"),
)


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_each_alone(name: str) -> None:
    """Of individuals that share a shape, and not a weight or an image."""
    wiring = wiring_named(name)
    individuals = [Network.initial(wiring, seed) for seed in (1, 2, 3)]
    images = torch.rand(3, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 3, 9, 1], [5, 2, 2, 7], [4, 4, 8, 6]])
    together = Population(individuals)
    logits = together(images)
    cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum").backward()
    for i, one in enumerate(individuals):
        alone = one(images[i])
        torch.testing.assert_close(logits[i], alone, rtol=1e-4, atol=1e-5)
        cross_entropy(alone, labels[i], reduction="sum").backward()
        for key, value in one.values.items():
            stacked = together.values[key].grad
            assert stacked is not None
            torch.testing.assert_close(stacked[i], value.grad, rtol=1e-3, atol=1e-5)


def test_all_can_be_shown_the_same() -> None:
    wiring = wiring_named("fc-bl")
    individuals = [Network.initial(wiring, seed) for seed in (1, 2)]
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answers = Population(individuals).to_the_same(images)
        for one, answer in zip(individuals, answers, strict=True):
            torch.testing.assert_close(answer, one(images), rtol=1e-4, atol=1e-5)
