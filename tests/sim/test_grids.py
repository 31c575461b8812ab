"""Networks with grids as one function, against the plain step and automatic differentiation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks.training_step import lively
from networks import Convolution, OneToOne, RateUnit, SpikingUnit, Wiring, wiring_named
from networks.catalogue import NAMES
from sim import Network
from sim.unroll import potentials
from sim.whole import answers, is_flat

Wire = Callable[..., Wiring]
HIDDEN = {
    "a": ((3, 6, 5), SpikingUnit(beta=0.7, threshold=0.4)),
    "b": ((2, 3, 3), RateUnit(activation="tanh", leak=0.3)),
}
ARROWS = {
    "input>a": {"pattern": Convolution(kernel=3)},
    "a>a": {"pattern": OneToOne(), "delay": 2},
    "a>b": {"pattern": Convolution(kernel=3, stride=2)},
    "b>b": 1,
    "b>a": {"pattern": Convolution(kernel=5, stride=2, upward=False), "kind": "top-down"},
    "a>output": 2,
    "b>output": 1,
}
CONVOLUTIONAL = ("conv-blt-spiking", "conv-blt-modular")


def found(network: Network, images: Tensor, unroll: Callable[..., Tensor]) -> list[Tensor]:
    """Potentials, and gradients by images and parameters."""
    shown = images.clone().requires_grad_()
    network.generator = torch.Generator().manual_seed(3)
    rows = unroll(network.circuit(), network.frames(shown))
    weights = torch.rand(rows.shape, generator=torch.Generator().manual_seed(2), dtype=rows.dtype)
    given = [shown, *network.values.values()]
    return [rows.detach(), *torch.autograd.grad((rows * weights).sum(), given)]


def networks(wire: Wire) -> list[Network]:
    """One with every kind of projection between grids, and two of the catalogue; all active."""
    mixed = wire(HIDDEN, ARROWS, steps=7, inputs=(2, 6, 5), outputs=3)
    return [lively(each) for each in (mixed, *map(wiring_named, CONVOLUTIONAL))]


def images_of(network: Network) -> Tensor:
    return torch.rand(3, *network.wiring.input.shape, generator=torch.Generator().manual_seed(1))


def test_the_same_bits_as_step_by_step(wire: Wire) -> None:
    for network in networks(wire):
        images = images_of(network)
        whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
        assert all(each.abs().max() > 0 for each in plain)
        assert all(torch.equal(*pair) for pair in zip(whole, plain, strict=True))


@pytest.mark.usefixtures("compiled")
def test_channels_last(wire: Wire) -> None:
    for network in networks(wire):
        images = images_of(network)
        whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
        for one, other in zip(whole, plain, strict=True):
            torch.testing.assert_close(one / other.abs().max(), other / other.abs().max())
        assert not all(torch.equal(*pair) for pair in zip(whole, plain, strict=True))


@pytest.mark.usefixtures("by")
def test_a_frugal_one_has_the_same_gradients(wire: Wire) -> None:
    for network in networks(wire):
        images = images_of(network)
        frugal = Network(network.wiring, dict(network.values.items()), is_frugal=True)
        gradients = [
            torch.autograd.grad(each(images).square().sum(), list(each.values.values()))
            for each in (network, frugal)
        ]
        assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if not is_flat(wiring_named(name))])
def test_every_one_of_the_catalogue(name: str) -> None:
    network = Network.initial(wiring_named(name), 0)
    images = images_of(network)
    whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
    assert all(torch.equal(*pair) for pair in zip(whole, plain, strict=True))
