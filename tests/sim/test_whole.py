"""The loop as one function against the plain step and automatic differentiation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.training_step import lively
from networks import BlindspotsError, SpikingUnit, Wiring, from_toml, wiring_named
from networks.catalogue import NAMES
from sim import Network, run
from sim.unroll import potentials
from sim.whole import answers, is_flat
from sim.whole.plan import last_steps

MIXED = """
name = "mixed"
steps = 9
areas = [
  { name = "input", shape = [1, 5, 4], unit = { model = "input" } },
  { name = "a", shape = [7], unit = { model = "lif", beta = 0.7, threshold = 0.4, slope = 3.0 } },
  { name = "b", shape = [6], unit = { model = "rate", activation = "tanh", leak = 0.3 } },
  { name = "c", shape = [6], unit = { model = "rate", activation = "sigmoid" } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity", leak = 0.5 } },
]
projections = [
  { source = "input", target = "a" },
  { source = "input", target = "b", kind = "skip", delay = 2 },
  { source = "a", target = "b" },
  { source = "a", target = "a", kind = "lateral", pattern = { model = "one-to-one" } },
  { source = "b", target = "a", kind = "top-down", delay = 3 },
  { source = "b", target = "c", pattern = { model = "one-to-one" } },
  { source = "c", target = "c", kind = "lateral", pattern = { model = "sparse", density = 0.5 } },
  { source = "b", target = "output" },
  { source = "c", target = "output", delay = 2 },
]
"""
SURROGATES = ("fast_sigmoid", "atan", "sigmoid", "straight_through_estimator")
FLAT = [name for name in NAMES if is_flat(wiring_named(name))]


def both(network: Network, stimulus: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
    """Potentials, and gradients of stimulus and parameters, step by step and as one function."""
    found = []
    classes = network.wiring.area(network.wiring.output).size
    images = len(network.frames(stimulus)[0])
    labels = torch.arange(images) % classes
    for unroll in (potentials, answers):
        shown = stimulus.clone().requires_grad_()
        network.generator = torch.Generator().manual_seed(3)
        network.zero_grad()
        rows = unroll(network.circuit(), network.frames(shown))
        weights = torch.linspace(1, 2, len(rows), dtype=rows.dtype)[:, None, None]
        cross_entropy((rows * weights).mean(0), labels).backward()
        given = [shown, *network.values.values()]
        found.append(
            (rows.detach(), [torch.zeros(()) if g.grad is None else g.grad.clone() for g in given])
        )
    return found


def agree(network: Network, stimulus: Tensor) -> None:
    (plain, by_hand), (whole, by_function) = both(network, stimulus)
    for one, other in zip((whole, *by_function), (plain, *by_hand), strict=True):
        scale = max(1.0, float(other.abs().max()))  # sums of large numbers are rounded as much
        torch.testing.assert_close(one / scale, other / scale)
    assert by_hand[0].abs().max() > 0


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "name",
    [
        *("fc-blt", "fc-bt-modular", "fc-blt-spiking", "fc-blt-modular-spiking", "fc-b-spiking"),
        *("fc-blt-spiking-poisson", "fc-blt-spiking-latency", "fc-blt-sparse"),
    ],
)
@pytest.mark.usefixtures("by")
def test_networks_of_the_catalogue(name: str) -> None:
    wiring = wiring_named(name)
    assert is_flat(wiring)
    agree(lively(wiring), pictures(8, 1, 28, 28))


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", FLAT)
def test_every_flat_network_of_the_catalogue_on_the_compiled_engine(name: str) -> None:
    agree(lively(wiring_named(name)), pictures(16, 1, 28, 28))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is available to PyTorch")
@pytest.mark.parametrize("name", ["fc-blt", "fc-blt-spiking"])
def test_networks_on_cuda(name: str) -> None:
    agree(lively(wiring_named(name)).cuda(), pictures(8, 1, 28, 28).cuda())


@pytest.mark.usefixtures("compiled")
def test_tanh_keeps_its_digits_from_nought_on() -> None:
    """Beside double precision, where one minus nearly one would keep none."""
    network = Network.initial(from_toml(MIXED), 0)
    with torch.no_grad():
        for name, value in network.values.items():
            value.fill_(1 if name == "weight/b>output" else 0)
        network.values["weight/input>b"].fill_(1)
    images = torch.logspace(-9, 0, 200)[:, None, None, None].expand(-1, 1, 5, 4) / 20
    found = answers(network.circuit(), network.frames(images)).detach()
    exact = answers(network.double().circuit(), network.frames(images.double())).detach()
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


@pytest.mark.usefixtures("by")
@pytest.mark.parametrize("readout", ["mean", "last"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_all_units_patterns_and_delays(surrogate: str, readout: str) -> None:
    wiring = from_toml(MIXED.replace("slope = 3.0", f'slope = 3.0, surrogate = "{surrogate}"'))
    network = lively(wiring.replace(readout=readout))
    agree(network, pictures(6, 1, 5, 4))
    agree(network, pictures(9, 6, 1, 5, 4))  # a movie


def test_gradients_are_those_of_finite_differences() -> None:
    """Of a network whose units are smooth, in double precision."""
    lif = 'model = "lif", beta = 0.7, threshold = 0.4, slope = 3.0'
    smooth = 'model = "rate", activation = "tanh", leak = 0.6'
    wiring = from_toml(MIXED.replace(lif, smooth))
    network = Network.initial(wiring, 0).double()
    names = list(network.values)

    def answer(images: Tensor, *values: Tensor) -> Tensor:
        circuit = network.circuit()._replace(values=dict(zip(names, values, strict=True)))
        return answers(circuit, network.frames(images))

    given = [pictures(2, 1, 5, 4).double(), *(v.detach().clone() for v in network.values.values())]
    assert torch.autograd.gradcheck(answer, [each.requires_grad_() for each in given])


@pytest.mark.usefixtures("by")
def test_no_images_have_no_gradients_but_noughts() -> None:
    """Though steps that all images share have their row."""
    mixed = from_toml(MIXED)
    for projections in (mixed.projections, mixed.projections[::-1]):  # the shared come last; first
        network = lively(mixed.replace(projections=projections))
        rows = answers(network.circuit(), network.frames(pictures(0, 1, 5, 4)))
        assert rows.shape[1:] == (0, 3)
        for gradient in torch.autograd.grad(rows.sum(), list(network.values.values())):
            assert not gradient.any()


@pytest.mark.usefixtures("compiled")
def test_the_compiled_engine_does_what_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> None:
        raise BlindspotsError("It was asked.")

    monkeypatch.setattr("sim.whole.compiled.library", asked)
    network, images = lively(from_toml(MIXED)), pictures(2, 1, 5, 4)
    with pytest.raises(BlindspotsError, match="It was asked"):
        network(images)
    network.double()(images.double())  # which is left to plain torch


@pytest.mark.usefixtures("by")
def test_an_attack_leaves_parameters_without_a_gradient() -> None:
    network = lively(wiring_named("fc-blt-spiking")).requires_grad_(False)
    images = pictures(4, 1, 28, 28).requires_grad_()
    network(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert all(value.grad is None for value in network.values.values())


@pytest.mark.usefixtures("by")
def test_what_no_gradient_is_wanted_of_leaves_nothing_behind() -> None:
    network = lively(wiring_named("fc-blt-spiking"))
    images = pictures(4, 1, 28, 28)
    with torch.no_grad():
        unasked = network(images)
    asked = network(images)
    assert asked.grad_fn is not None
    torch.testing.assert_close(unasked, asked)
    assert unasked.grad_fn is None


def test_a_gradient_of_the_gradient_is_refused() -> None:
    images = pictures(2, 1, 28, 28).requires_grad_()
    network = lively(wiring_named("fc-blt"))
    (gradient,) = torch.autograd.grad(network(images).square().sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.usefixtures("by")
def test_the_way_back_can_be_gone_twice() -> None:
    network = lively(wiring_named("fc-blt-spiking"))
    loss = network(pictures(4, 1, 28, 28)).square().sum()
    values = list(network.values.values())
    once = torch.autograd.grad(loss, values, retain_graph=True)
    for one, other in zip(torch.autograd.grad(loss, values), once, strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("by")
def test_images_and_gradients_may_lie_in_memory_in_any_order() -> None:
    network = lively(from_toml(MIXED))
    images = pictures(6, 1, 5, 4)
    strewn = images.flatten(1).T.contiguous().T.reshape(images.shape)
    values = list(network.values.values())
    found = answers(network.circuit(), network.frames(images))
    same = answers(network.circuit(), network.frames(strewn))
    assert torch.equal(found, same)
    gradient = pictures(*found.shape)
    other = gradient.transpose(1, 2).contiguous().transpose(1, 2)
    assert not other.is_contiguous()
    once = torch.autograd.grad(found, values, gradient)
    for one, another in zip(torch.autograd.grad(same, values, other), once, strict=True):
        assert torch.equal(one, another)


@pytest.mark.usefixtures("compiled")
def test_a_potential_that_is_no_number_stays_so() -> None:
    network = lively(wiring_named("fc-blt-spiking"))
    with torch.no_grad():
        network.values["bias/h2"][0] = torch.nan
    logits = network(pictures(4, 1, 28, 28))
    (gradient,) = torch.autograd.grad(logits.sum(), [network.values["weight/h1>h2"]])
    assert gradient[0].isnan().any()


def test_what_can_no_longer_reach_the_answer() -> None:
    wiring = from_toml(MIXED)
    last = last_steps(wiring)
    end = wiring.steps - 1
    assert last == {"output": end, "c": end - 2, "b": end - 1, "a": end - 2, "input": end - 3}


Wire = Callable[..., Wiring]


def pair(wire: Wire, units: int, bias: float) -> Network:
    """Spiking units that drive themselves and a few rate units, which drive them back."""
    arrows = {"input>a": 1, "a>a": 2, "a>output": 1, "output>a": {"kind": "top-down"}}
    wiring = wire({"a": (units, SpikingUnit())}, arrows, steps=6, inputs=9, outputs=5)
    network = Network.initial(wiring, 0)
    with torch.no_grad():
        network.values["bias/a"].fill_(bias)
    return network


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("bias", [0.2, 0.9], ids=["few spikes", "many spikes"])
@pytest.mark.parametrize(("images", "units"), [(1, 31), (130, 75), (300, 3)])
def test_blocks_and_tiles_that_are_not_full(
    images: int, units: int, bias: float, wire: Wire
) -> None:
    network, shown = pair(wire, units, bias), pictures(images, 9)
    rate = float(run(network, shown, record=["a"], quantities=["output"])["a.output"].mean())
    assert rate > 0.5 if bias > 0.5 else 0 < rate < 0.4
    agree(network, shown)


@pytest.mark.usefixtures("compiled")
def test_threads_change_no_bit(wire: Wire) -> None:
    network, shown, found = pair(wire, 75, 0.2), pictures(300, 9), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            potential = answers(network.circuit(), network.frames(shown))
            found.append(torch.autograd.grad(potential.square().mean(), [*network.values.values()]))
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(*each) for each in zip(*found, strict=True))
