"""Gradients through time, against finite differences and worked-out derivatives."""

import pytest
import torch

from networks import RateUnit, SpikingUnit
from sim import Network
from sim.parameters import shapes


def as_function(wiring):
    """(images, *values) to logits, for finite differences in every number."""
    names = list(shapes(wiring))

    def logits(images, *values):
        given = dict(zip(names, values, strict=True))
        network = Network(wiring, {name: value.detach() for name, value in given.items()})
        acting = {f"values.{name}": value for name, value in given.items()}
        return torch.func.functional_call(network, acting, (images,))

    return logits


@pytest.mark.parametrize(
    ("readout", "activation", "leak"),  # any two of them in every combination
    [
        ("mean", "tanh", 0.3),
        ("last", "sigmoid", 0.3),
        ("mean", "sigmoid", 1.0),
        ("last", "tanh", 1.0),
    ],
)
def test_whole_loop_against_finite_differences(loops, readout, activation, leak):
    """Images, weights and biases, through lateral, top-down and delayed projections."""
    wiring = loops(RateUnit(activation=activation, leak=leak), 11).replace(readout=readout)
    generator = torch.Generator().manual_seed(0)
    values = [
        torch.randn(shape, generator=generator, dtype=torch.float64).mul_(0.7).requires_grad_()
        for shape in shapes(wiring).values()
    ]
    images = torch.rand((2, 3), generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(as_function(wiring), (images, *values), fast_mode=False)


def test_one_pass_against_finite_differences(wire):
    """The short cut of feedforward wirings, with convolutions both ways and signed weights."""
    unit = RateUnit(activation="tanh")
    conv = {"model": "convolution", "kernel": 3, "stride": 2}
    wiring = wire(
        {"a": ((2, 3, 2), unit, {"excitatory": 0.5}), "b": ((2, 5, 4), unit)},
        {
            "input>a": {"pattern": conv},
            "a>b": {"pattern": conv | {"upward": False}, "sign": "dale"},
            "b>output": 1,
        },
        steps=4,
        inputs=(1, 5, 4),
        outputs=2,
    )
    assert wiring.is_feedforward
    generator = torch.Generator().manual_seed(0)
    values = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes(wiring).values()
    ]
    images = torch.rand((2, 1, 5, 4), generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(as_function(wiring), (images, *values))


def test_surrogate_gradient_through_time(wire, weighted):
    """Two steps of one spiking unit by hand: the membrane carries beta, the reset carries nothing.

    u1 = w x, u2 = beta u1 + w x - s1; the answer is the mean of s1 and s2 of surrogate g:
    d answer / d x = (g(u1) w + g(u2) (beta + 1) w) / 2.
    """
    unit = SpikingUnit(beta=0.5, threshold=1.0, surrogate="fast_sigmoid", slope=2.0)
    wiring = wire({"a": (1, unit)}, {"input>a": 1, "a>output": 1}, steps=4)
    network = weighted(wiring, {"input>a": 1.5, "a>output": 1})
    x = torch.tensor([[0.8]], dtype=torch.float64, requires_grad=True)
    logits = network(x)
    u1 = 1.5 * 0.8
    u2 = 0.5 * u1 + 1.5 * 0.8 - 1
    assert logits.item() == (int(u1 > 1) + int(u2 > 1)) / 2 == 0.5

    def slope(u):
        return 1 / (1 + 2 * abs(u - 1)) ** 2

    logits.backward()
    expected = (slope(u1) * 1.5 + slope(u2) * 1.5 * 1.5) / 2
    assert x.grad.item() == pytest.approx(expected, rel=1e-6)


def test_no_gradient_through_spikes_that_nothing_hears(wire, weighted):
    """A lateral projection is felt in the gradient only if its delay fits into the steps."""
    unit = SpikingUnit(beta=0)
    for delay, heard in ((1, True), (3, False)):
        arrows = {"input>a": 1, "a>a": delay, "a>output": 1}
        network = weighted(
            wire({"a": (1, unit)}, arrows, steps=4),
            {"input>a": 1, "a>a": 1, "a>output": 1, "a": 0.9},
        )
        network(torch.tensor([[0.5]], dtype=torch.float64)).sum().backward()
        gradient = network.values["weight/a>a"].grad
        assert (gradient is not None and gradient.item() > 0) == heard


def test_gradients_of_images_do_not_mix(drawn, loops):
    network = drawn(loops(SpikingUnit(), 20), seed=0, scale=1.5)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand((4, 3), generator=generator, dtype=torch.float64).requires_grad_()
    network(x)[2].sum().backward()
    assert x.grad[2].abs().max() > 0
    assert not x.grad[[0, 1, 3]].any()
