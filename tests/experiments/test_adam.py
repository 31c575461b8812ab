"""Adam moves values as PyTorch's own classes do, bit for bit, and brings no compiler along."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from experiments.adam import Adam
from experiments.checkpoint import resume

RATES = [0.01, 0.2, 0.05, 0.0]


def some() -> list[Tensor]:
    """Values of several shapes, of which the third never gets a gradient."""
    drawn = torch.Generator().manual_seed(0)
    shapes = [(5, 7), (), (3,), (300,)]
    return [torch.randn(each, generator=drawn).requires_grad_() for each in shapes]


def learn(values: list[Tensor]) -> None:
    """Give all but the third value gradients that differ from place to place."""
    matrix, one, _, many = values
    ((matrix @ matrix.T).sin().sum() * one + (many * one).cosh().sum()).backward()


def expected(optimiser: torch.optim.Optimizer, values: list[Tensor]) -> list[Tensor]:
    """Where PyTorch's own optimiser leaves the values."""
    for rate in RATES:
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        learn(values)
        optimiser.step()
    return values


def moved(optimiser: Adam) -> list[Tensor]:
    for rate in RATES:
        optimiser.zero_grad()
        learn(optimiser.values)
        optimiser.step(rate)
    return optimiser.values


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("fused", [True, False])
def test_values_move_as_pytorch_moves_them(decay: float, fused: bool) -> None:
    values = some()
    theirs = expected(torch.optim.AdamW(values, weight_decay=decay, fused=fused), values)
    assert same(moved(Adam(some(), decay, fused=fused)), theirs)
    assert not same(theirs, some())


def test_without_decay_it_is_plain_adam() -> None:
    values = some()
    theirs = expected(torch.optim.Adam(values, fused=False), values)
    assert same(moved(Adam(some(), fused=False)), theirs)


def test_it_goes_on_from_what_pytorch_saved(tmp_path: Path) -> None:
    """A checkpoint holds each value's state under the names of PyTorch's own optimiser."""
    values = some()
    theirs = torch.optim.AdamW(values, weight_decay=0.1, fused=True)
    expected(theirs, values)
    tensors = {f"now/{i}": value.detach().clone() for i, value in enumerate(values)}
    for i, state in theirs.state_dict()["state"].items():
        tensors |= {f"adam/{i}/{name}": each.clone() for name, each in state.items()}
    save_file(tensors, tmp_path / "checkpoint.safetensors", metadata={"history": "[0.5]"})

    ours = Adam(some(), 0.1)
    history, _ = resume({str(i): each for i, each in enumerate(ours.values)}, ours, tmp_path)
    assert history == [0.5]
    assert same(moved(ours), expected(theirs, values))


TRAINING = """
import sys
from pathlib import Path
import torch
from experiments.data.dataset import Dataset, Split
from experiments.population import train_together
from experiments.recipe import Recipe
from experiments.training import train
from networks import wiring_named
from sim import brian  # as replicas and networks of cells do, before one of them runs

split = Split(torch.rand(20, 1, 28, 28), torch.arange(20) % 10)
data, out = Dataset("made up", split, split, split, ""), Path(sys.argv[1])
usual, coded = Recipe(epochs=1, batch=10, rate=1e-3), Recipe(
    epochs=1, batch=10, rate=1e-3, autoencoder=1
)
train(wiring_named("FC10"), usual, data, 0, checkpoint=out / "alone")
train(wiring_named("AE400-10"), coded, data, 0, checkpoint=out / "coded")
train_together(wiring_named("FC10"), usual, data, [0, 1], checkpoint=out / "together")
print(sorted({"torch._dynamo", "scipy.stats", "brian2"} & set(sys.modules)))
"""


def test_training_imports_nothing_heavy_that_it_does_not_need(tmp_path: Path) -> None:
    """Each worker process would spend more on it than on many a training."""
    words = [sys.executable, "-c", TRAINING, str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["[]"]
