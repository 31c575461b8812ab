"""What the comparison of two simulators tells, against plain counting on planted differences."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, Poisson, RateUnit, SpikingUnit, wiring_named
from networks.derive import coded
from sim import Network, brian, run
from sim.brian import Agreement, Mismatch, agreement_of, compare


@pytest.fixture(scope="module")
def network(drawn, loops):
    return drawn(loops(SpikingUnit(threshold=0.7), steps=20), seed=3, scale=1.8)


@pytest.fixture(scope="module")
def stimulus():
    return torch.tensor(np.random.default_rng(0).random((6, 3)))


def test_equal_runs_agree(network, stimulus):
    found, recorded = compare(network, stimulus), run(network, stimulus)
    spikes = np.concatenate([recorded[f"{a}.output"].values for a in "ab"], axis=2)
    membranes = np.concatenate([recorded[f"{a}.potential"].values for a in "ab"], axis=2)
    assert (found.images, found.chances, found.differing, found.first) == (6, 960, 0, None)
    assert found.spikes == spikes.sum() > 50
    assert found.closest == np.abs(membranes - 0.7).min()
    assert 0 < found.difference < 1e-13


def test_parts_add_up(network, stimulus):
    told = []
    found = compare(network, stimulus, at_once=4, done=told.append)
    assert found == compare(network, stimulus)
    assert told == [4, 2]


def test_chance_is_drawn_once_for_both(network, stimulus):
    values = dict(network.values.items())
    noisy, again = (
        Network(coded(network.wiring, Poisson()), values, torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    found = compare(noisy, stimulus)
    assert found.differing == 0
    expected = run(again, stimulus)
    assert found.spikes == sum(expected[f"{a}.output"].values.sum() for a in "ab")


def test_another_network_is_found_out(network, stimulus, drawn):
    """A slightly heavier weight in Brian2: the first of all differing spikes is named."""
    other = drawn(network.wiring, seed=3, scale=1.8)
    other.values["weight/a>b"].data[1] *= 1.1
    one, two = run(network, stimulus), brian.run(other, stimulus)
    found = agreement_of(network.wiring, one, two)
    differ = [
        (step, area, image, unit)
        for area in "ab"
        for step, image, unit in np.argwhere(
            one[f"{area}.output"].values != two[f"{area}.output"].values
        )
    ]
    assert found.differing == len(differ) > 0
    first = found.first
    assert (first.step, first.area, first.image, first.unit) == min(differ)
    place = (first.step, first.image, first.unit)
    assert first.torch == one[f"{first.area}.potential"].values[place]
    assert first.brian2 == two[f"{first.area}.potential"].values[place]
    assert (first.torch > 0.7) != (first.brian2 > 0.7)
    assert first.distance == abs(first.torch - 0.7)
    largest = max(
        np.abs(one[f"{a}.potential"] - two[f"{a}.potential"]).max() for a in ("a", "b", "output")
    )
    assert found.difference == largest
    for part in (f"image {first.image}", f"unit {first.unit}", f"step {first.step}", "area 'b'"):
        assert part in str(first)
    assert repr(first.torch) in str(first)
    assert repr(first.brian2) in str(first)


def agreement(images, first=None, closest=1.0, difference=0.0, way="product"):
    counts = (images, 10 * images, images, int(first is not None))
    return Agreement(*counts, difference, closest, (way,), first)


def mismatch(image, step):
    return Mismatch(image, "a", 0, step, 1.01, 0.99, 1.0)


def test_a_sum_keeps_the_first_mismatch_of_all_and_counts_its_image_on():
    late, early = mismatch(2, step=9), mismatch(1, step=4)
    total = agreement(5, late, 0.5, 3.0) + agreement(7, early, 0.7, 2.0)
    assert total == Agreement(12, 120, 12, 2, 3.0, 0.5, ("product",), mismatch(6, step=4))
    assert (agreement(5, early) + agreement(7, late)).first == early
    assert (agreement(5) + agreement(7)).first is None
    assert (agreement(5, way="synapses") + agreement(7)).ways == ("product", "synapses")
    assert (agreement(5) + agreement(7, late)).first == mismatch(7, step=9)


def test_without_spikes_there_is_nothing_to_compare(drawn, loops, stimulus):
    with pytest.raises(BlindspotsError, match=r"'small' has no spiking units.*as_spiking"):
        compare(drawn(loops(RateUnit()), seed=0), stimulus)


def test_without_images_neither():
    network = Network.initial(wiring_named("fc-b-spiking"), seed=0)
    with pytest.raises(BlindspotsError, match="no images to show"):
        compare(network, torch.zeros(0, 1, 28, 28))
