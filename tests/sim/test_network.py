"""One network by every way in: one pass or unrolled, logits or recordings, still or movie."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from networks import NAMES, RateUnit, SpikingUnit, macs, wiring_named
from sim import Network, run
from sim.network import settle
from sim.unroll import potentials

CATALOGUE = (
    "FC100-100-10",
    "AE400-10",
    "fc-blt",
    "fc-blt-modular-spiking",
    "fc-blt-sparse",
    "fc-bt-control-compute",
    "conv-blt",
    "conv-bl-spiking",
    "conv-b-modular",
)


def images(count=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 1, 28, 28), generator=generator, dtype=dtype)


def by_layers(network, x):
    """The plain feedforward network that a chain of dense layers is."""
    areas = network.wiring.areas
    for before, area in pairwise(areas):
        weight = network.values[f"weight/{before.name}>{area.name}"]
        x = x.flatten(1) @ weight.T + network.values[f"bias/{area.name}"]
        if area.name != "output":
            x = {"relu": torch.relu, "sigmoid": torch.sigmoid}[area.unit.activation](x)
    return x


@pytest.mark.parametrize(
    "name", ["FC10", "FC100-100-10", "FC200-200-10", "FC123-456-10", "AE400-10"]
)
def test_szegedys_networks_are_plain_layers(name):
    network = Network.initial(wiring_named(name), seed=1).double()
    torch.testing.assert_close(network(images()), by_layers(network, images()))


def test_a_convolutional_network_is_torchs_layers():
    network = Network.initial(wiring_named("conv-b"), seed=1).double()
    values = network.values
    x = images()
    for name, stride, padding in (("input>h1", 2, 2), ("h1>h2", 2, 1)):
        weight, bias = values[f"weight/{name}"], values[f"bias/{name.split('>')[1]}"]
        x = torch.conv2d(x, weight, bias, stride, padding).relu()
    expected = x.flatten(1) @ values["weight/h2>output"].T + values["bias/output"]
    torch.testing.assert_close(network(images()), expected)


@pytest.mark.parametrize("name", [n for n in NAMES if wiring_named(n).is_feedforward])
def test_one_pass_equals_the_dynamics_once_settled(name):
    """Every feedforward wiring of the catalogue."""
    wiring = wiring_named(name)
    assert macs(wiring) > 0
    network = Network.initial(wiring, seed=2).double()
    circuit, x = network.circuit(), images(2)
    stepped = potentials(circuit, [x] * wiring.steps).mean(0)
    torch.testing.assert_close(settle(circuit, x), stepped, rtol=1e-10, atol=1e-12)


def test_one_pass_with_skips_and_an_area_driven_by_its_bias(wire, drawn):
    """b sums two paths of different delay; c feels no input and still has its say."""
    unit = RateUnit(activation="tanh")
    arrows = {"b>output": 1, "a>b": 3, "input>b": 1, "c>b": 2, "input>a": 2}
    areas = {"b": (3, unit), "c": (2, unit), "a": (4, unit)}
    wiring = wire(areas, arrows, steps=9, inputs=2, outputs=2, readout="last")
    assert wiring.is_feedforward
    network = drawn(wiring, seed=0)
    x = torch.tensor([[0.3, 0.9], [0.1, 0.5]], dtype=torch.float64)
    v = network.values
    a = torch.tanh(x @ v["weight/input>a"].T + v["bias/a"])
    c = torch.tanh(v["bias/c"])
    b = x @ v["weight/input>b"].T + a @ v["weight/a>b"].T + v["weight/c>b"] @ c + v["bias/b"]
    expected = torch.tanh(b) @ v["weight/b>output"].T + v["bias/output"]
    torch.testing.assert_close(network(x), expected)
    np.testing.assert_allclose(run(network, x)["logits"], expected.detach())


def test_what_is_read_before_it_settles_is_not_one_pass(wire, drawn):
    """A mean over steps that the slow path has not reached yet must not take the short cut."""
    arrows = {"input>a": 1, "a>output": 1, "input>output": {"delay": 1, "kind": "skip"}}
    wiring = wire({"a": (4, RateUnit())}, arrows, steps=4, inputs=2, outputs=2)
    assert not wiring.is_feedforward
    network = drawn(wiring, seed=0)
    x = torch.tensor([[0.3, 0.9]], dtype=torch.float64)
    v = network.values
    skip = x @ v["weight/input>output"].T + v["bias/output"]
    through = [torch.relu(v["bias/a"]), *[torch.relu(x @ v["weight/input>a"].T + v["bias/a"])] * 2]
    expected = skip + sum(a @ v["weight/a>output"].T for a in through) / 3
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("name", CATALOGUE)
def test_recorded_logits_are_the_networks(simulator, name):
    network = Network.initial(wiring_named(name), seed=3).double()
    found = simulator(network, images(), record=[])
    assert set(found) == {"logits"}
    np.testing.assert_allclose(found["logits"], network(images()).detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_movie_of_one_image_is_the_still_image(simulator, name):
    """Though a movie's drive is computed anew at each step and a still image's once."""
    network = Network.initial(wiring_named(name), seed=4).double()
    movie = images().expand(network.wiring.steps, 3, 1, 28, 28).clone()
    still = network(images())
    torch.testing.assert_close(network(movie), still, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        simulator(network, movie)["logits"], still.detach(), rtol=1e-9, atol=1e-12
    )


def test_a_movie_is_seen_in_its_order(simulator, wire, weighted):
    """Without memory, what the output shows at step t was on the screen at t - 2."""
    wiring = wire({"a": (1, RateUnit())}, {"input>a": 1, "a>output": 1}, steps=8)
    network = weighted(wiring, {"input>a": 1, "a>output": 1})
    screen = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6.0], dtype=torch.float64)
    shown = simulator(network, screen.reshape(8, 1, 1))
    assert shown["output.potential"].values.ravel().tolist() == [0, 0, 3, 1, 4, 1, 5, 9]
    assert shown["logits"].item() == pytest.approx((3 + 1 + 4 + 1 + 5 + 9) / 6)


@pytest.mark.parametrize("name", CATALOGUE)
def test_single_precision_agrees_with_double(name):
    """Logits within a thousandth of their spread; both from the same single-precision values."""
    single = Network.initial(wiring_named(name), seed=5)
    double = Network.initial(wiring_named(name), seed=5).double()
    x = images(6, dtype=torch.float32)
    one, other = single(x), double(x.double())
    assert one.dtype == torch.float32
    assert other.dtype == torch.float64
    assert (one.double() - other).abs().max() < 1e-3 * other.std()


def test_running_leaves_no_trace(simulator, drawn, loops):
    """The same run again gives the same, and parameters stay as they were."""
    network = drawn(loops(SpikingUnit()), seed=0, scale=1.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.rand(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first = simulator(network, x)
    network(1 - x)
    assert first.identical(simulator(network, x))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], value) for name, value in after.items())


def test_networks_of_one_wiring_share_nothing(drawn, loops):
    one, other = (drawn(loops(RateUnit()), seed) for seed in (0, 0))
    one.values["weight/a>a"].data.zero_()
    assert other.values["weight/a>a"].abs().min() > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CATALOGUE)
def test_cuda_agrees_with_the_cpu(name):
    network = Network.initial(wiring_named(name), seed=6).double()
    expected = network(images()).detach()
    found = run(network.cuda(), images().cuda(), record=[])["logits"]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(
        network(images().cuda()).detach().cpu(), expected, rtol=1e-8, atol=1e-10
    )
