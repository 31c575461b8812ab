"""Cells against closed forms, other solvers, plain Brian2, and the trained units they come from."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from benchmarks.cells_script import INGREDIENTS, a_build_per_image
from networks import (
    Constant,
    Latency,
    Physiology,
    Poisson,
    RateUnit,
    SpikingUnit,
    wiring_named,
)
from networks.derive import coded
from sim import Clamp, Lesion, Network, Silence, run
from sim.brian.detailed import Detailed, in_cells_units
from sim.brian.detailed import run as run_cells
from sim.brian.library import running

LIF = SpikingUnit(beta=0.9)
PLAIN = Physiology(ingredients=(), dt_ms=2.0)
TAU = -2 / np.log(0.9)


def driven(wire, weighted, drives, steps=100):
    """Cells that are driven by their biases alone, and do not know of each other."""
    count = len(drives)
    wiring = wire({"a": (count, LIF)}, {"input>a": 1, "a>output": 1}, steps)
    values = {"input>a": [[0.0]] * count, "a>output": [[1.0] * count], "a": drives}
    return weighted(wiring, values)


def sent(wire, weighted, weights, steps=40):
    """A cell spikes once, after the first step, and sends each of ``weights`` to another cell."""
    count = len(weights)
    areas = {"a": (1, LIF), "b": (count, LIF)}
    wiring = wire(areas, {"input>a": 1, "a>b": 1, "b>output": 1}, steps)
    values = {
        "input>a": [[0.0]],
        "a>b": [[weight] for weight in weights],
        "b>output": [[1.0] * count],
    }
    return weighted(wiring, values), (Clamp(area="a", value=1, stop=1), Silence(area="a", start=1))


def blank(images=1, inputs=1):
    return torch.zeros((images, inputs), dtype=torch.float64)


def spikes(recording, area="a"):
    return recording[f"{area}.output"].to_numpy()


def membrane(recording, area="b", unit=0):
    return recording[f"{area}.potential"].to_numpy()[:, 0, unit]


# --- the trained network is the limit


@pytest.mark.parametrize("name", ["fc-blt-spiking", "fc-blt-sparse-spiking", "conv-blt-spiking"])
@pytest.mark.parametrize("code", [Constant(), Poisson(), Latency()])
def test_without_ingredients_a_step_is_the_trained_step(name, code):
    network = Network.initial(coded(wiring_named(name), code), 0).double()
    for value in network.values.values():
        value.data *= 3
    generator = torch.Generator().manual_seed(0)
    network.generator = generator
    shown = torch.rand((3, 1, 28, 28), generator=generator, dtype=torch.float64)
    movie = torch.stack(list(network.frames(shown)))
    expected, found = run(network, movie), run_cells(Detailed(network, PLAIN), movie)
    for area in network.wiring.spiking:
        assert spikes(expected, area).any()
        np.testing.assert_array_equal(spikes(found, area), spikes(expected, area) > 0.5)
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-9, atol=1e-12)


def test_delays_loops_leaks_and_rate_units_are_the_trained_ones(loops, drawn, wire):
    mixed = wire(
        {"r": (4, RateUnit(activation="tanh", leak=0.3)), "s": (5, LIF)},
        {
            **{"input>r": 1, "r>s": 2, "s>r": {"delay": 3, "kind": "top-down"}, "s>s": 2},
            **{"s>output": 1, "r>output": {"delay": 2, "kind": "skip"}},
        },
        20,
        inputs=3,
        outputs=2,
    )
    generator = torch.Generator().manual_seed(1)
    for wiring in (loops(LIF, steps=25), mixed):
        network = drawn(wiring, seed=5, scale=2.5)
        movie = torch.rand((wiring.steps, 4, 3), generator=generator, dtype=torch.float64)
        acts = (Lesion(cut=wiring.projections[1].name, start=5, stop=8),)
        expected = run(network, movie, intervene=acts)
        found = run_cells(Detailed(network, PLAIN), movie, intervene=acts)
        for area in wiring.spiking:
            assert spikes(expected, area).any()
            np.testing.assert_array_equal(spikes(found, area), spikes(expected, area) > 0.5)
        np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-9, atol=1e-9)
        beside = in_cells_units(expected, wiring, PLAIN)
        for area in wiring.spiking:
            name = f"{area}.potential"
            np.testing.assert_allclose(found[name], beside[name], rtol=1e-5, atol=1e-4)
            assert found[name].attrs == beside[name].attrs


def test_a_finer_grid_stays_near_the_trained_network():
    network = Network.initial(wiring_named("fc-blt-spiking"), 0).double()
    for value in network.values.values():
        value.data *= 3
    shown = torch.rand((20, 1, 28, 28), generator=torch.Generator().manual_seed(0)).double()
    fine = run_cells(Detailed(network, PLAIN.only().model_copy(update={"dt_ms": 0.1})), shown)
    counts = [(spikes(each, "h1") > 0.5).sum(0).ravel() for each in (run(network, shown), fine)]
    assert np.corrcoef(*counts)[0, 1] > 0.95


# --- membranes and synapses


def test_constant_current_fires_at_the_closed_form_interval(wire, weighted):
    """T = t_ref + tau ln(I / (I - span)) with I the steady depolarisation in units of the span."""
    physiology = Physiology(ingredients=("reset", "refractoriness"), dt_ms=0.02, refractory_ms=3.0)
    drives = [0.105, 0.2, 0.5]
    fired = run_cells(Detailed(driven(wire, weighted, drives, steps=65), physiology), blank())
    for unit, drive in enumerate(drives):
        times = fired["time"].to_numpy()[spikes(fired)[:, 0, unit]]
        assert len(times) >= 2
        steady = drive / (1 - 0.9)
        expected = 3.0 + TAU * np.log(steady / (steady - 1))
        assert np.diff(times) == pytest.approx(expected, abs=0.05)
        held = membrane(fired, "a", unit)[np.searchsorted(fired["time"], times[0] + 0.05) :][:100]
        np.testing.assert_allclose(held, -70.0, atol=1e-4)


def test_a_weak_current_settles_at_its_depolarisation(wire, weighted):
    detailed = Detailed(driven(wire, weighted, [0.05]), Physiology(ingredients=()))
    found = run_cells(detailed, blank())
    assert not spikes(found).any()
    assert membrane(found, "a")[-1] == pytest.approx(-70 + 20 * 0.5, abs=1e-3)
    np.testing.assert_allclose(
        membrane(found, "a"),
        -60 - 10 * np.exp(-(found["time"].to_numpy() + 0.1) / TAU),
        atol=1e-3,
    )


def test_a_jump_decays_with_the_membrane(wire, weighted):
    weights = [0.4, -0.4]
    network, acts = sent(wire, weighted, weights)
    found = run_cells(Detailed(network, Physiology(ingredients=())), blank(), intervene=acts)
    time = found["time"].to_numpy()
    for unit, weight in enumerate(weights):
        expected = np.where(time < 2 - 1e-6, 0, 20 * weight * np.exp(-(time - 2) / TAU))
        np.testing.assert_allclose(membrane(found, unit=unit) + 70, expected, atol=1e-4)


def test_a_current_gives_the_closed_form_potential(wire, weighted):
    """The difference of two exponentials, with the charge of the jump; the error falls with dt."""
    cases = {0.4: 2.0, -0.4: 5.0}  # the weight, and its time constant
    network, acts = sent(wire, weighted, list(cases), steps=60)
    errors = {weight: [] for weight in cases}
    for dt in (0.1, 0.05):
        physiology = Physiology(ingredients=("currents",), dt_ms=dt)
        found = run_cells(Detailed(network, physiology), blank(), intervene=acts)
        since = np.maximum(0, found["time"].to_numpy() + dt - 2)
        for unit, (weight, tau) in enumerate(cases.items()):
            ratio = TAU / (TAU - tau)
            expected = 20 * weight * ratio * (np.exp(-since / TAU) - np.exp(-since / tau))
            moved = membrane(found, unit=unit) + 70
            errors[weight].append(np.abs(moved - expected).max())
            assert moved.sum() * dt == pytest.approx(20 * weight * TAU, rel=0.01)
    for weight, (coarse, fine) in errors.items():
        assert coarse < 0.03 * 20 * abs(weight)
        assert fine < 0.6 * coarse


def test_a_conductance_gives_what_another_solver_gives(wire, weighted):
    weights = [0.8, -3.0]
    network, acts = sent(wire, weighted, weights, steps=30)
    physiology = Physiology(ingredients=("conductances",), dt_ms=0.02)
    found = run_cells(Detailed(network, physiology), blank(), intervene=acts)
    time = found["time"].to_numpy()
    after = time >= 2 - 1e-6
    for unit, weight in enumerate(weights):
        tau, reversal, driving = (2.0, 0.0, 60.0) if weight > 0 else (5.0, -80.0, 20.0)
        jump = 500 * 20 * abs(weight) / (tau * driving)

        def slope(t, v, tau=tau, reversal=reversal, jump=jump):
            return (-70 - v) / TAU + jump * np.exp(-t / tau) * (reversal - v) / 500

        solved = solve_ivp(slope, (0, 80), [-70.0], t_eval=time[after] + 0.02 - 2, rtol=1e-9)
        reached = membrane(found, unit=unit)
        np.testing.assert_allclose(reached[after], solved.y[0], atol=0.08)
        assert reached.min() > -80


def test_a_steady_drive_as_conductance_settles_between_rest_and_reversal(wire, weighted):
    """At the reference it carries the current of the drive; v = sum(g E) / sum(g) at rest."""
    drives = [0.08, -0.4]
    detailed = Detailed(driven(wire, weighted, drives), Physiology(ingredients=("conductances",)))
    found = run_cells(detailed, blank())
    leak, shares = 500 / TAU, []
    for unit, drive in enumerate(drives):
        current = 500 / TAU * 20 * drive / (1 - 0.9)
        opened, reversal = (current / 60, 0.0) if drive > 0 else (-current / 20, -80.0)
        settled = (leak * -70 + opened * reversal) / (leak + opened)
        assert membrane(found, "a", unit)[-1] == pytest.approx(settled, abs=0.01)
        assert membrane(found, "a", unit).min() > -80
        shares.append(opened / leak)
    assert not spikes(found).any()
    assert float(found["a.conductance"]) == pytest.approx(np.mean(shares), rel=1e-6)


def test_a_jump_arrives_once_the_refractory_time_is_over(wire, weighted):
    """The cell spikes at 0 ms, and what it is sent arrives after 2 ms: just then it is free."""
    wiring = wire({"a": (1, LIF), "b": (1, LIF)}, {"input>a": 1, "a>b": 1, "b>output": 1}, 10)
    network = weighted(wiring, {"input>a": [[0.0]], "a>b": [[0.4]], "b>output": [[1.0]]})
    once = (Clamp(area="a", value=1, stop=1), Silence(area="a", start=1))
    both = (*once, Clamp(area="b", value=1, stop=1))
    for refractory, reached in ((2.0, True), (2.1, False)):
        physiology = Physiology(ingredients=("reset", "refractoriness"), refractory_ms=refractory)
        found = run_cells(Detailed(network, physiology), blank(), intervene=both)
        v = membrane(found)
        np.testing.assert_allclose(v[1:20], -70, atol=1e-6)
        assert v[21] == pytest.approx(-62 if reached else -70, abs=0.1)


def noisy(wire, weighted, steps, seed=0):
    """The potentials of many cells that nothing but noise moves, in five images."""
    wiring = wire({"a": (200, LIF)}, {"input>a": 1, "a>output": 1}, steps)
    network = weighted(wiring, {"input>a": np.zeros((200, 1)), "a>output": np.zeros((1, 200))})
    physiology = Physiology(ingredients=("noise",), noise_mv=3.0)
    found = run_cells(Detailed(network, physiology, seed=seed), blank(5))
    return found["a.potential"].to_numpy()


def test_noise_has_its_size_and_is_the_same_every_time(wire, weighted):
    found = noisy(wire, weighted, steps=100)
    late = found[1000:]
    assert late.std() == pytest.approx(3.0, rel=0.05)
    assert late.mean() == pytest.approx(-70, abs=0.2)
    lag = round(TAU / 0.1)
    correlation = np.corrcoef(late[:-lag].ravel(), late[lag:].ravel())[0, 1]
    assert correlation == pytest.approx(np.exp(-1), abs=0.05)
    first, again, other = (noisy(wire, weighted, 10, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(other, first)


def test_adaptation_lengthens_intervals_after_the_first(wire, weighted):
    network = driven(wire, weighted, [0.3], steps=60)
    intervals = []
    for ingredients in ((), ("adaptation",)):
        found = run_cells(Detailed(network, Physiology(ingredients=ingredients)), blank())
        intervals.append(np.diff(np.flatnonzero(spikes(found)[:, 0, 0])))
    steady, adapting = intervals
    assert np.ptp(steady) <= 1
    assert adapting[0] > steady[0]
    assert adapting[-1] > adapting[0]


def test_cells_differ_as_told_and_alike_in_every_ablation():
    network = Network.initial(wiring_named("fc-blt-spiking"), 0)
    both = Detailed(network, Physiology(ingredients=("heterogeneity", "jitter"))).body
    thresholds, axons = both.thresholds["h1"], both.axons["h1"]
    assert thresholds.std() == pytest.approx(4, rel=0.2)
    assert thresholds.mean() == pytest.approx(-50, abs=1.2)
    assert both.taus["h1"].std() / both.taus["h1"].mean() == pytest.approx(0.09, rel=0.2)
    assert axons.std() == pytest.approx(0.5, rel=0.2)
    assert (both.delays("h1", 1) >= 1).all()
    assert both.delays("h1", 3).mean() == pytest.approx(60, rel=0.15)
    alone = Detailed(network, Physiology(ingredients=("jitter",))).body
    np.testing.assert_array_equal(alone.axons["h1"], axons)
    assert np.ptp(alone.thresholds["h1"]) == 0
    other = Detailed(network, Physiology(ingredients=("jitter",)), seed=1).body
    assert not np.array_equal(other.axons["h1"], axons)
    twin = Network.initial(wiring_named("fc-bl-spiking"), 0)
    assert not np.array_equal(Detailed(twin, Physiology()).body.axons["h1"], axons)


def test_the_same_network_written_plainly_in_brian2(drawn, loops):
    """Explicit synapses, a run per image, as a user would write it: the same spikes."""
    network = drawn(loops(LIF, steps=30), seed=6, scale=6.0)
    shown = torch.rand((2, 3), generator=torch.Generator().manual_seed(2)).double()
    detailed = Detailed(network, Physiology(ingredients=INGREDIENTS), seed=3, gains={"a": 1.2})
    found = run_cells(detailed, shown)
    with running() as brian2:
        expected = a_build_per_image(brian2, detailed, shown)
    for area, fired in expected.items():
        assert fired.sum() > 10
        np.testing.assert_array_equal(spikes(found, area), fired)
