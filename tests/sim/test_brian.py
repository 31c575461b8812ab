"""The Brian2 replica against torch: the same spikes for the whole catalogue, by both its ways."""

import numpy as np
import pytest
import torch

from networks import NAMES, Latency, Poisson, RateUnit, SpikingUnit, wiring_named
from networks.catalogue import units
from networks.derive import coded
from sim import Clamp, Inject, Lesion, Network, Silence, brian, run
from sim.brian import compare, replica
from sim.brian.connections import synapses_per_image

SPIKING = [name for name in NAMES if units(wiring_named(name)) == "spiking"]
EACH_PATTERN = (
    "AE400-10-spiking",
    "fc-blt-modular-spiking",
    "fc-blt-sparse-spiking",
    "conv-blt-spiking",
    "conv-blt-modular",
)


def lively(name, seed=0, **settings):
    """An untrained network in float64 with thrice the usual weights, so that all areas spike."""
    network = Network.initial(wiring_named(name), seed, **settings).double()
    for value in network.values.values():
        value.data *= 3
    return network


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 1, 28, 28), generator=generator, dtype=torch.float64)


def assert_same(found, expected, wiring):
    """The spikes of spiking areas, everything else within rounding."""
    assert set(found) == set(expected)
    for area in wiring.areas:
        if area.unit.model == "lif":
            np.testing.assert_array_equal(
                found[f"{area.name}.output"], expected[f"{area.name}.output"]
            )
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", SPIKING)
def test_same_spikes_for_every_spiking_network_of_the_catalogue(name):
    network = lively(name)
    found = compare(network, images(2), way="product")
    assert found.differing == 0
    assert found.first is None
    assert found.spikes > 100
    assert found.difference < 1e-12 < found.closest
    spikes = run(network, images(2))
    for area in network.wiring.areas:
        assert spikes[f"{area.name}.output"].values.any()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPIKING)
@pytest.mark.parametrize("way", replica.WAYS)
def test_same_spikes_on_more_images(name, way):
    found = compare(lively(name, seed=1), images(100 if way == "product" else 4), way=way)
    assert found.differing == 0
    assert found.difference < 1e-12


@pytest.mark.parametrize("name", EACH_PATTERN)
def test_both_ways_are_torch(name):
    network = lively(name, seed=2)
    expected = run(network, images(2))
    for way in replica.WAYS:
        found = brian.run(network, images(2), way=way)
        assert found.attrs["way"] == way
        assert_same(found, expected, network.wiring)


@pytest.mark.parametrize("way", replica.WAYS)
@pytest.mark.parametrize("code", [Poisson(gain=0.6), Latency()])
def test_codes_draw_alike(code, way):
    def network():
        return Network(
            coded(wiring_named("fc-blt-spiking"), code),
            dict(lively("fc-blt-spiking").values.items()),
            torch.Generator().manual_seed(5),
        )

    found = brian.run(network(), images(3), way=way)
    assert 0 < found["input.output"].values.mean() < 0.9
    assert_same(found, run(network(), images(3)), network().wiring)
    assert compare(network(), images(3), way=way).differing == 0


@pytest.mark.parametrize("way", replica.WAYS)
def test_the_input_is_cut_to_black_and_white(way):
    network = lively("FC100-100-10-binarised")
    found = brian.run(network, images(2), way=way)
    assert set(np.unique(found["input.output"])) == {0, 1}
    assert_same(found, run(network, images(2)), network.wiring)


@pytest.mark.parametrize("way", replica.WAYS)
def test_a_network_in_float32_is_run_as_its_double(way):
    single = Network.initial(wiring_named("fc-bl-spiking"), seed=0)
    double = Network.initial(wiring_named("fc-bl-spiking"), seed=0).double()
    found = brian.run(single, images(2).float(), way=way)
    assert found["h1.potential"].dtype == np.float64
    assert_same(found, run(double, images(2).float().double()), double.wiring)


