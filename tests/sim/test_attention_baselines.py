"""Published models of the blink, on streams of which they are told what is a target."""

from dataclasses import replace

import numpy as np
import pytest

from sim.attention.boost_bounce import BoostBounce
from sim.attention.items import Items, ordered
from sim.attention.lcne import LCNE

LAGS = (1, 2, 3, 6)
ITEMS = 14


def items(per_lag, *, lags=LAGS, first=3, targets=(True, True), blank=None, soa_ms=100.0):
    """Trials with T1 at ``first``; ``blank`` are items after T1 (an offset), or "end" after T2."""
    lag = np.repeat(lags, per_lag)
    target = np.full((len(lag), ITEMS), -1)
    rows = np.arange(len(lag))
    rank = 0
    for there, place in zip(targets, (first + 0 * lag, first + lag), strict=True):
        if there:
            target[rows, place] = rank
            rank += 1
    empty = np.zeros(target.shape, bool)
    if blank == "end":
        empty = np.arange(ITEMS) > (first + lag)[:, None]
    elif blank is not None:
        empty[:, first + blank] = True
    return lag, Items(target, empty & (target < 0), np.ones(target.shape), soa_ms)


def curve(model, lag, stream, seed=0):
    """Share of T1 reported, and of T2 where T1 is, at each lag."""
    found = model.answers(stream, np.random.default_rng(seed)).target
    one, two = ((found == k).any(1) for k in (0, 1))
    return one.mean(), np.array([two[one & (lag == each)].mean() for each in np.unique(lag)])


def test_lcne_has_the_curve_of_its_first_reimplementation():
    t1, t2 = curve(LCNE(), *items(250))
    assert t1 == pytest.approx(0.82, abs=0.04)
    np.testing.assert_allclose(t2, [0.72, 0.38, 0.56, 0.78], atol=0.10)


def test_lcne_alone_reports_a_second_target_at_any_lag():
    lag, stream = items(150, targets=(False, True))
    seen = (LCNE().answers(stream, np.random.default_rng(0)).target == 0).any(1)
    shares = [seen[lag == each].mean() for each in LAGS]
    np.testing.assert_allclose(shares, 0.79, atol=0.10)


def test_lcne_does_not_blink_when_the_gain_stands_still():
    still = replace(LCNE(), gain=0.75, gain_by_lc=0.0, threshold=0.6)
    _, t2 = curve(still, *items(150))
    assert t2.max() - t2.min() < 0.2  # against 0.4 where it moves


def test_lcne_blank_after_t1_abolishes_the_blink():
    with_blank, without = (
        curve(LCNE(), *items(150, lags=(2, 3), blank=blank))[1] for blank in (1, None)
    )
    assert (with_blank > without + 0.1).all()


def test_lcne_without_noise_is_the_same_for_every_trial_and_follows_the_equations():
    model = replace(LCNE(), noise=0.0, threshold=0.3)
    _, stream = items(2, lags=(3,))
    found = model.answers(stream, np.random.default_rng(0))
    assert (found.when_ms[0] == found.when_ms[1]).all()
    assert found.target[0].tolist() == [0, 1]
    np.testing.assert_allclose(found.when_ms[0], crossings(model, 3, 6), atol=1e-9)


def crossings(model, first, second):
    """When both response units cross, by plain loops over scalars."""
    x, r, when = [0.0] * 3, [0.0] * 2, [None, None]
    v, u = (model.start_h - 0.1 * model.d) / 0.9, model.start_u
    for step in range((ITEMS + 1) * 100):
        item = step // 100
        on = None if item == ITEMS else {first: 0, second: 1}.get(item, 2)
        g = model.gain + model.gain_by_lc * u
        f = [1 / (1 + np.exp(-g * (each - model.bias))) for each in x]
        fr = [1 / (1 + np.exp(-g * (each - model.bias))) for each in r]
        new = []
        for i in range(3):
            current = 0.0 if on is None else model.input if on == i else model.crosstalk
            net = -x[i] + 2.5 * f[i] - sum(f[j] for j in range(3) if j != i) + current
            new.append(x[i] + net * model.dt)
        r = [r[i] + (-r[i] + 2.0 * fr[i] + 3.5 * f[i]) * model.dt for i in range(2)]
        dv = v * (0.5 - v) * (v - 1) - u + 0.3 * (f[0] + f[1])
        v, u = v + dv / 0.05 * model.dt, u + (0.9 * v + 0.05 - u) / 5.0 * model.dt
        x = new
        for i in range(2):
            if when[i] is None and fr[i] > model.threshold:
                when[i] = step + 1.0
    return when


def test_boost_and_bounce_blinks_and_spares():
    t1, t2 = curve(BoostBounce(), *items(400))
    assert 0.75 < t1 < 0.95
    assert t2[0] > t2[1] + 0.3
    assert t2[3] > t2[1] + 0.3


def test_boost_and_bounce_needs_the_distractor_after_t1_and_a_mask():
    plain = curve(BoostBounce(), *items(300, lags=(2,)))[1]
    assert curve(BoostBounce(), *items(300, lags=(2,), blank=1))[1] > plain + 0.2
    assert curve(BoostBounce(), *items(300, lags=(2,), blank="end"))[1] > plain + 0.2
    open_gate = replace(BoostBounce(), bounce=0.0)
    assert curve(open_gate, *items(300, lags=(2,)))[1] > 0.9


def test_boost_and_bounce_spares_successive_targets():
    _, pair = items(300, lags=(2,))
    triplet = pair.target.copy()
    triplet[:, 4], triplet[:, 5] = 1, 2
    found = BoostBounce().answers(
        Items(triplet, pair.blank, pair.strength, 100.0), np.random.default_rng(0)
    )
    third = (found.target == 2).any(1).mean()
    assert third > curve(BoostBounce(), *items(300, lags=(2,)))[1] + 0.2


def test_a_trace_through_an_open_gate_has_a_closed_form():
    # without feedback a trace rises for 100 ms and then falls under its mask
    model = BoostBounce(dt_ms=0.5, boost=0.0, bounce=0.0, spread=0.0, jitter_ms=0.0, threshold=50.0)
    _, stream = items(1, lags=(4,), targets=(False, True))
    found = model.answers(stream, np.random.default_rng(0)).when_ms[0, 0]
    t = np.linspace(0, 100, 100_001)
    passed = t - model.tau_rise * (1 - np.exp(-t / model.tau_rise))
    crossing = np.interp(50.0, passed, t)
    assert crossing < 100
    assert found - 700 == pytest.approx(crossing, abs=1.0)


def test_reports_are_in_the_order_of_their_times():
    found = ordered(np.array([[300.0, 200.0], [np.inf, 100.0], [np.inf, np.inf]]))
    assert found.target.tolist() == [[1, 0], [1, -1], [-1, -1]]
    np.testing.assert_array_equal(found.when_ms, [[200, 300], [100, np.nan], [np.nan, np.nan]])
