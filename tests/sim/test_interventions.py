"""Interventions act exactly in [start, stop), on exactly the units they name."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from networks import BlindspotsError, RateUnit, SpikingUnit, wiring_named
from sim import Clamp, Inject, Lesion, Network, Silence

STEPS = 12
WINDOWS = [(0, None), (0, 1), (4, 7), (5, None), (3, 3), (11, 12), (2, 40)]


@pytest.fixture(scope="module")
def chain(wire, drawn):
    """Memoryless a to b to output, so that what acts at one step leaves no trace of its own."""
    unit = RateUnit(activation="sigmoid")
    wiring = wire(
        {"a": (3, unit), "b": (2, unit)}, {"input>a": 1, "a>b": 2, "b>output": 1}, STEPS, inputs=2
    )
    return drawn(wiring, seed=11)


@pytest.fixture(scope="module")
def movie():
    return torch.tensor(np.random.default_rng(1).random((STEPS, 2, 2)) + 0.1)


@pytest.fixture(scope="module")
def natural(simulator, chain, movie):
    """What nobody has intervened in."""
    return simulator(chain, movie)


def inside(start, stop):
    return np.array([start <= t < (STEPS if stop is None else stop) for t in range(STEPS)])


def changed(one, other, name):
    """Whether each (step, unit) differs for any image."""
    return (one[name].values != other[name].values).any(1)


@pytest.mark.parametrize(("start", "stop"), WINDOWS)
@pytest.mark.parametrize("act", [Silence, Clamp])
def test_silence_and_clamp(simulator, chain, movie, natural, act, start, stop):
    value = {"value": 2.5} if act is Clamp else {}
    found = simulator(
        chain, movie, intervene=[act(area="a", units=(0, 2), start=start, stop=stop, **value)]
    )
    window = inside(start, stop)
    expected = natural["a.output"].values.copy()
    expected[np.ix_(window, [True, True], [True, False, True])] = value.get("value", 0)
    np.testing.assert_array_equal(found["a.output"], expected)
    assert not changed(found, natural, "a.potential").any()
    delayed = np.concatenate([[False, False], window[:-2]])  # a>b takes two steps
    np.testing.assert_array_equal(changed(found, natural, "b.drive").all(1), delayed)
    np.testing.assert_array_equal(changed(found, natural, "b.drive").any(1), delayed)


@pytest.mark.parametrize(("start", "stop"), WINDOWS)
def test_inject(simulator, chain, movie, natural, start, stop):
    act = Inject(area="b", current=0.75, units=(1,), start=start, stop=stop)
    found = simulator(chain, movie, intervene=[act])
    added = (found["b.drive"] - natural["b.drive"]).values
    np.testing.assert_allclose(added[:, :, 1], 0.75 * inside(start, stop)[:, None] * [1, 1])
    assert not added[:, :, 0].any()
    assert not changed(found, natural, "a.drive").any()


@pytest.mark.parametrize(("start", "stop"), WINDOWS)
@pytest.mark.parametrize("cut", ["a>b", "a", "b"])
def test_lesion(simulator, chain, movie, natural, cut, start, stop):
    """In the window nothing but the bias arrives; what is on its way later arrives unharmed."""
    act = Lesion(cut=cut, start=start, stop=stop)
    found = simulator(chain, movie, intervene=[act])
    bias = chain.values["bias/b"].detach().numpy()
    window = inside(start, stop)
    np.testing.assert_array_equal(
        found["b.drive"][window], np.broadcast_to(bias, (window.sum(), 2, 2))
    )
    if cut != "a":  # then a's own drive was cut too
        np.testing.assert_array_equal(found["b.drive"][~window], natural["b.drive"][~window])


def test_the_input_can_be_silenced_and_clamped(simulator, chain, movie):
    blind = simulator(chain, movie, intervene=[Silence(area="input", start=3, stop=5)])
    dark = movie.clone()
    dark[3:5] = 0
    np.testing.assert_array_equal(blind["logits"], simulator(chain, dark)["logits"])
    held = simulator(chain, movie, intervene=[Clamp(area="input", value=0.5, units=(1,))])
    grey = movie.clone()
    grey[..., 1] = 0.5
    np.testing.assert_array_equal(held["logits"], simulator(chain, grey)["logits"])


def test_the_later_of_two_acts_wins(simulator, chain, movie):
    acts = [Silence(area="a"), Clamp(area="a", value=1.5, units=(1,), start=2)]
    out = simulator(chain, movie, intervene=acts)["a.output"].values
    assert (out[..., [0, 2]] == 0).all()
    assert (out[:2, :, 1] == 0).all()
    assert (out[2:, :, 1] == 1.5).all()


def test_what_is_emitted_is_what_resets(simulator, wire, weighted):
    """u = u + 1 - emitted, u[0] = 1: silenced it climbs, clamped at 1 it stays."""
    wiring = wire({"a": (1, SpikingUnit(beta=0.5))}, {"input>a": 1, "a>output": 1}, steps=5)
    network = weighted(wiring, {"input>a": 0, "a": 1.5, "a>output": 1})
    dark = torch.zeros((1, 1), dtype=torch.float64)
    silenced = simulator(network, dark, intervene=[Silence(area="a")])
    assert silenced["a.potential"].values.ravel().tolist() == [1.5, 2.25, 2.625, 2.8125, 2.90625]
    clamped = simulator(network, dark, intervene=[Clamp(area="a", value=1)])
    assert clamped["a.potential"].values.ravel().tolist() == [1.5, 1.25, 1.125, 1.0625, 1.03125]


def test_units_of_a_grid_are_flat_indices(simulator):
    network = Network.initial(wiring_named("conv-blt"), seed=0)
    images = torch.rand((2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    act = Clamp(area="h1", value=9.0, units=(0, 200, 3135), start=1, stop=2)
    found = simulator(network, images, intervene=[act], record=["h1"])["h1.output"].values
    assert np.argwhere(found[:, 0] == 9).tolist() == [[1, 0], [1, 200], [1, 3135]]


def test_without_units_the_whole_area_is_meant_and_none_is_none(simulator, chain, movie, natural):
    none = simulator(chain, movie, intervene=[Silence(area="a", units=())])
    np.testing.assert_array_equal(none["logits"], natural["logits"])
    assert not simulator(chain, movie, intervene=[Silence(area="a")])["a.output"].any()


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (Silence(area="bb"), "'bb' in 'small'; did you mean 'b'"),
        (Inject(area="Input", current=1.0), "'Input' in 'small'; did you mean 'input'"),
        (Lesion(cut="a>c"), "'a>c' in 'small'; did you mean"),
        (Lesion(cut="outptu"), "'outptu' in 'small'; did you mean 'output'"),
        (Clamp(area="b", value=1.0, units=(0, 2)), "no unit 2 in area 'b'; choose from 0 to 1"),
        (Clamp(area="b", value=1.0, units=(-1, 1)), "no unit -1 in area 'b'; choose from 0 to 1"),
    ],
)
def test_unknown_targets_suggest_the_nearest(simulator, chain, movie, act, says):
    with pytest.raises(BlindspotsError, match=says):
        simulator(chain, movie, intervene=[act])


def test_unknown_recordings_suggest_the_nearest(simulator, chain, movie):
    with pytest.raises(
        BlindspotsError, match="'ouput' in 'small'; did you mean 'output' or 'input'"
    ):
        simulator(chain, movie, record=["a", "ouput"])


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (Silence, {"area": "a", "start": -1}, "start"),
        (Silence, {"area": "a", "value": 1}, "value"),
        (Clamp, {"area": "a", "value": float("nan")}, "value"),
        (Clamp, {"area": "a", "value": 1, "unit": (1,)}, "unit"),
        (Inject, {"area": "a"}, "current"),
        (Lesion, {"cut": "a", "stop": -3}, "stop"),
    ],
)
def test_impossible_interventions_are_refused(kind, given, field):
    with pytest.raises(ValidationError) as refused:
        kind(**given)
    assert [mistake["loc"] for mistake in refused.value.errors()] == [(field,)]
