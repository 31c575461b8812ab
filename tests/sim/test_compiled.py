"""The compiled loop where plain torch is no oracle: blocks, tiles, threads, and how it is built."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from networks import BlindspotsError, from_toml
from sim import Network, run
from sim.engine import ENVIRONMENT
from sim.unroll import potentials
from sim.whole import answers, kernels

PAIR = """
name = "pair"
steps = 6
areas = [
  { name = "input", shape = [1, 3, 3], unit = { model = "input" } },
  { name = "a", shape = [UNITS], unit = { model = "lif" } },
  { name = "b", shape = [9], unit = { model = "rate", activation = "relu", leak = 0.7 } },
  { name = "output", shape = [2], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "a" },
  { source = "a", target = "a", kind = "lateral", delay = 2 },
  { source = "a", target = "b" },
  { source = "b", target = "a", kind = "top-down" },
  { source = "b", target = "output" },
]
"""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the compiled engine; skip where it cannot be built."""
    try:
        kernels.library()
    except BlindspotsError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(ENVIRONMENT, "compiled")


def pair(units: int, bias: float) -> Network:
    network = Network.initial(from_toml(PAIR.replace("UNITS", str(units))), 0)
    with torch.no_grad():
        network.values["bias/a"].fill_(bias)
    return network


def pictures(count: int) -> Tensor:
    return torch.rand(count, 1, 3, 3, generator=torch.Generator().manual_seed(1))


def both(network: Network, images: Tensor) -> list[list[Tensor]]:
    """Potentials, and gradients of images and parameters, step by step and by the engine."""
    found = []
    for unroll in (potentials, answers):
        shown = images.clone().requires_grad_()
        rows = unroll(network.circuit(), network.frames(shown))
        given = [shown, *network.values.values()]
        found.append([rows, *torch.autograd.grad(rows.square().mean(), given)])
    return found


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bias", [0.2, 0.9], ids=["few spikes", "many spikes"])
@pytest.mark.parametrize(("images", "units"), [(1, 31), (65, 32), (130, 75), (300, 3)])
def test_blocks_and_tiles_that_are_not_full(images: int, units: int, bias: float) -> None:
    network, shown = pair(units, bias), pictures(images)
    rate = float(run(network, shown, record=["a"], quantities=["output"])["a.output"].mean())
    assert rate > 0.5 if bias > 0.5 else 0 < rate < 0.4
    for one, other in zip(*both(network, shown), strict=True):
        torch.testing.assert_close(other, one)


@pytest.mark.usefixtures("engine")
def test_threads_change_no_bit() -> None:
    network, shown, before = pair(75, 0.2), pictures(300), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(both(network, shown)[1])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_build_that_fails_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for compiler in ("false", "no-such-compiler"):
        monkeypatch.setenv("CXX", compiler)
        with pytest.raises(BlindspotsError, match=r"could not be built: .*CXX names another"):
            kernels.built(tmp_path / "loop.so")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_build_left_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a compiler is killed half way, and the next one finishes."""
    compiler = tmp_path / "compiler"
    write = '#!/bin/sh\nfor last; do :; done\necho half > "$last"\n'
    monkeypatch.setenv("CXX", str(compiler))
    library = tmp_path / "cache" / "loop.so"
    compiler.write_text(f"{write}kill -9 $$\n")
    compiler.chmod(0o755)
    with pytest.raises(BlindspotsError, match="could not be built"):
        kernels.built(library)
    assert not library.exists()
    compiler.write_text(f'{write}echo whole > "$last"\n')
    assert kernels.built(library).read_text() == "whole\n"
