"""Derivations: what they keep, what they change, and that controls compute what they should."""

import re

import numpy as np
import pytest
import torch

from networks import (
    Area,
    BlindspotsError,
    InputUnit,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
    macs,
    parameters,
    wiring_named,
)
from networks.connectivity import mask
from networks.derive import (
    as_rate,
    as_spiking,
    feedforward_part,
    modular,
    sparse,
    unrolled,
    widened_to_match,
    without,
)
from sim import Network
from sim.parameters import shapes

BLT = ("fc-blt", "conv-blt")


def masks(wiring):
    return {
        p.name: mask(p, wiring.area(p.source), wiring.area(p.target)) for p in wiring.projections
    }


@pytest.mark.parametrize("name", BLT)
def test_without_removes_only_those_kinds(name):
    wiring = wiring_named(name)
    forward = ["input>h1", "h1>h2", "h2>output"]
    assert [p.name for p in feedforward_part(wiring).projections] == forward
    assert [p.name for p in without(wiring, "lateral").projections] == [*forward, "h2>h1"]
    assert [p.name for p in without(wiring, "top-down").projections] == [
        *forward,
        "h1>h1",
        "h2>h2",
    ]
    assert without(wiring) == wiring
    assert without(wiring, "lateral").areas == wiring.areas


def test_modular_is_blocks_and_a_tenth_of_the_rest():
    wiring = wiring_named("fc-blt")
    found, blocks = (
        masks(modular(wiring, modules=4, between=0.1)),
        np.kron(np.eye(4), np.ones((32,) * 2)),
    )
    inner = {"h1>h1", "h2>h2", "h1>h2", "h2>h1"}
    ends = {"input>h1", "h2>output"}
    assert set(found) == ends | {f"{p}:{part}" for p in inner for part in ("within", "between")}
    for name in inner:
        np.testing.assert_array_equal(found[f"{name}:within"], blocks == 1)
        across = found[f"{name}:between"]
        assert not across[blocks == 1].any()
        assert across.sum() == round(0.1 * (128 * 128 - 4 * 32 * 32))
    assert all(found[name] is None for name in ends)
    draws = [found[f"{name}:between"].tobytes() for name in sorted(inner)]
    assert len(set(draws)) == 4  # each projection has a draw of its own


def test_modular_grids_are_cut_by_channels():
    found = masks(modular(wiring_named("conv-blt"), modules=4, between=0.1))
    np.testing.assert_array_equal(found["h1>h2:within"], np.kron(np.eye(4), np.ones((8, 4))) == 1)
    np.testing.assert_array_equal(found["h2>h1:within"], np.kron(np.eye(4), np.ones((4, 8))) == 1)
    assert found["h2>h2:between"].sum() == round(0.1 * 32 * 24)


def test_sparse_keeps_its_density_and_the_whole_read_out():
    wiring = wiring_named("fc-blt")
    found = masks(sparse(wiring, density=0.2))
    assert found.pop("h2>output") is None
    for name, kept in found.items():
        assert kept.sum() == round(0.2 * kept.size), name
    shared = (found["h1>h1"] & found["h2>h2"]).mean()
    assert 0.02 < shared < 0.06  # two independent draws: 0.04
    again = masks(sparse(wiring, density=0.2))
    assert all((again[name] == kept).all() for name, kept in found.items())


def test_only_dense_and_convolutional_projections_can_be_thinned():
    with pytest.raises(BlindspotsError, match=r"'input>h1' is sparse"):
        sparse(wiring_named("fc-blt-sparse"))
    with pytest.raises(ValueError, match=r"density|multiple of 3"):
        modular(wiring_named("fc-blt"), modules=3)


@pytest.mark.parametrize("name", [*BLT, "fc-b", "fc-bt-modular", "FC200-200-10"])
def test_spiking_and_rate_twins_are_inverse(name):
    wiring = wiring_named(name)
    spiking = as_spiking(wiring)
    assert {a.unit for a in spiking.areas[1:-1]} == {SpikingUnit()}
    assert (spiking.areas[0], spiking.areas[-1]) == (wiring.areas[0], wiring.areas[-1])
    assert spiking.projections == wiring.projections
    assert len(spiking.answers) == 7
    assert parameters(spiking) == parameters(wiring)
    assert as_rate(spiking).replace(steps=wiring.steps) == wiring
    assert as_spiking(as_rate(spiking)) == spiking
    own = SpikingUnit(beta=0.5, threshold=2.0)
    assert as_spiking(wiring, own, answers=3).areas[1].unit == own
    assert len(as_spiking(wiring, own, answers=3).answers) == 3


