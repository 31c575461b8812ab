"""Type nodes, gate and memory against an independent solver, closed forms and each other."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from networks.attention import Attention
from networks.viewing import DISTRACTOR, EMPTY
from sim.attention import AttentionState, Chance, Graded, Spikes, at_rest, attend
from sim.attention.dynamics import Goal, _gate, filter_of

QUIET = Attention(noise=0.0, encoding_spread=0.0, consolidation_spread=0.0, order_ms=0.0)


def constant_chance(p: Attention, trials: int = 1) -> Chance:
    return Chance.drawn(p, trials, torch.Generator().manual_seed(0))


def shown(*items: tuple[int, float], dt_ms: float) -> torch.Tensor:
    """Evidence (time, 1, 12): one class after the other, each for so many ms."""
    rows = [torch.eye(EMPTY + 1)[item].expand(round(ms / dt_ms), 1, -1) for item, ms in items]
    return torch.cat(rows)


def states(
    p: Attention, stream: torch.Tensor, dt_ms: float, goal: Goal = "category", pools: object = None
) -> list[AttentionState]:
    trials = stream.shape[1]
    state, found, chance = at_rest(p, trials, dt_ms), [], constant_chance(p, trials)
    for e in stream:
        state = attend(
            p,
            state,
            e,
            torch.zeros(trials),
            goal,
            chance,
            pools or Graded(),
            dt_ms,  # type: ignore[arg-type]
        )
        found.append(state)
    return found


def test_before_ignition_it_is_the_differential_equation() -> None:
    """At a step of 0.1 ms, beside scipy's solver of the equations as they are written."""
    p = QUIET.model_copy(update={"threshold": 1e6, "gate_delay_ms": 0.1})
    dt_ms, ms = 0.1, 150.0
    stream = shown((DISTRACTOR, 50.0), (3, 100.0), dt_ms=dt_ms)

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        digit, distractor, gate, memory = y
        e = np.array([0.0, 1.0]) if t < 50.0 else np.array([1.0, 0.0])
        v = np.array([digit, distractor])
        dv = e / p.rise_ms - v * (e / p.rise_ms + e[::-1] / p.mask_ms)
        drive = p.gate_input * (digit + p.leak * distractor) + p.gate_bias + p.gate_self * gate
        db = (1 / (1 + np.exp(-drive)) - gate) / p.gate_ms
        dx = (digit * (1 + p.gate_gain * gate) - memory) / p.memory_ms
        return np.array([*dv, db, dx])

    solved = solve_ivp(slope, (0, ms), np.zeros(4), max_step=0.5, rtol=1e-8).y[:, -1]
    last = states(p, stream, dt_ms)[-1]
    found = [last.types[0, 3], last.types[0, DISTRACTOR], last.gate[0], last.memory[0, 3]]
    np.testing.assert_allclose([float(each) for each in found], solved, rtol=2e-3, atol=4e-3)


def test_an_item_is_masked_by_another_and_lingers_on_an_empty_screen() -> None:
    for after, tau in ((DISTRACTOR, QUIET.mask_ms), (EMPTY, QUIET.icon_ms)):
        found = states(QUIET, shown((7, 100.0), (after, 50.0), dt_ms=0.25), 0.25)
        kept = found[-1].types[0, 7] / found[399].types[0, 7]
        assert float(kept) == pytest.approx(np.exp(-50 / tau), rel=0.03)


def test_consolidation_takes_as_long_as_its_rate_says() -> None:
    """With memory's input saturated: (1 + 3 / threshold) / 2 times the rate, from ignition on."""
    p = QUIET.model_copy(update={"gate_gain": 20.0, "icon_ms": 1e6})
    found = states(p, shown((4, 900.0), dt_ms=1.0), 1.0)
    ignites = next(t for t, s in enumerate(found) if s.ignited[0, 4])
    bound = next(t for t, s in enumerate(found) if s.consolidated[0, 4] >= 1)
    wanted = 1000 / (p.consolidation_per_s * (1 + 3 / p.threshold) / 2)
    assert bound - ignites == pytest.approx(wanted, rel=0.08)
    assert not found[bound].under_way.any()


def second_ignites(p: Attention, apart_ms: float) -> bool:
    gap = apart_ms - 100.0
    fill = [(DISTRACTOR, gap)] if gap else []
    stream = shown(
        (DISTRACTOR, 300.0), (1, 100.0), *fill, (2, 100.0), (DISTRACTOR, 200.0), dt_ms=10.0
    )
    return bool(states(p, stream, 10.0)[-1].ignited[0, 2])


def test_a_second_target_is_spared_lost_and_regained_by_its_distance() -> None:
    assert [second_ignites(QUIET, ms) for ms in (100.0, 200.0, 700.0)] == [True, False, True]


@pytest.mark.parametrize(
    "change", [{"refractoriness": 0.0}, {"gate": "open"}], ids=["uninhibited", "open"]
)
def test_without_inhibition_of_the_gate_nothing_is_lost(change: dict[str, object]) -> None:
    p = QUIET.model_copy(update=change)
    assert all(second_ignites(p, ms) for ms in (100.0, 200.0, 300.0, 700.0))


