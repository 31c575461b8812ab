"""Networks with grids as one function, against the plain step and automatic differentiation."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from benchmarks.training_step import lively
from networks import Convolution, OneToOne, RateUnit, SpikingUnit, Wiring, wiring_named
from networks.catalogue import NAMES
from sim import Network, run
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
GRIDS = [name for name in NAMES if not is_flat(wiring_named(name))]
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


def alike(whole: Sequence[Tensor], plain: Sequence[Tensor]) -> None:
    for one, other in zip(whole, plain, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one / other.abs().max(), other / other.abs().max())


@pytest.mark.usefixtures("compiled")
def test_the_compiled_engine(wire: Wire) -> None:
    for network in networks(wire):
        images = images_of(network)
        whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
        alike(whole, plain)
        assert not all(torch.equal(*pair) for pair in zip(whole, plain, strict=True))


def two_grids(
    wire: Wire, channels: tuple[int, int], sides: tuple[int, int], kernel: int, stride: int
) -> Network:
    """Grids, two that spike, that send convolutions up, down and to themselves.

    Weights are few bits long, so that sums are exact whatever their order. Those upward excite:
    the brighter an image, the more units spike.
    """
    coarse = [-(-side // stride) for side in sides]
    strided = Convolution(kernel=kernel, stride=stride)
    hidden = {
        "a": ((channels[0], *sides), SpikingUnit(beta=0.5, threshold=0.5)),
        "b": ((channels[1], *coarse), SpikingUnit(beta=0.5, threshold=0.25)),
        "c": ((channels[1], *coarse), RateUnit(activation="relu", leak=0.5)),
    }
    arrows = {
        "input>a": {"pattern": Convolution(kernel=3)},
        "a>a": {"pattern": Convolution(kernel=kernel), "delay": 2},
        "a>b": {"pattern": strided},
        "b>a": {"pattern": strided.model_copy(update={"upward": False}), "kind": "top-down"},
        "b>c": {"pattern": Convolution(kernel=kernel)},
        "c>a": {"pattern": strided.model_copy(update={"upward": False}), "kind": "top-down"},
        "a>c": {"pattern": strided},
        "b>output": 1,
        "c>output": 1,
    }
    wiring = wire(hidden, arrows, steps=6, inputs=(1, *sides), outputs=3)
    network = Network.initial(wiring, 0)
    with torch.no_grad():
        for value in network.values.values():
            value.copy_((value * 128).round() / 64)
        for name in ("weight/input>a", "weight/a>b"):
            network.values[name].abs_()
        network.values["bias/a"].zero_()
    return network


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    ("channels", "sides", "kernel", "stride"),
    [
        ((9, 3), (1, 1), 1, 1),
        ((3, 5), (4, 3), 3, 1),
        ((16, 8), (6, 6), 3, 2),
        ((8, 40), (5, 7), 3, 2),
        ((33, 4), (3, 3), 5, 1),
        ((4, 34), (7, 2), 5, 2),
        ((2, 3), (7, 5), 5, 3),
        ((2, 16), (5, 6), 1, 2),
        ((2, 2), (2, 3), 7, 3),
    ],
)
def test_grids_of_all_sizes(
    channels: tuple[int, int], sides: tuple[int, int], kernel: int, stride: int, wire: Wire
) -> None:
    network = two_grids(wire, channels, sides, kernel, stride)
    images = torch.rand(14, 1, *sides, generator=torch.Generator().manual_seed(1))
    images = (images * torch.linspace(0, 64, 14)[:, None, None, None]).round() / 16
    active = run(network, images, record=["a"], quantities=["output"])["a.output"]
    rates = active.mean("a.unit").max("time")
    assert rates.min() < 0.5 <= rates.max()  # sums of few spikes, and products
    whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
    assert torch.equal(whole[0], plain[0])
    alike(whole, plain)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("upward", [True, False])
def test_an_input_of_which_strides_leave_places_out(upward: bool, wire: Wire) -> None:
    """Of which, with few channels side by side, oneDNN's way back would write past its memory."""
    pattern = Convolution(kernel=1, stride=3, upward=upward)
    fine, coarse = (12, 12), (4, 4)
    wiring = wire(
        {"a": ((3, *(coarse if upward else fine)), RateUnit(activation="tanh"))},
        {"input>a": {"pattern": pattern}, "a>a": {"pattern": OneToOne()}, "a>output": 1},
        steps=4,
        inputs=(1, *(fine if upward else coarse)),
        outputs=3,
    )
    network = lively(wiring)
    images = images_of(network)
    plain = found(network, images, potentials)
    for _ in range(20):  # of which one would have hit memory that is in use
        whole = found(network, images, answers)
    alike(whole, plain)


@pytest.mark.usefixtures("compiled")
def test_threads_change_no_bit(wire: Wire) -> None:
    """Of the loop, to which the drive from the input is exact; its gradients are PyTorch's."""
    network, gradients = two_grids(wire, (16, 8), (6, 6), 3, 2), []
    images = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            gradients.append(found(network, (16 * images).round() / 16, answers))
    finally:
        torch.set_num_threads(1)
    names = ["potentials", "images", *network.values]
    for name, one, other in zip(names, *gradients, strict=True):
        assert torch.equal(one, other) or name in ("images", "weight/input>a")


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
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", GRIDS)
def test_every_one_of_the_catalogue_on_the_compiled_engine(name: str) -> None:
    network = lively(wiring_named(name))
    images = images_of(network)
    one, other = (found(network, images, unroll)[0] for unroll in (answers, potentials))
    same = (one - other).abs().amax((0, 2)) < 1e-4  # but where rounding tips a spike over
    assert same.sum() >= len(images) - 1
    alike(*(found(network, images[same], unroll) for unroll in (answers, potentials)))


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_every_one_of_the_catalogue(name: str) -> None:
    network = Network.initial(wiring_named(name), 0)
    images = images_of(network)
    whole, plain = (found(network, images, unroll) for unroll in (answers, potentials))
    assert all(torch.equal(*pair) for pair in zip(whole, plain, strict=True))
