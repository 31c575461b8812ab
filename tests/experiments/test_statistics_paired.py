"""Intervals and tests of paired differences against scipy, statsmodels and naive loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from experiments.statistics.contrasts import holm
from experiments.statistics.distortion import weighted_medians
from experiments.statistics.paired import bootstrap_intervals, mcnemar


def cells(rng, individuals=1, images=60, lean=0.1):
    chances = [0.2 - lean / 2, 0.6, 0.2 + lean / 2]
    return rng.choice([-1, 0, 1], (1, individuals, images), p=chances).astype(np.int8)


def test_bootstrap_of_one_individual_is_scipys():
    rng = np.random.default_rng(0)
    delta = cells(rng, images=200)
    low, high = bootstrap_intervals(delta, np.ones_like(delta, bool), rng, 6000)
    sample = np.concatenate([delta.ravel(), [1, -1]]).astype(float)
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=6000, method="percentile", rng=rng)
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.008)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.008)


def test_bootstrap_of_two_levels_is_the_naive_loop():
    rng = np.random.default_rng(1)
    delta = cells(rng, 3, 80)
    delta[0, 0] = np.abs(delta[0, 0])  # an individual unlike the others
    low, high = bootstrap_intervals(delta, np.ones_like(delta, bool), rng, 6000)
    padded = np.concatenate([delta[0], np.tile([1, -1], (3, 1))], axis=1)
    means = [padded[rng.integers(0, 3, 3)][:, rng.integers(0, 82, 82)].mean() for _ in range(6000)]
    expected = np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose([low[0], high[0]], expected, atol=0.015)


def test_bootstrap_uses_the_block_alone():
    rng = np.random.default_rng(2)
    delta = cells(rng, 3, 90)
    block = np.ones_like(delta, bool)
    block[0, 1], block[0, :, 70:] = False, False
    inside = delta[:, [0, 2], :70]
    found = bootstrap_intervals(delta, block, np.random.default_rng(3), 500)
    alone = bootstrap_intervals(inside, np.ones_like(inside, bool), np.random.default_rng(3), 500)
    np.testing.assert_array_equal(found, alone)


def test_no_differing_image_is_no_certainty():
    delta = np.zeros((1, 2, 500), np.int8)
    low, high = bootstrap_intervals(
        delta, np.ones_like(delta, bool), np.random.default_rng(0), 2000
    )
    exact = 1 - 0.025 ** (1 / 500)  # Clopper-Pearson for 0 of 500
    assert 0.4 * exact < high[0] < 2 * exact
    assert -2 * exact < low[0] < -0.4 * exact


def coverage(individuals, sets=250, images=400):
    """Share of intervals that cover the truth where pairs differ by about 4 points."""
    rng = np.random.default_rng(5)
    image = rng.normal(0, 1, (sets, 1, 1, images))
    taste = rng.normal(0, 0.5, (sets, 2, 1, images))
    individual = rng.normal(0, 0.1, (sets, 2, individuals, 1))
    margin = image + taste + individual + rng.normal(0, 0.7, (sets, 2, individuals, images))
    delta = (margin[:, 0] > -0.3).astype(np.int8) - (margin[:, 1] > 0).astype(np.int8)
    truth = stats.norm.cdf(0.3 / np.sqrt(1 + 0.25 + 0.01 + 0.49)) - 0.5
    low, high = bootstrap_intervals(delta, np.ones_like(delta, bool), rng, 400)
    return float(((low <= truth) & (truth <= high)).mean())


def test_coverage_is_as_documented():
    assert 0.65 < coverage(1) < 0.85
    assert 0.90 < coverage(3) < 0.98


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_mcnemar_of_one_individual_is_theirs(wins, losses, ties):
    delta = np.array([1] * wins + [-1] * losses + [0] * (ties + 1), np.int8)[None, :]
    found = mcnemar(delta, np.ones_like(delta, bool))
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses).pvalue
        theirs = statsmodels_mcnemar([[0, losses], [wins, 0]], exact=True).pvalue
        assert theirs == pytest.approx(expected)
    else:
        expected = 1.0
    assert found == pytest.approx(expected)


def test_mcnemar_asks_every_individual():
    strong, weak = [1] * 20, [1] * 6 + [-1] * 2 + [0] * 12
    delta = np.array([strong, weak], np.int8)
    largest = stats.binomtest(6, 8).pvalue
    assert mcnemar(delta, np.ones_like(delta, bool)) == pytest.approx(largest)
    block = np.ones_like(delta, bool)
    block[1] = False  # a missing individual is not asked
    assert mcnemar(delta, block) == pytest.approx(stats.binomtest(20, 20).pvalue)
    block[:] = False
    assert np.isnan(mcnemar(delta, block))


def test_mcnemar_of_individuals_that_disagree_shows_nothing():
    delta = np.array([[1] * 20, [-1] * 20], np.int8)
    assert mcnemar(delta, np.ones_like(delta, bool)) == 1.0


def test_holm_by_hand_and_by_statsmodels():
    p = np.array([0.01, 0.04, 0.03, np.nan])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan])
    many = np.random.default_rng(0).random((7, 3, 2)) ** 3
    found = holm(many)
    for at in np.ndindex(3, 2):
        column = (slice(None), *at)
        np.testing.assert_allclose(found[column], multipletests(many[column], method="holm")[1])


@given(st.lists(st.integers(0, 4), min_size=3, max_size=9).filter(any))
def test_weighted_median_is_the_median_of_the_repeated(counts):
    values = np.arange(float(len(counts)))
    weights = np.array([counts]) / sum(counts)
    repeated = np.repeat(values, counts)
    assert weighted_medians(values, weights) == np.sort(repeated)[(len(repeated) - 1) // 2]
