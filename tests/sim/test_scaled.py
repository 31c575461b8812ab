"""Projections made weaker or stronger, held against wirings without them and against arithmetic."""

import math

import pytest
import torch

from networks import BlindspotsError, RateUnit, SpikingUnit, wiring_named
from networks.derive import feedforward_part, without
from networks.projection import FEEDBACK
from sim import Network, brian, run
from sim.parameters import weight_name
from sim.scaled import scaled

UNITS = [RateUnit(activation="tanh", leak=0.6), SpikingUnit(beta=0.8, threshold=0.5)]


def images(network, count=5):
    generator = torch.Generator().manual_seed(1)
    shape = (count, *network.wiring.input.shape)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("unit", UNITS)
def test_gain_one_is_the_network_itself(drawn, loops, unit):
    network = drawn(loops(unit), 0).double()
    twin = scaled(network, FEEDBACK, 1)
    assert torch.equal(twin(images(network)), network(images(network)))


@pytest.mark.parametrize("kinds", [{"lateral"}, {"top-down"}, {"lateral", "top-down"}])
@pytest.mark.parametrize("name", ["fc-blt", "fc-blt-spiking", "conv-blt-spiking"])
def test_gain_zero_is_the_wiring_without(name, kinds):
    network = Network.initial(wiring_named(name), 0).double()
    cut = without(network.wiring, *kinds)
    kept = {weight_name(p) for p in cut.projections}
    values = {k: v for k, v in network.values.items() if k in kept or k.startswith("bias")}
    expected = Network(cut, values)(images(network))
    torch.testing.assert_close(scaled(network, kinds, 0)(images(network)), expected)
    if kinds == set(FEEDBACK):
        assert cut == feedforward_part(network.wiring)


def test_gain_scales_what_arrives(drawn, loops):
    """Drives of the first area that feedback reaches are linear in the gain, for one step."""
    network = drawn(loops(UNITS[0]), 0).double()
    stimulus = images(network)
    fed = next(p.target for p in network.wiring.projections if p.kind in FEEDBACK)
    drives = {
        gain: run(scaled(network, FEEDBACK, gain), stimulus)[f"{fed}.drive"].to_numpy()
        for gain in (0.0, 0.5, 1.0)
    }
    first = (drives[1.0] != drives[0.0]).any(axis=(1, 2)).argmax()
    halfway = (drives[0.0][first] + drives[1.0][first]) / 2
    torch.testing.assert_close(torch.tensor(drives[0.5][first]), torch.tensor(halfway))


def test_the_original_is_left_alone():
    network = Network.initial(wiring_named("fc-blt"), 0)
    before = {name: value.detach().clone() for name, value in network.values.items()}
    other = scaled(network, FEEDBACK, 0.5)
    for value in other.values.values():
        value.data.zero_()
    for name, value in network.values.items():
        assert torch.equal(value, before[name])


def test_brian_runs_it_too():
    network = Network.initial(wiring_named("fc-blt-spiking"), 0).double()
    for value in network.values.values():
        value.data *= 3
    weaker = scaled(network, FEEDBACK, 0.5)
    expected, found = run(weaker, images(weaker, 2)), brian.run(weaker, images(weaker, 2))
    for area in ("h1", "h2"):
        assert (found[f"{area}.output"].to_numpy() == expected[f"{area}.output"].to_numpy()).all()


def test_refusals():
    network = Network.initial(wiring_named("fc-b"), 0)
    with pytest.raises(BlindspotsError, match="no lateral or top-down projections"):
        scaled(network, FEEDBACK, 0.5)
    for gain in (-0.5, math.nan, math.inf):
        with pytest.raises(BlindspotsError, match="give 0 or more"):
            scaled(network, {"feedforward"}, gain)
