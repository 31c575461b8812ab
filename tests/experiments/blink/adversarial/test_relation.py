"""Whether who blinks more is easier to fool, and how sure such an answer can be."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr, spearmanr

from experiments.blink.adversarial.gather import magnitude_variance
from experiments.blink.adversarial.relation import (
    FEWEST,
    Compared,
    related,
    reliability_of_halves,
    reliability_of_magnitude,
    within_groups,
)
from experiments.blink.shape import magnitude


def test_few_individuals_give_no_correlation_and_unbroken_ones_rank_highest():
    rng = np.random.default_rng(0)
    pairs = rng.random((2, 12))
    pairs[1, 3], pairs[1, 5] = np.inf, np.nan
    whole = np.zeros(12, int)
    found = related("fc-b", Compared("budget", pairs, whole), np.zeros(12), rng)
    kept = np.delete(pairs, 5, 1)
    kept[1, 3] = 2.0
    assert found.n == 11
    assert found.rho == pytest.approx(spearmanr(*kept).statistic)
    assert found.low < found.rho < found.high
    small = Compared("budget", pairs[:, : FEWEST - 1], whole[: FEWEST - 1])
    few = related("fc-b", small, np.zeros(FEWEST - 1), rng)
    assert np.isnan(few.rho)


def test_halves_tell_how_reliable_all_trials_are():
    """Of values with known error: the reliability is the correlation with the truth, squared."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    halves = truth + rng.normal(scale=1.2, size=(2, 4000))
    wanted = pearsonr(halves.mean(0), truth).statistic ** 2
    assert reliability_of_halves(halves) == pytest.approx(wanted, abs=0.04)
    halves[0, 3] = np.nan
    assert np.isfinite(reliability_of_halves(halves))
    assert reliability_of_halves(np.stack([truth, -truth])) == 0


def test_a_magnitude_is_as_reliable_as_it_tells_those_of_a_group_apart():
    """Not more, where groups differ; of values with known error."""
    rng = np.random.default_rng(0)
    groups = np.repeat([3, 5], 2000)
    truth, by_chance = rng.normal(size=4000), np.full(4000, 0.8**2)
    found = truth + rng.normal(scale=0.8, size=4000)
    wanted = pearsonr(found, truth).statistic ** 2
    for apart in (0, 9):
        reliable = reliability_of_magnitude(found + apart * groups, by_chance, groups)
        assert reliable == pytest.approx(wanted, abs=0.03)
    one = np.zeros(4000, int)
    assert reliability_of_magnitude(found + 9 * groups, by_chance, one) > 0.99


def test_groups_that_differ_do_not_pass_for_individuals_that_do():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [20, 19, 1])
    pairs = rng.normal(size=(2, 40)) + 10 * groups
    assert spearmanr(*pairs).statistic > 0.5
    found = within_groups(pairs, groups)
    assert np.isnan(found[:, -1]).all()
    inside = [spearmanr(*pairs[:, groups == group]).statistic for group in (0, 1)]
    assert abs(spearmanr(*found[:, :-1]).statistic - np.mean(inside)) < 0.05
    assert found[:, :-1].min() == 0
    assert found[:, :-1].max() == 1


def test_the_magnitude_varies_by_chance_as_much_as_said():
    rng = np.random.default_rng(0)
    ms = np.array([100.0, 200, 300, 400, 600, 700])
    rates, trials = np.array([0.8, 0.4, 0.5, 0.6, 0.9, 0.8]), 60
    drawn = rng.binomial(trials, rates, (5000, 6)) / trials
    dims = ("network", "individual", "condition", "lag")
    run = xr.Dataset(
        {
            "last": (dims, rates[None, None, None]),
            "t1": (dims, np.ones((1, 1, 1, 6))),
            "trials": (dims, np.full((1, 1, 1, 6), trials)),
            "lag_ms": (("condition", "lag"), ms[None]),
        },
        {"condition": ["dual"], "lag": [1, 2, 3, 4, 6, 7]},
    )
    wanted = magnitude(drawn, ms).var(ddof=1)
    assert magnitude_variance(run).item() == pytest.approx(wanted, rel=0.1)


def test_the_interval_covers_a_true_correlation_within_groups_as_often_as_said(monkeypatch):
    monkeypatch.setattr("experiments.blink.adversarial.relation.RESAMPLES", 80)
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2, 3], 6)
    covered = 0
    for _ in range(30):
        pairs = rng.multivariate_normal([0, 0], [[1, -0.6], [-0.6, 1]], 24).T + 5 * groups
        found = related("fc-b", Compared("budget", pairs, groups), np.zeros(24), rng)
        covered += found.low <= -0.58 <= found.high  # Spearman's of Pearson's -0.6
    assert covered >= 25
