"""Spiking areas are snnTorch's ``Leaky``: same spikes, membranes and gradients, in float64."""

import gc

import numpy as np
import pytest
import snntorch as snn
import torch
from snntorch import surrogate
from snntorch._neurons.neurons import SpikingNeuron

from networks import SpikingUnit, wiring_named
from sim import Network, run

# snnTorch multiplies its float32 reset with the threshold: choose one that float32 can hold.
BETA, THRESHOLD, SLOPE = 0.85, 0.75, 3.0
SURROGATES = {
    "fast_sigmoid": surrogate.fast_sigmoid(SLOPE),
    "atan": surrogate.atan(SLOPE),
    "sigmoid": surrogate.sigmoid(SLOPE),
    "straight_through_estimator": surrogate.straight_through_estimator(),
}


def unit(name="fast_sigmoid"):
    return SpikingUnit(beta=BETA, threshold=THRESHOLD, surrogate=name, slope=SLOPE)


def leaky(name="fast_sigmoid"):
    """snnTorch's neuron with its constants in float64; it would round them to float32."""
    return snn.Leaky(
        beta=torch.tensor(BETA, dtype=torch.float64),
        threshold=torch.tensor(THRESHOLD, dtype=torch.float64),
        spike_grad=SURROGATES[name],
        reset_mechanism="subtract",
        reset_delay=True,
    )


def fed_by_hand(network, movie, name="fast_sigmoid"):
    """The wiring's areas as one snnTorch neuron each, fed with what arrived, in a plain loop."""
    wiring, values = network.wiring, network.values
    neurons = {a.name: leaky(name) for a in wiring.areas if a.unit.model == "lif"}
    membrane = dict.fromkeys(neurons)
    spikes = {area: [] for area in neurons} | {"input": list(movie)}
    potentials = {area: [] for area in (*neurons, "output")}
    for t in range(wiring.steps):
        drives = {}
        for area in (*neurons, "output"):
            drive = values[f"bias/{area}"].expand(movie.shape[1], -1)
            for p in wiring.projections:
                if p.target == area and t >= p.delay:
                    drive = drive + spikes[p.source][t - p.delay] @ values[f"weight/{p.name}"].T
            drives[area] = drive
        for area, neuron in neurons.items():
            spike, membrane[area] = neuron(drives[area], membrane[area])
            spikes[area].append(spike.double())
            potentials[area].append(membrane[area])
        potentials["output"].append(drives["output"])
    return spikes, potentials


@pytest.fixture
def movie():
    generator = torch.Generator().manual_seed(3)
    return torch.rand((30, 5, 3), generator=generator, dtype=torch.float64)


@pytest.fixture
def feedforward(wire):
    arrows = {"input>a": 1, "a>b": 1, "b>output": 1}
    return wire({"a": (4, unit()), "b": (4, unit())}, arrows, steps=30, inputs=3, outputs=2)


@pytest.mark.parametrize("shape", ["feedforward", "recurrent"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_same_spikes_and_membranes(simulator, drawn, loops, feedforward, movie, shape, seed):
    wiring = feedforward if shape == "feedforward" else loops(unit(), steps=30)
    network = drawn(wiring, seed, scale=1.5)
    found = simulator(network, movie)
    spikes, potentials = fed_by_hand(network, movie)
    for area in ("a", "b"):
        expected = torch.stack(spikes[area]).detach().numpy()
        assert 0.02 < expected.mean() < 0.9
        np.testing.assert_array_equal(found[f"{area}.output"], expected)
    for area, steps in potentials.items():
        expected = torch.stack(steps).detach().numpy()
        np.testing.assert_allclose(found[f"{area}.potential"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SURROGATES)
def test_same_gradient_through_the_whole_loop(drawn, loops, movie, name):
    network = drawn(loops(unit(name), steps=30), seed=1, scale=1.5)
    inputs = movie.clone().requires_grad_()
    network(inputs).pow(2).sum().backward()
    ours = {k: v.grad.clone() for k, v in network.values.items()}

    twin = movie.clone().requires_grad_()
    network.zero_grad()
    _, potentials = fed_by_hand(network, twin, name)
    first = 4  # input>a, a>output: 1 + 3 steps; by way of b: 1 + 2 + 1
    torch.stack(potentials["output"][first:]).mean(0).pow(2).sum().backward()
    pairs = [(ours[key], value.grad) for key, value in network.values.items()]
    for mine, expected in [(inputs.grad, twin.grad), *pairs]:  # surrogates round to float32
        scale = expected.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-6 * scale)


SLOPES = {
    "fast_sigmoid": lambda x: 1 / (1 + SLOPE * np.abs(x)) ** 2,
    "atan": lambda x: SLOPE / 2 / (1 + (np.pi / 2 * SLOPE * x) ** 2),
    "sigmoid": lambda x: SLOPE * np.exp(-SLOPE * x) / (1 + np.exp(-SLOPE * x)) ** 2,
    "straight_through_estimator": np.ones_like,
}


@pytest.mark.parametrize("name", SURROGATES)
def test_gradient_of_one_step(wire, weighted, name):
    """d out / d drive of a single spike: snnTorch's own, and the published formula."""
    inputs = np.linspace(-2, 2, 9)
    wiring = wire({"a": (1, unit(name))}, {"input>a": 1, "a>output": 1}, steps=3)
    network = weighted(wiring, {"input>a": 1, "a>output": 1})
    images = torch.tensor(inputs[:, None], requires_grad=True)
    network(images).sum().backward()

    drive = torch.tensor(inputs[:, None], requires_grad=True)
    leaky(name)(drive)[0].sum().backward()
    np.testing.assert_allclose(images.grad, drive.grad, rtol=1e-6)
    np.testing.assert_allclose(images.grad[:, 0], SLOPES[name](inputs - THRESHOLD), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spikes_keep_the_dtype(wire, weighted, dtype):
    wiring = wire({"a": (1, unit())}, {"input>a": 1, "a>output": 1}, steps=3)
    network = weighted(wiring, {"input>a": 1, "a>output": 1}, dtype)
    assert network(torch.ones((1, 1), dtype=dtype)).dtype == dtype
    assert run(network, torch.ones((1, 1), dtype=dtype))["a.output"].dtype == str(dtype)[6:]


def test_nothing_is_left_in_snntorchs_list_of_neurons():
    """snnTorch keeps every neuron that was ever built alive; our networks add none."""
    gc.collect()
    before = len(SpikingNeuron.instances)
    network = Network.initial(wiring_named("fc-blt-spiking"), seed=0)
    network(torch.rand(1, 1, 28, 28)).sum().backward()
    run(network, torch.rand(1, 1, 28, 28))
    assert len(SpikingNeuron.instances) == before
    leaky()
    assert len(SpikingNeuron.instances) == before + 1
