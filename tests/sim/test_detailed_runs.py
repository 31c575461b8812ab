"""Cells in a run: interventions, portions of images, recordings, calibration, and refusals."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, Physiology, RateUnit, SpikingUnit, wiring_named
from sim import Clamp, Inject, Lesion, Network, Silence, run
from sim.brian.detailed import Detailed, calibrate, simulate
from sim.brian.detailed import run as run_cells

LIF = SpikingUnit(beta=0.9)
TAU = -2 / np.log(0.9)


def blank(images=1, inputs=1):
    return torch.zeros((images, inputs), dtype=torch.float64)


def spikes(recording, area="a"):
    return recording[f"{area}.output"].to_numpy()


# --- interventions, portions, recordings


def busy(wire, drawn, seed=4, steps=20):
    wiring = wire(
        {"a": (6, LIF), "b": (5, LIF)},
        {"input>a": 1, "a>b": 1, "b>output": 1, "b>a": {"kind": "top-down"}},
        steps,
        inputs=3,
        outputs=2,
    )
    network = drawn(wiring, seed=seed, scale=3.0)
    network.values["bias/a"].data += 0.4
    network.values["bias/b"].data += 0.3
    return network


USUAL = Physiology()
QUIET = USUAL.only("conductances", "reset", "refractoriness", "jitter", "heterogeneity")


def test_silence_and_clamp_hold_cells_for_their_steps_alone(wire, drawn):
    detailed = Detailed(busy(wire, drawn), QUIET)
    shown = torch.rand((2, 3), generator=torch.Generator().manual_seed(0)).double()
    free = run_cells(detailed, shown)
    busiest = int(spikes(free)[100:200].sum((0, 1)).argmax())
    assert spikes(free)[100:200, :, busiest].any()
    acts = (
        Silence(area="a", units=(busiest,), start=5, stop=10),
        Clamp(area="b", value=1, units=(3,), stop=4),
    )
    held = run_cells(detailed, shown, intervene=acts)
    assert not spikes(held)[100:200, :, busiest].any()
    assert spikes(held)[200:, :, busiest].any()
    clamped = spikes(held, "b")[:80, 0, 3]
    assert np.flatnonzero(clamped).tolist() == [0, 20, 40, 60]


def test_a_clamp_spikes_once_a_step_whatever_the_refractory_time(wire, drawn):
    for physiology in (
        Physiology(ingredients=("reset", "refractoriness"), refractory_ms=3.0),
        Physiology(ingredients=()),
    ):
        detailed = Detailed(busy(wire, drawn), physiology)
        acts = (Clamp(area="a", value=1, units=(2,), start=5, stop=9),)
        found = run_cells(detailed, torch.ones((1, 3)).double(), intervene=acts)
        clamped = spikes(found)[100:180, 0, 2]
        assert np.flatnonzero(clamped).tolist() == [0, 20, 40, 60]


def test_a_lesion_for_all_time_is_a_network_without_those_weights(wire, drawn):
    network = busy(wire, drawn)
    shown = torch.rand((2, 3), generator=torch.Generator().manual_seed(0)).double()
    cut = run_cells(Detailed(network, QUIET), shown, intervene=(Lesion(cut="b>a"),))
    assert spikes(cut, "b").any()
    whole = run_cells(Detailed(network, QUIET), shown)
    assert not np.array_equal(spikes(cut), spikes(whole))
    network.values["weight/b>a"].data[:] = 0
    without = run_cells(Detailed(network, QUIET), shown)
    np.testing.assert_array_equal(spikes(cut), spikes(without))
    np.testing.assert_array_equal(cut["logits"], without["logits"])


def test_an_injection_for_all_time_is_another_bias(wire, drawn):
    network = busy(wire, drawn)
    shown = torch.zeros((1, 3)).double()
    acts = (Inject(area="a", current=0.25, units=(0, 4)),)
    physiology = USUAL.only("currents", "reset", "refractoriness", "noise")
    injected = run_cells(Detailed(network, physiology), shown, intervene=acts)
    network.values["bias/a"].data[[0, 4]] += 0.25
    biased = run_cells(Detailed(network, physiology), shown)
    assert spikes(biased).any()
    np.testing.assert_array_equal(spikes(injected), spikes(biased))


def test_images_do_not_touch_each_other(wire, drawn, monkeypatch):
    detailed = Detailed(busy(wire, drawn), USUAL)
    shown = torch.rand((5, 3), generator=torch.Generator().manual_seed(0)).double()
    together = run_cells(detailed, shown)
    monkeypatch.setattr(simulate, "MOST_CELLS", 30)
    counts = []
    apart = run_cells(detailed, shown, done=counts.append)
    assert counts == [2, 2, 1]
    np.testing.assert_array_equal(spikes(apart), spikes(together))
    np.testing.assert_allclose(apart["logits"], together["logits"], rtol=1e-12)
    first = run_cells(detailed, shown[:1])
    np.testing.assert_array_equal(spikes(first)[:, 0], spikes(together)[:, 0])


def test_recordings_say_what_they_hold(wire, drawn):
    detailed = Detailed(busy(wire, drawn), USUAL)
    found = run_cells(detailed, torch.zeros((2, 3)).double(), record=("a",))
    assert {"a.drive", "a.potential", "a.output", "logits"} < set(found.data_vars)
    assert found["time"].to_numpy()[[0, 1, -1]] == pytest.approx([0.0, 0.1, 39.9])
    assert found.attrs["time_unit"] == "ms"
    assert found["a.potential"].attrs["units"] == "mV"
    assert found["a.drive"].attrs["units"] == "pA"
    assert found["a.output"].dtype == bool
    np.testing.assert_array_equal(found["a.threshold"], detailed.body.thresholds["a"])
    above = found["a.potential"].to_numpy() > found["a.threshold"].to_numpy()
    assert above[spikes(found)].all()
    pa = 500 / TAU * 20 / (1 - 0.9) * detailed.values["bias/a"]
    np.testing.assert_allclose(found["a.drive"][-1, 0], pa, rtol=1e-6)


def test_a_callable_answers_like_its_recording_in_the_dtype_it_was_asked(wire, drawn):
    detailed = Detailed(busy(wire, drawn), USUAL)
    shown = torch.rand((3, 3), generator=torch.Generator().manual_seed(0))
    answer = detailed(shown)
    assert answer.dtype == torch.float32
    np.testing.assert_allclose(answer, run_cells(detailed, shown)["logits"], rtol=1e-6)
    assert torch.equal(answer, detailed(shown))
    assert not answer.requires_grad


# --- calibration


def test_calibration_matches_the_rates_of_training(wire, drawn):
    network = busy(wire, drawn, steps=20)
    shown = torch.rand((8, 3), generator=torch.Generator().manual_seed(0)).double()
    detailed = Detailed(network, USUAL.only("conductances", "jitter", "heterogeneity"))
    found = calibrate(detailed, shown)
    ratios = [found.before[a] / found.trained[a] for a in ("a", "b")]
    assert max(np.abs(np.log(ratios))) > 0.05
    assert found.distance < 0.05
    again = run_cells(detailed.calibrated(found.gains), shown)
    for area in ("a", "b"):
        trained = (spikes(run(network, shown), area) > 0.5).mean()
        assert found.trained[area] == pytest.approx(trained)
        assert spikes(again, area).mean() * 20 == pytest.approx(found.after[area])


def test_an_area_that_is_silent_in_training_is_left_alone(wire, weighted):
    wiring = wire({"a": (1, LIF)}, {"input>a": 1, "a>output": 1}, 10)
    network = weighted(wiring, {"input>a": [[0.0]], "a>output": [[1.0]], "a": [0.01]})
    found = calibrate(Detailed(network, Physiology(ingredients=())), blank(3))
    assert found.gains == {"a": 1.0}
    assert found.distance == 0


# --- what cannot be


def test_refusals(wire, drawn, weighted):
    rate = Network.initial(wiring_named("fc-blt"), 0)
    with pytest.raises(BlindspotsError, match="has no spiking units, so there are no cells"):
        Detailed(rate)
    wiring = wire({"a": (1, SpikingUnit(beta=0.0))}, {"input>a": 1, "a>output": 1}, 5)
    forgetful = weighted(wiring, {"input>a": [[1.0]], "a>output": [[1.0]]})
    with pytest.raises(BlindspotsError, match="beta 0"):
        Detailed(forgetful)
    detailed = Detailed(busy(wire, drawn))
    with pytest.raises(BlindspotsError, match="not finite; give finite images"):
        run_cells(detailed, torch.full((1, 3), float("nan")))
    with pytest.raises(BlindspotsError, match="no images"):
        run_cells(detailed, torch.zeros((0, 3)))
    with pytest.raises(BlindspotsError, match="clamp them to 0"):
        run_cells(detailed, blank(1, 3), intervene=(Clamp(area="a", value=0.5),))
    with pytest.raises(BlindspotsError, match="in 'small'"):
        run_cells(detailed, blank(1, 3), record=("v1",))
    with pytest.raises(BlindspotsError, match="no spiking area 'v1'"):
        Detailed(busy(wire, drawn), gains={"v1": 2.0})
    for gain in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BlindspotsError, match="give a positive number"):
            Detailed(busy(wire, drawn), gains={"a": gain})
    with pytest.raises(BlindspotsError, match="seed of the cells"):
        Detailed(busy(wire, drawn), seed=-1)
    broken = busy(wire, drawn)
    broken.values["weight/a>b"].data[0, 0] = float("inf")
    with pytest.raises(BlindspotsError, match="not finite"):
        Detailed(broken)


def test_activity_without_bound_is_said(wire, weighted):
    wiring = wire(
        {"r": (1, RateUnit(activation="identity")), "a": (1, LIF)},
        {"input>r": 1, "r>r": 1, "r>a": 1, "a>output": 1},
        400,
    )
    values = {"input>r": [[1.0]], "r>r": [[1e3]], "r>a": [[1.0]], "a>output": [[1.0]]}
    network = weighted(wiring, values)
    with pytest.raises(BlindspotsError, match="no longer finite"):
        run_cells(
            Detailed(network, Physiology(ingredients=(), dt_ms=2.0)), torch.ones((1, 1)).double()
        )