def test_a_tired_gate_is_inhibited_by_its_own_past() -> None:
    p = QUIET.model_copy(update={"gate": "fatigue"})
    found = states(p, shown((1, 400.0), dt_ms=10.0), 10.0)
    assert float(found[-1].refractory[0]) > 0.2
    assert float(found[-1].gate[0]) < max(float(s.gate[0]) for s in found) - 0.1


def test_the_goal_decides_what_passes() -> None:
    types = torch.zeros(1, 12)
    assert filter_of(QUIET, types, "category")[0].tolist() == [1.0] * 10 + [
        pytest.approx(QUIET.leak)
    ]
    types[:, 11] = 1.0
    torch.testing.assert_close(filter_of(QUIET, types, "cue"), torch.ones(1, 11))
    torch.testing.assert_close(
        filter_of(QUIET, torch.zeros(1, 12), "cue"), torch.full((1, 11), QUIET.leak)
    )


@pytest.mark.parametrize("wanted", [0.02, 0.2, 0.5, 0.9, 1.0])
def test_a_pool_fires_as_it_should(wanted: float) -> None:
    heard: list[torch.Tensor] = []
    pools = Spikes(
        60, 100.0, 10.0, torch.Generator().manual_seed(0), lambda name, counts: heard.append(counts)
    )
    asked = torch.full((100, 2), wanted)
    delivered = torch.stack([pools.deliver("x", asked) for _ in range(40)])[5:]
    assert float(delivered.mean()) == pytest.approx(wanted, abs=0.01)
    assert set(heard[-1].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    torch.testing.assert_close(torch.stack(heard[5:]).mean(-1), delivered)  # 60 x 100 Hz x 10 ms


def test_large_pools_follow_the_rates() -> None:
    p = QUIET.model_copy(update={"threshold": 1e6})
    stream = shown((DISTRACTOR, 100.0), (3, 100.0), (DISTRACTOR, 300.0), dt_ms=10.0)
    pools = Spikes(4000, 100.0, 10.0, torch.Generator().manual_seed(0))
    rate, spiking = states(p, stream, 10.0), states(p, stream, 10.0, pools=pools)
    for name, largest in (("gate", 1.0), ("memory", 3.0)):
        pair = [
            torch.stack([getattr(s, name)[0] for s in run]) / largest for run in (rate, spiking)
        ]
        torch.testing.assert_close(*pair, atol=0.1, rtol=0.0)


def test_gradients_reach_the_evidence_through_spikes_and_ignition() -> None:
    stream = shown((3, 100.0), (DISTRACTOR, 100.0), dt_ms=10.0).requires_grad_()
    pools = Spikes(20, 100.0, 10.0, torch.Generator().manual_seed(0))
    states(QUIET, stream, 10.0, pools=pools)[-1].consolidated.sum().backward()
    assert stream.grad is not None
    assert torch.isfinite(stream.grad).all()
    assert stream.grad[:10, 0, 3].abs().max() > 0


def test_coincidences_open_the_gate_as_the_equations_say() -> None:
    """At a step of 0.1 ms, beside scipy's solver, with the goal held down by consolidation."""
    p = QUIET.model_copy(
        update={"gate": "coincidence", "gate_delay_ms": 0.1, "gate_input": 4.0, "gate_bias": 1.0}
    )
    dt_ms, ms, inhibited = 0.1, 120.0, 0.3
    salient = 0.7
    state = at_rest(p, 1, dt_ms)._replace(saliences=(torch.tensor([salient]),))

    def slope(t: float, y: np.ndarray) -> np.ndarray:
        goal = 1 / (1 + np.exp(-(1.0 - p.refractoriness * inhibited + p.gate_self * y)))
        return (1 - np.exp(-4.0 * salient * goal) - y) / p.gate_ms

    solved = solve_ivp(slope, (0, ms), [0.0], max_step=0.5, rtol=1e-8).y[0, -1]
    for _ in range(round(ms / dt_ms)):
        state = state._replace(refractory=torch.tensor([inhibited]))
        state = state._replace(gate=_gate(p, state, Graded(), dt_ms))
    assert float(state.gate[0]) == pytest.approx(solved, abs=2e-3)


@pytest.mark.parametrize(("items", "goal"), [(0.8, 0.9), (0.5, 0.3), (0.2, 1.0)])
def test_pairs_of_spikes_come_as_often_as_their_expectation(items: float, goal: float) -> None:
    pools = Spikes(60, 100.0, 10.0, torch.Generator().manual_seed(0))
    asked = torch.full((50, 1), items), torch.full((50, 1), goal)
    met = torch.stack([pools.coincide(*asked, 5.0) for _ in range(60)])[10:]
    expected = Graded().coincide(*asked, 5.0)
    assert float(met.mean()) == pytest.approx(float(expected.mean()), rel=0.06)
    assert float(met.std()) > 0


def test_coincidences_make_a_blink_and_without_inhibition_of_the_goal_none() -> None:
    p = QUIET.model_copy(
        update={
            "gate": "coincidence", "threshold": 1.7, "gate_input": 5.35, "gate_bias": -0.798,
            "gate_self": 3.99, "gate_gain": 3.57, "refractoriness": 4.54, "refractory_ms": 163.0,
        }
    )  # fmt: skip
    assert [second_ignites(p, ms) for ms in (100.0, 200.0, 700.0)] == [True, False, True]
    free = p.model_copy(update={"refractoriness": 0.0})
    assert all(second_ignites(free, ms) for ms in (100.0, 200.0, 300.0, 700.0))
