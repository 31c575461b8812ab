"""Triton's kernels against the plain step: on a GPU, or played on the CPU by Triton itself."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.training_step import lively
from networks import BlindspotsError, SpikingUnit, from_toml, wiring_named
from sim import Network
from sim.engine import ENVIRONMENT
from sim.population import Population
from sim.whole.answers import fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = """
name = "small"
steps = 6
areas = [
  { name = "input", shape = [1, 5, 4], unit = { model = "input" } },
  { name = "a", shape = [7], unit = { model = "lif", beta = 0.7, threshold = 0.4, slope = 3.0 } },
  { name = "b", shape = [6], unit = { model = "lif", beta = 0.9, surrogate = "atan" } },
  { name = "c", shape = [6], unit = { model = "rate", activation = "tanh", leak = 0.3 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity", leak = 0.5 } },
]
projections = [
  { source = "input", target = "a" },
  { source = "input", target = "b", kind = "skip", delay = 2 },
  { source = "a", target = "b" },
  { source = "a", target = "a", kind = "lateral", pattern = { model = "one-to-one" } },
  { source = "b", target = "a", kind = "top-down", delay = 2 },
  { source = "c", target = "a", kind = "top-down" },
  { source = "b", target = "c", pattern = { model = "one-to-one" } },
  { source = "b", target = "output" },
  { source = "c", target = "output", delay = 2 },
]
"""
GRIDS = """
name = "grids"
steps = 5
areas = [
  { name = "input", shape = [1, 6, 5], unit = { model = "input" } },
  { name = "a", shape = [3, 6, 5], unit = { model = "lif", beta = 0.7, threshold = 0.4 } },
  { name = "b", shape = [2, 3, 3], unit = { model = "lif", beta = 0.9, threshold = 0.3 } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "a", pattern = { model = "convolution", kernel = 3 } },
  { source = "a", target = "b", pattern = { model = "convolution", kernel = 3, stride = 2 } },
  { source = "a", target = "a", kind = "lateral", pattern = { model = "one-to-one" } },
  { source = "b", target = "b", kind = "lateral", pattern = { model = "convolution", kernel = 3 } },
  { source = "b", target = "a", kind = "top-down", pattern = { DOWN } },
  { source = "b", target = "output" },
]
""".replace("DOWN", 'model = "convolution", kernel = 3, stride = 2, upward = false')


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's kernels; skip where they are not there, or were taken up for no GPU."""
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    try:
        fused()
    except BlindspotsError as error:
        pytest.skip(str(error))


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)


def taken(model: Network | Population, shown: Tensor) -> list[Tensor]:
    """Logits, and gradients by images and all parameters."""
    shown = shown.clone().requires_grad_()
    logits = model(shown)
    labels = torch.arange(logits[..., 0].numel(), device=DEVICE) % logits.shape[-1]
    loss = cross_entropy(logits.flatten(0, -2), labels, reduction="sum")
    return [logits.detach(), *torch.autograd.grad(loss, [shown, *model.values.values()])]


def agree(model: Network | Population, shown: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.whole.pointwise import membrane

    plain = taken(model, shown)
    asked = []

    def watched(*given: Any) -> tuple[Tensor, Tensor]:
        asked.append(given)
        return membrane(*given)

    monkeypatch.setattr("sim.whole.fused.membrane", watched)
    monkeypatch.setenv(ENVIRONMENT, "triton")
    for one, other in zip(taken(model, shown), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert other.abs().max() > 0
    spiking = any(isinstance(area.unit, SpikingUnit) for area in model.wiring.areas)
    assert bool(asked) == spiking


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize("shape", [(5, 1, 5, 4), (6, 5, 1, 5, 4)], ids=["images", "a movie"])
def test_one_network(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    agree(lively(from_toml(SMALL)).to(DEVICE), pictures(*shape), monkeypatch)


@pytest.mark.usefixtures("triton")
def test_a_population(monkeypatch: pytest.MonkeyPatch) -> None:
    individuals = [lively(from_toml(SMALL), seed).to(DEVICE) for seed in (1, 2, 3)]
    agree(Population(individuals), pictures(3, 5, 1, 5, 4), monkeypatch)


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize("is_many", [False, True], ids=["one", "a population"])
def test_grids(is_many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    individuals = [lively(from_toml(GRIDS), seed).to(DEVICE) for seed in (1, 2, 3)]
    model = Population(individuals) if is_many else individuals[0]
    agree(model, pictures(*[3][:is_many], 4, 1, 6, 5), monkeypatch)


@pytest.mark.usefixtures("triton")
def test_tables_longer_than_a_block() -> None:
    from sim.whole.pointwise import by_membrane, membrane

    before, arrived = pictures(2, 9, 70), pictures(2, 9, 70) - 0.5
    for base in (pictures(2, 1, 70), pictures(2, 9, 70)):
        for more in (arrived, None):
            u, out = membrane(base, more, before, 0.9, 0.6)
            expected = base + 0.9 * before - 0.6 * (before > 0.6) + (0 if more is None else more)
            torch.testing.assert_close(u, expected)
            assert torch.equal(out, (u > 0.6).float())
    gradient = pictures(2, 9, 70) - 0.3
    expected = gradient / (1 + 25 * (before - 0.6).abs()).square() + 0.9 * arrived
    by_membrane(before, arrived, 0.6, 25.0, 0.9, gradient)
    torch.testing.assert_close(gradient, expected)


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from sim.whole import pointwise

H200 = GPUTarget("cuda", 90, 32)
INTEGERS = ("count", "rows", "units")
TABLES = ("base", "arrived", "before", "u", "out", "later", "gradient")


def compiled(kernel, **fixed):
    kinds = dict.fromkeys(kernel.arg_names, "fp32") | dict.fromkeys(fixed, "constexpr")
    kinds |= {n: "i32" for n in kernel.arg_names if n in INTEGERS}
    kinds |= {n: "*fp32" for n in kernel.arg_names if n in TABLES}
    return triton.compile(ASTSource(kernel, kinds, fixed), target=H200).asm["cubin"]


for arrives in (True, False):
    for is_shared in (True, False):
        assert compiled(pointwise._membrane, ARRIVES=arrives, IS_SHARED=is_shared, BLOCK=1024)
assert compiled(pointwise._by_membrane, BLOCK=1024)
"""


@pytest.mark.slow
def test_triton_compiles_the_kernels_for_an_h200(tmp_path: Path) -> None:
    """Where there is none: in another process, since here Triton may play them."""
    pytest.importorskip("triton")
    (tmp_path / "compiled.py").write_text(COMPILED)
    root = str(Path(__file__).parents[2])
    clean = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    subprocess.run(
        [sys.executable, tmp_path / "compiled.py"],
        env={**clean, "PYTHONPATH": root, "TRITON_CACHE_DIR": str(tmp_path / "cache")},
        check=True,
    )


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device is available to PyTorch")
@pytest.mark.parametrize(
    "name", ["fc-blt", "fc-blt-spiking", "fc-blt-modular-spiking", "conv-blt-spiking"]
)
@pytest.mark.usefixtures("triton")
def test_networks_of_the_catalogue(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(lively(wiring_named(name)).to(DEVICE), pictures(64, 1, 28, 28), monkeypatch)
