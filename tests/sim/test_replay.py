"""A population whose training is replayed learns what it learns without."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from networks import wiring_named
from sim import Network
from sim.engine import ENVIRONMENT
from sim.population import Population
from sim.replay import Replayed

HAS_CUDA = torch.cuda.is_available()


def learned(device: str, *, is_replayed: bool) -> list[Tensor]:
    """The weights after steps of two sizes of batch in turn."""
    wiring = wiring_named("fc-blt-spiking").replace(steps=5)
    population = Population([Network.initial(wiring, seed).to(device) for seed in (1, 2)])
    answer = Replayed(population) if is_replayed else population
    optimiser = torch.optim.AdamW(list(population.values.values()), lr=3e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    for count in (6, 4, 6, 4, 6):
        images = torch.rand(2, count, 1, 28, 28, generator=generator).to(device)
        labels = torch.randint(0, 10, (2 * count,), generator=generator).to(device)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(answer(images).flatten(0, 1), labels).backward()
        optimiser.step()
    return [value.detach() for value in population.values.values()]


@pytest.mark.skipif(not HAS_CUDA, reason="no CUDA device is available to PyTorch")
@pytest.mark.parametrize("by", ["plain", "graphs"])
def test_on_a_gpu(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, by)
    for one, other in zip(
        learned("cuda", is_replayed=True), learned("cuda", is_replayed=False), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_each_shape_is_recorded_once_and_played_from_its_own_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GPU is played by what reads its inputs where they lay at the recording."""
    recorded: list[torch.Size] = []

    def record(
        function: Callable[..., Tensor], given: Sequence[Tensor], **others: Any
    ) -> Callable[..., Tensor]:
        recorded.append(given[0].shape)

        def play(*now: Tensor) -> Tensor:
            for there, one in zip(given, now, strict=True):
                if there.data_ptr() != one.data_ptr():
                    there.copy_(one)
            return function(*given)

        return play

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    replayed, plain = learned("cpu", is_replayed=True), learned("cpu", is_replayed=False)
    assert [shape[1] for shape in recorded] == [6, 4]
    for one, other in zip(replayed, plain, strict=True):
        assert torch.equal(one, other)