def test_without_hidden_areas_nothing_spikes_or_widens():
    with pytest.raises(BlindspotsError, match="'FC10' has no hidden units"):
        as_spiking(wiring_named("FC10"))
    with pytest.raises(BlindspotsError, match="'FC10' has no hidden areas"):
        widened_to_match(wiring_named("FC10"), mac_count=1_000_000)


def mixed(readout, skip_delay=3):
    """Three areas with delays 1 to 3, lateral, top-down and skip projections."""
    unit = RateUnit(activation="tanh")
    areas = (
        Area(name="input", shape=(1, 28, 28), unit=InputUnit()),
        Area(name="a", shape=(6,), unit=unit),
        Area(name="b", shape=(5,)),
        Area(name="output", shape=(10,), unit=RateUnit(activation="identity")),
    )
    arrows = [
        ("input", "a", 1, "feedforward"),
        ("a", "b", 2, "feedforward"),
        ("b", "output", 1, "feedforward"),
        ("a", "a", 2, "lateral"),
        ("b", "b", 1, "lateral"),
        ("b", "a", 3, "top-down"),
        ("a", "output", skip_delay, "skip"),
        ("input", "b", 2, "skip"),
    ]
    projections = tuple(Projection(source=s, target=t, delay=d, kind=k) for s, t, d, k in arrows)
    return Wiring(name="mixed", areas=areas, projections=projections, steps=11, readout=readout)


UNROLLED = {name: wiring_named(name) for name in (*BLT, "fc-bl-modular", "conv-blt-sparse")}
UNROLLED |= {f"mixed-{readout}": mixed(readout) for readout in ("mean", "last")}


@pytest.mark.parametrize("name", UNROLLED)
def test_unrolled_with_tied_weights_is_the_recurrent_network(name):
    """Same logits, same compute; biases zero, since only the stimulus' paths are unrolled."""
    wiring = UNROLLED[name]
    rng = np.random.default_rng(0)
    values = {}
    for key, shape in shapes(wiring).items():
        drawn = rng.normal(0, 1.5 / np.sqrt(np.prod(shape[1:], initial=1)), shape)
        kept = key.startswith("weight") or key == "bias/output"
        values[key] = torch.tensor(drawn * kept)
    flat = unrolled(wiring)
    tied = {}
    for key, shape in shapes(flat).items():
        tied[key] = values[re.sub(r"@\d+", "", key)]
        if key.startswith("weight") and ">output" in key:
            tied[key] = tied[key] / len(wiring.answers)
        assert tied[key].shape == shape
    images = torch.tensor(rng.random((3, 1, 28, 28)))
    expected = Network(wiring, values)(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(Network(flat, tied)(images), expected, rtol=1e-9, atol=1e-9)
    assert flat.is_feedforward
    assert macs(flat) == macs(wiring)


def test_what_cannot_be_unrolled_is_refused():
    with pytest.raises(BlindspotsError, match="'h1' have memory"):
        unrolled(wiring_named("fc-blt-spiking"))
    wiring = wiring_named("fc-blt")
    back = Projection(source="output", target="h1", kind="top-down")
    with pytest.raises(BlindspotsError, match="'output>h1' repeats itself"):
        unrolled(wiring.replace(projections=(*wiring.projections, back)))
    past = Projection(source="input", target="output", kind="skip")
    with pytest.raises(BlindspotsError, match="'input>output' repeats itself"):
        unrolled(wiring.replace(projections=(*wiring.projections, past)))


@pytest.mark.parametrize("name", ["fc-b", "conv-b", "fc-b-modular", "fc-b-spiking"])
@pytest.mark.parametrize("factor", [0.4, 1.0, 3.7])
def test_widening_reaches_any_count(name, factor):
    wiring = wiring_named(name)
    for measure, keyword in ((parameters, "parameter_count"), (macs, "mac_count")):
        target = round(measure(wiring) * factor)
        wide = widened_to_match(wiring, **{keyword: target})
        assert measure(wide) == pytest.approx(target, rel=0.02)
        assert wide.projections == wiring.projections
        assert (wide.input, wide.area("output")) == (wiring.input, wiring.area("output"))
        assert [a.shape[1:] for a in wide.areas] == [a.shape[1:] for a in wiring.areas]
        assert all(a.channels % a.modules == 0 for a in wide.areas)


def test_widening_needs_exactly_one_target():
    for targets in ({}, {"parameter_count": 9, "mac_count": 9}):
        with pytest.raises(BlindspotsError, match="either parameter_count or mac_count"):
            widened_to_match(wiring_named("fc-b"), **targets)