@pytest.fixture(scope="module")
def mixed(wire, drawn):
    """Rate units drive spiking ones and are driven by them, at all delays; one-to-one too."""
    arrows = {
        "input>a": 3,
        "a>b": 2,
        "b>c": {"delay": 3, "pattern": {"model": "one-to-one"}},
        "c>c": 4,
        "c>a": {"delay": 1, "kind": "top-down"},
        "b>b": 2,
        "b>a": {"delay": 5, "kind": "top-down", "pattern": {"model": "sparse", "density": 0.5}},
        "c>output": 1,
        "a>output": {"delay": 4, "kind": "skip"},
    }
    areas = {
        "a": (6, SpikingUnit(beta=0.8, threshold=0.6)),
        "b": (5, RateUnit(activation="tanh", leak=0.4)),
        "c": (5, SpikingUnit(beta=0.0, threshold=0.3)),
    }
    return drawn(wire(areas, arrows, steps=30, inputs=4, outputs=3), seed=8, scale=2.0)


@pytest.fixture(scope="module")
def movie():
    return torch.tensor(np.random.default_rng(2).random((30, 3, 4)))


ACTS = {
    "nothing": [],
    "clamp to a spike": [Clamp(area="a", value=1, units=(0, 3), start=4, stop=9)],
    "clamp to more than a spike": [Clamp(area="a", value=-2.5, units=(1, 2), start=3, stop=20)],
    "clamp a rate": [Clamp(area="b", value=0.25, start=6), Silence(area="b", units=(2,), start=11)],
    "everything": [
        Inject(area="c", current=-0.7, units=(0, 4), start=2, stop=25),
        Silence(area="a", units=(5,), start=10, stop=12),
        Lesion(cut="b>c", start=8, stop=15),
        Inject(area="c", current=0.4, start=5),
        Clamp(area="input", value=0.9, units=(3,), stop=7),
        Lesion(cut="c", start=12, stop=14),
        Clamp(area="output", value=7.0),
    ],
}


@pytest.mark.parametrize("way", replica.WAYS)
@pytest.mark.parametrize("acts", ACTS.values(), ids=ACTS)
def test_rate_and_spiking_areas_under_interventions(mixed, movie, acts, way):
    expected = run(mixed, movie, intervene=acts)
    assert all(0 < expected[f"{a}.output"].values.mean() < 1 for a in "ac") or acts
    assert_same(brian.run(mixed, movie, intervene=acts, way=way), expected, mixed.wiring)


def test_size_chooses_the_way(mixed, movie):
    assert brian.run(mixed, movie).attrs["way"] == "synapses"
    few = replica.FEW_SYNAPSES // synapses_per_image(wiring_named("fc-b"))
    for count, way in ((few, "synapses"), (few + 1, "product")):
        found = brian.run(lively("fc-b"), images(count), record=[])
        assert found.attrs["way"] == way


def test_synapses_are_counted(mixed):
    assert synapses_per_image(mixed.wiring) == 4 * 6 + 6 * 5 + 5 + 25 + 30 + 25 + 15 + 15 + 18
    assert synapses_per_image(wiring_named("FC10")) == 7840


def test_many_images_are_built_in_portions(monkeypatch, mixed, movie):
    whole = brian.run(mixed, movie, way="synapses")
    monkeypatch.setattr(replica, "MOST_SYNAPSES", 2 * synapses_per_image(mixed.wiring))
    assert whole.identical(brian.run(mixed, movie, way="synapses"))
    monkeypatch.setattr(replica, "MOST_SYNAPSES", 1)
    assert whole.identical(brian.run(mixed, movie, way="synapses"))


def test_only_what_is_asked_for_is_recorded(mixed, movie):
    settings = {"record": ["a", "input"], "quantities": ["output", "drive"]}
    found, expected = brian.run(mixed, movie, **settings), run(mixed, movie, **settings)
    assert list(brian.run(mixed, movie)) == list(run(mixed, movie))
    assert set(found) == set(expected) == {"a.output", "a.drive", "input.output", "logits"}
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11)
