"""Lesions, scaling and holding of what arrives: by arithmetic on torch, then alike on Brian2."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from networks import BlindspotsError, RateUnit, SpikingUnit, wiring_named
from sim import Hold, Inject, Lesion, Network, Scale, Silence, run
from sim.brian.detailed import Detailed
from sim.brian.detailed import run as run_cells
from sim.scaled import scaled
from sim.unroll import potentials

STEPS = 16
UNITS = [RateUnit(activation="tanh", leak=0.6), SpikingUnit(beta=0.8, threshold=0.3)]
GAINS = [0.0, 0.5, 1.5]


@pytest.fixture(scope="module")
def movie():
    return torch.tensor(np.random.default_rng(1).random((STEPS, 2, 3)))


@pytest.fixture(scope="module", params=UNITS, ids=["rate", "spiking"])
def network(request, loops, drawn):
    return drawn(loops(request.param, STEPS), seed=3, scale=2.0)


def arriving(network, found, name):
    """W_p out[t - d], from what was recorded, (time, image, unit)."""
    projection = next(p for p in network.wiring.projections if p.name == name)
    out = found[f"{projection.source}.output"].to_numpy()
    late = np.zeros_like(out)
    late[projection.delay :] = out[: -projection.delay]
    return late @ network.values[f"weight/{name}"].detach().numpy().T


@pytest.mark.parametrize("kind", ["lateral", "top-down"])
@pytest.mark.parametrize("gain", GAINS)
def test_scaling_for_all_time_is_weights_scaled(network, movie, kind, gain):
    found = run(network, movie, intervene=[Scale(through=kind, gain=gain)])
    expected = run(scaled(network, {kind}, gain), movie)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)
    assert (found["a.drive"] != run(network, movie)["a.drive"]).any()


@pytest.mark.parametrize(("start", "stop"), [(4, 9), (5, None)])
@pytest.mark.parametrize("gain", GAINS)
def test_a_window_of_scaling(network, movie, gain, start, stop):
    """The drive is its parts, with one of them weighted inside the window."""
    act = Scale(through="b>a", gain=gain, start=start, stop=stop)
    found = run(network, movie, intervene=[act])
    inside = np.array([start <= t < (stop or STEPS) for t in range(STEPS)])
    weights = np.where(inside, gain, 1.0)[:, None, None]
    parts = [arriving(network, found, name) for name in ("input>a", "a>a")]
    fed = arriving(network, found, "b>a")
    assert fed[inside].any()
    bias = network.values["bias/a"].detach().numpy()
    expected = bias + sum(parts) + weights * fed
    np.testing.assert_allclose(found["a.drive"], expected, rtol=1e-10, atol=1e-10)


def test_a_lesion_is_a_gain_of_nought_and_takes_kinds_too(network, movie):
    for through in ("lateral", "b>a", "b"):
        window = {"start": 3, "stop": 12}
        cut = run(network, movie, intervene=[Lesion(cut=through, **window)])
        nought = run(network, movie, intervene=[Scale(through=through, gain=0, **window)])
        assert cut.identical(nought)
    both = [Lesion(cut="a>a"), Lesion(cut="b>b")]
    by_kind = run(network, movie, intervene=[Lesion(cut="lateral")])
    assert by_kind.identical(run(network, movie, intervene=both))


@pytest.mark.parametrize(("start", "stop"), [(5, 9), (6, None), (1, 4)])
def test_what_is_held_is_what_arrived_before(network, movie, start, stop):
    act = Hold(through="b>a", start=start, stop=stop)
    found = run(network, movie, intervene=[act])
    fed = arriving(network, found, "b>a")
    assert (fed != fed[start - 1]).any()
    fed[start:stop] = fed[start - 1]
    others = [arriving(network, found, name) for name in ("input>a", "a>a")]
    bias = network.values["bias/a"].detach().numpy()
    np.testing.assert_allclose(found["a.drive"], bias + sum(others) + fed, rtol=1e-10, atol=1e-10)


def test_a_kind_is_held_where_it_leads(network, movie):
    by_kind = run(network, movie, intervene=[Hold(through="lateral", start=6)])
    each = [Hold(through="a>a", start=6), Hold(through="b>b", start=6)]
    assert by_kind.identical(run(network, movie, intervene=each))


def test_acts_take_effect_in_their_order(network, movie):
    """Held after being scaled, the scaled stays; scaled after being held, the held is scaled."""
    scale = Scale(through="b>a", gain=0.5, start=4, stop=8)
    hold = Hold(through="b>a", start=8)
    others = ("input>a", "a>a")
    bias = network.values["bias/a"].detach().numpy()
    for acts, gain in (([scale, hold], 0.5), ([hold, scale], 1.0)):
        found = run(network, movie, intervene=acts)
        rest = bias + sum(arriving(network, found, name) for name in others)
        fed = (found["a.drive"].to_numpy() - rest)[8:]
        kept = gain * arriving(network, found, "b>a")[7]
        np.testing.assert_allclose(fed, np.broadcast_to(kept, fed.shape), atol=1e-10)


def test_same_everywhere_with_all_at_once(simulator, network, movie):
    acts = [
        Scale(through="top-down", gain=1.3, start=2),
        Hold(through="a", start=5, stop=9),
        Inject(area="b", current=0.3, start=4),
        Lesion(cut="a>b", start=8, stop=10),
        Scale(through="a>a", gain=0.3, start=1, stop=13),
        Hold(through="b>b", start=10),
        Silence(area="a", units=(1,), start=3, stop=12),
    ]
    found, expected = simulator(network, movie, intervene=acts), run(network, movie, intervene=acts)
    for area in network.wiring.spiking:
        np.testing.assert_array_equal(found[f"{area}.output"], expected[f"{area}.output"])
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11)


def test_a_still_image_under_acts_is_the_movie_of_it():
    """The input's drive is computed once, which must not be seen."""
    network = Network.initial(wiring_named("fc-blt"), 0).double()
    still = torch.rand((3, 1, 28, 28), generator=torch.Generator().manual_seed(0)).double()
    film = torch.stack([still] * network.wiring.steps)
    for acts in (
        [Scale(through="input>h1", gain=0.5, start=2)],
        [Hold(through="h2>h1", start=4), Silence(area="input", start=3)],
    ):
        found, expected = (run(network, shown, intervene=acts) for shown in (still, film))
        np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-13)


