"""Sizes: parameters against torch's own, multiply-accumulates by hand, live edges by search."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from networks import NAMES, Area, InputUnit, Projection, RateUnit, SpikingUnit, Wiring, wiring_named
from networks import macs as count_macs
from networks import parameters as count_parameters
from networks.count import live_edges
from sim import Network
from sim.parameters import shapes

IDENTITY = RateUnit(activation="identity")


def wiring_of(areas, projections, steps, **settings):
    return Wiring(
        name="small", areas=tuple(areas), projections=tuple(projections), steps=steps, **settings
    )


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_that_act_in_torch(name):
    """With every value set to one: as many act as are counted; masked weights do not."""
    wiring = wiring_named(name)
    ones = {key: torch.ones(shape) for key, shape in shapes(wiring).items()}
    acting = Network(wiring, ones).circuit().values.values()
    assert sum(int(value.count_nonzero()) for value in acting) == count_parameters(wiring)


def test_full_networks_have_exactly_torchs_parameters():
    for name in ("fc-blt", "conv-blt", "FC123-456-10", "fc-blt-control-compute"):
        network = Network.initial(wiring_named(name), seed=0)
        assert sum(p.numel() for p in network.parameters()) == count_parameters(wiring_named(name))


def dense(unit, steps, lateral=False, **settings):
    """5 inputs, 4 units, 3 answers."""
    areas = [
        Area(name="input", shape=(5,), unit=InputUnit()),
        Area(name="a", shape=(4,), unit=unit),
        Area(name="output", shape=(3,), unit=IDENTITY),
    ]
    projections = [
        Projection(source="input", target="a"),
        Projection(source="a", target="output"),
        *([Projection(source="a", target="a", kind="lateral")] if lateral else []),
    ]
    return wiring_of(areas, projections, steps, **settings)


BY_HAND = {
    "one pass": (dense(RateUnit(), 3), 20 + 12),
    "one pass, read late": (dense(RateUnit(), 6, readout="last"), 20 + 12),
    # outputs at 2 and 3 need a at 1 and 2, and a's own past once
    "lateral, mean": (dense(RateUnit(), 4, lateral=True), 2 * 12 + 2 * 20 + 16),
    "lateral, last": (dense(RateUnit(), 4, lateral=True, readout="last"), 12 + 2 * 20 + 16),
    "memory, mean": (dense(SpikingUnit(), 4), 2 * 12 + 2 * 20),
    "memory, last": (dense(RateUnit(leak=0.5), 4, readout="last"), 12 + 2 * 20),
    "lateral too late to matter": (dense(RateUnit(), 3, lateral=True), 12 + 20),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_multiply_accumulates_of_dense_wirings(case):
    wiring, expected = BY_HAND[case]
    assert count_macs(wiring) == expected


def grid(top_down, steps):
    """(1, 4, 4) to (2, 4, 4) by 3 x 3, to (3, 2, 2) by stride 2, densely to 3 answers."""
    areas = [
        Area(name="input", shape=(1, 4, 4), unit=InputUnit()),
        Area(name="g", shape=(2, 4, 4)),
        Area(name="h", shape=(3, 2, 2)),
        Area(name="output", shape=(3,), unit=IDENTITY),
    ]
    conv = {"model": "convolution", "kernel": 3}
    projections = [
        Projection(source="input", target="g", pattern=conv),
        Projection(source="g", target="h", pattern=conv | {"stride": 2}),
        Projection(source="h", target="output"),
    ]
    if top_down:
        back = conv | {"stride": 2, "upward": False}
        projections.append(Projection(source="h", target="g", kind="top-down", pattern=back))
    return wiring_of(areas, projections, steps)


def test_multiply_accumulates_of_convolutions():
    """Per step 9 x 2 x 16 = 288, 9 x 6 x 4 = 216, 36; the transposed one as its twin, 216."""
    assert count_macs(grid(False, 4)) == 288 + 216 + 36
    assert count_parameters(grid(False, 4)) == (18 + 2) + (54 + 3) + (36 + 3)
    # outputs at 3, 4, 5; g at 1, 2, 3; h at 2, 3, 4; top-down from h at 2 to g at 3
    assert count_macs(grid(True, 6)) == 3 * (288 + 216 + 36) + 216


def test_sparse_and_modular_connections_are_counted():
    wiring = dense(RateUnit(), 3)
    half = Projection(source="input", target="a", pattern={"model": "sparse", "density": 0.5})
    thin = wiring.replace(projections=(half, wiring.projections[1]))
    assert count_macs(thin) == 10 + 12
    assert count_parameters(thin) == 10 + 4 + 12 + 3


AREAS = ("input", "a", "b", "c", "output")
ARROWS = st.lists(
    st.tuples(
        st.sampled_from(AREAS[:4]),
        st.sampled_from(AREAS[1:]),
        st.integers(1, 4),
    ),
    unique_by=lambda arrow: arrow[:2],
    max_size=8,
)


@settings(max_examples=120, deadline=None)
@given(
    arrows=ARROWS,
    leaks=st.tuples(*[st.sampled_from([0.5, 1.0])] * 4),
    steps=st.integers(7, 12),
    readout=st.sampled_from(["mean", "last"]),
)
def test_live_edges_by_search(arrows, leaks, steps, readout):
    """An arrival lives if a path in (area, step) leads from the input through it to an answer."""
    given_ends = {(s, t) for s, t, _ in arrows}
    chain = [("input", "a", 1), ("a", "b", 2), ("b", "output", 1)]
    arrows = arrows + [c for c in chain if c[:2] not in given_ends]
    units = dict(zip(AREAS[1:], leaks, strict=True))
    areas = [Area(name="input", shape=(1,), unit=InputUnit())]
    for name, leak in units.items():
        unit = RateUnit(leak=leak, activation="identity")
        areas.append(Area(name=name, shape=(1,), unit=unit))
    rank = {name: at for at, name in enumerate(AREAS)}
    projections = [
        Projection(source=s, target=t, delay=d, kind=kind_of(rank[t] - rank[s]))
        for s, t, d in arrows
    ]
    reaching = quickest(arrows, steps)
    assume(reaching is not None)
    wiring = wiring_of(areas, projections, steps, readout=readout)
    assert wiring.first_answer == reaching
    answers = range(reaching, steps) if readout == "mean" else [steps - 1]
    memory = {name for name, leak in units.items() if leak < 1}
    expected = by_search(arrows, memory, steps, answers)
    found = {((p.source, p.target), t) for p, t in live_edges(wiring)}
    assert found == expected
    assert len(live_edges(wiring)) == len(expected)


def kind_of(up):
    """What an arrow that leads so many areas up may be called."""
    return "lateral" if up == 0 else "feedforward" if up > 0 else "top-down"


def quickest(arrows, steps):
    """First step at which the output can be reached, by trying every node in order of time."""
    seen = {("input", 0)}
    for t in range(steps):
        for source, target, delay in arrows:
            if (source, t) in seen:
                seen.add((target, t + delay))
    times = [t for area, t in seen if area == "output" and t < steps]
    return min(times, default=None)


def by_search(arrows, memory, steps, answers):
    """Edges between nodes that the input reaches and nodes that reach an answer."""
    edges = [((s, t - d), (e, t), (s, e)) for s, e, d in arrows for t in range(d, steps)] + [
        ((m, t - 1), (m, t), None) for m in memory for t in range(1, steps)
    ]
    fed, useful = {("input", t) for t in range(steps)}, {("output", t) for t in answers}
    for _ in range(steps + 1):
        fed |= {after for before, after, _ in edges if before in fed}
        useful |= {before for before, after, _ in edges if after in useful}
    return {
        (arrow, after[1])
        for before, after, arrow in edges
        if arrow and before in fed and after in useful
    }
