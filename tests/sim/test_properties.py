"""What must hold for any weights, delays, units and stimuli (hypothesis)."""

from inspect import signature

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import RateUnit, SpikingUnit
from sim import Lesion, run

SEEDS = st.integers(0, 2**32 - 1)
DELAYS = st.integers(1, 6)
RATES = st.builds(
    RateUnit,
    activation=st.sampled_from(["relu", "tanh", "sigmoid", "identity"]),
    leak=st.floats(0.05, 1),
)
SPIKING = st.builds(SpikingUnit, beta=st.floats(0, 0.98), threshold=st.floats(0.1, 1.5))
MANY, FEW = 30, 3  # on torch a small run takes a millisecond, in Brian2 a hundred


def holds_for(**strategies):
    """The property for draws of ``strategies``; its other arguments are fixtures."""

    def decorated(prop):
        many, few = (
            settings(max_examples=count, deadline=None)(given(**strategies)(prop))
            for count in (MANY, FEW)
        )

        def test(simulator, **fixtures):
            (many if simulator is run else few)(simulator=simulator, **fixtures)

        known = signature(prop)
        kept = [p for name, p in known.parameters.items() if name not in strategies]
        test.__signature__ = known.replace(parameters=kept)
        test.__name__, test.__doc__ = prop.__name__, prop.__doc__
        return test

    return decorated


def random_movie(steps, seed, images=2, inputs=3):
    return torch.tensor(np.random.default_rng(seed).random((steps, images, inputs)))


@holds_for(unit=RATES | SPIKING, seed=SEEDS, delays=st.tuples(*[DELAYS] * 7), readout=st.booleans())
def test_runs_follow_the_equations(
    simulator, drawn, loops, by_equations, unit, seed, delays, readout
):
    """Against the equations in plain numpy: every potential and output of every area."""
    wiring = loops(unit, 22)
    projections = tuple(
        p.model_copy(update={"delay": d}) for p, d in zip(wiring.projections, delays, strict=True)
    )
    wiring = wiring.replace(projections=projections, readout="mean" if readout else "last")
    network = drawn(wiring, seed, scale=0.9)
    movie = random_movie(22, seed)
    found = simulator(network, movie)
    expected = by_equations(network, movie.numpy())
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-7, atol=1e-10, err_msg=name)
    through_b, past_b = delays[0] + delays[1] + delays[2], delays[0] + delays[3]
    first = min(through_b, past_b) if readout else 21
    answer = expected["output.potential"][first:].mean(0)
    np.testing.assert_allclose(found["logits"], answer, rtol=1e-7, atol=1e-10)


@holds_for(seed=SEEDS, activation=st.sampled_from(["tanh", "identity"]))
def test_top_down_changes_the_answer_from_its_first_arrival(
    simulator, drawn, loops, seed, activation
):
    """b feels the stimulus at 3, a feels b at 5, the output feels that at 8; not before."""
    unit = RateUnit(activation=activation)
    whole = drawn(loops(unit), seed)
    for area in ("a", "b", "output"):
        whole.values[f"bias/{area}"].data.zero_()
    cut = drawn(loops(unit, b__a=None), seed)
    cut.load_state_dict({k: v for k, v in whole.state_dict().items() if "b>a" not in k})
    still = torch.tensor(np.random.default_rng(seed).random((2, 3)) + 0.1)
    one, other = simulator(whole, still), simulator(cut, still)
    for area, first in (("a", 5), ("b", 7), ("output", 8)):
        differs = (one[f"{area}.potential"] != other[f"{area}.potential"]).any(
            ("image", f"{area}.unit")
        )
        assert not differs[:first].any()
        assert differs[first:].any()
    assert (one["logits"] != other["logits"]).any()


def test_top_down_changes_spikes(simulator, drawn, loops):
    unit = SpikingUnit()
    whole, cut = drawn(loops(unit, 40), 4, 2.0), drawn(loops(unit, 40, b__a=None), 4, 2.0)
    cut.load_state_dict({k: v for k, v in whole.state_dict().items() if "b>a" not in k})
    movie = random_movie(40, 4)
    one, other = simulator(whole, movie), simulator(cut, movie)
    assert (one["a.output"] != other["a.output"]).any()
    assert (one["logits"] != other["logits"]).any()


@holds_for(
    unit=RATES | SPIKING,
    seed=SEEDS,
    cut=st.sampled_from(["b>a", "a>a", "a>b", "input>a", "a", "b", "input", "output"]),
)
def test_a_lesion_equals_zero_weights(simulator, drawn, loops, unit, seed, cut):
    network, zeroed = (drawn(loops(unit), seed, 1.5) for _ in range(2))
    for p in network.wiring.projections:
        if cut in (p.name, p.source, p.target):
            zeroed.values[f"weight/{p.name}"].data.zero_()
    movie = random_movie(14, seed)
    lesioned = simulator(network, movie, intervene=[Lesion(cut=cut)])
    expected = simulator(zeroed, movie)
    for name in expected:
        np.testing.assert_allclose(lesioned[name], expected[name], rtol=1e-12, atol=1e-14)


@holds_for(unit=RATES | SPIKING, seed=SEEDS, delay=st.integers(2, 6))
def test_a_delay_shifts_what_arrives(simulator, drawn, loops, unit, seed, delay):
    """Delay d into the output shows it what delay 1 shows, d - 1 steps later; first the bias."""
    near = drawn(loops(unit, b__output=1, a__output=None), seed, 1.5)
    far = drawn(loops(unit, b__output=delay, a__output=None), seed, 1.5)
    movie = random_movie(14, seed)
    name = "output.potential"
    one, other = simulator(near, movie)[name].values, simulator(far, movie)[name].values
    later = delay - 1
    np.testing.assert_array_equal(other[later:], one[: 14 - later])
    bias = far.values["bias/output"].detach().numpy()
    np.testing.assert_array_equal(other[:delay], np.broadcast_to(bias, (delay, 2, 2)))


@holds_for(unit=RATES | SPIKING, seed=SEEDS, order=st.permutations(range(4)))
def test_images_do_not_mix(simulator, drawn, loops, unit, seed, order):
    """Each image's run is the same whatever stands beside it in the batch."""
    network = drawn(loops(unit), seed, 1.5)
    movie = random_movie(14, seed, images=4)
    together = simulator(network, movie)
    other = simulator(network, movie[:, list(order)])
    alone = simulator(network, movie[:, :1])
    for name in ("a.potential", "b.output", "logits"):
        expected = together[name].isel(image=list(order))
        np.testing.assert_allclose(other[name], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(alone[name], together[name][..., :1, :], rtol=1e-12, atol=1e-14)


@holds_for(unit=RATES | SPIKING, seed=SEEDS)
def test_the_future_does_not_act_on_the_past(simulator, drawn, loops, unit, seed):
    """A change of the stimulus from step 6 on is felt first by a, at step 7."""
    network = drawn(loops(unit), seed, 1.5)
    movie = random_movie(14, seed)
    changed = movie.clone()
    changed[6:] += 0.5
    one, other = simulator(network, movie), simulator(network, changed)
    for area, first in (("a", 7), ("b", 9), ("output", 10)):
        differs = (one[f"{area}.drive"] != other[f"{area}.drive"]).any(("image", f"{area}.unit"))
        assert not differs[:first].any()
    assert (one["a.drive"][7] != other["a.drive"][7]).any()