def test_the_gradient_flows_through_what_is_held(loops, drawn, movie):
    """To the step at which it was emitted, by finite differences."""
    network = drawn(loops(UNITS[0], STEPS), seed=3, scale=2.0)
    acts = (Hold(through="b>a", start=8), Scale(through="a>a", gain=0.7))

    def answer(shown):
        return potentials(network.circuit(), list(shown), interventions=acts).mean(0)

    assert torch.autograd.gradcheck(answer, movie.clone().requires_grad_())


def test_cells_scale_but_do_not_hold(loops, drawn):
    network = drawn(loops(UNITS[1], STEPS), seed=3, scale=2.0)
    shown = torch.full((2, 3), 0.8).double()
    detailed = Detailed(network)
    kinds = {"lateral", "top-down"}
    acts = [Scale(through=kind, gain=0.5) for kind in kinds]
    found = run_cells(detailed, shown, intervene=acts)
    assert found["a.output"].values.any()
    expected = run_cells(Detailed(scaled(network, kinds, 0.5)), shown)
    np.testing.assert_array_equal(found["a.output"], expected["a.output"])
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-9)
    with pytest.raises(BlindspotsError, match="'lateral' cannot be held in cells"):
        run_cells(detailed, shown, intervene=[Hold(through="lateral", start=3)])


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (Scale(through="b>aa", gain=1), "'b>aa' in 'small'; did you mean"),
        (Hold(through="latteral", start=2), "'latteral' in 'small'; did you mean 'lateral'"),
    ],
)
def test_unknown_pathways_suggest_the_nearest(network, movie, act, says):
    with pytest.raises(BlindspotsError, match=says):
        run(network, movie, intervene=[act])


def test_pathways_that_a_network_lacks_are_refused():
    network = Network.initial(wiring_named("fc-b"), 0)
    with pytest.raises(BlindspotsError, match="'fc-b' has no top-down projections to act on"):
        run(network, torch.zeros((1, 1, 28, 28)), intervene=[Scale(through="top-down", gain=0.5)])


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (Scale, {"through": "a", "gain": -0.5}, "gain"),
        (Scale, {"through": "a", "gain": float("nan")}, "gain"),
        (Hold, {"through": "a"}, "start"),
        (Hold, {"through": "a", "start": 0}, "start"),
    ],
)
def test_impossible_acts_are_refused(kind, given, field):
    with pytest.raises(ValidationError) as refused:
        kind(**given)
    assert [mistake["loc"] for mistake in refused.value.errors()] == [(field,)]
