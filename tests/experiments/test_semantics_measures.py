"""Selectivity, information, purity and modularity against tables worked by hand, and peers."""

import networkx
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from experiments.semantics.activity import principal_directions, random_directions, readings
from experiments.semantics.lesions import by_class, positions, targets
from experiments.semantics.measures import (
    BINS,
    TOP,
    against_null,
    information,
    measured,
    prepared,
    top_shares,
)
from experiments.semantics.modularity import (
    activity_strengths,
    modularity,
    with_shuffled_groups,
    with_shuffled_strengths,
)
from experiments.semantics.population import rank_correlations, spearman
from networks import Area

LABELS = np.repeat(np.arange(10), 20)


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


def test_selectivity_is_that_of_the_table() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    activity = np.array([[4, 4, 1, 1, 0, 0], [2, 2, 2, 2, 2, 2], [0, 2, 0, 0, 0, 0]], float).T
    found = measured(prepared(activity), labels)["selectivity"]
    # best 4, rest (1 + 0) / 2: (4 - 0.5) / (4 + 0.5); constant: none; one class alone: 1
    np.testing.assert_allclose(found, [3.5 / 4.5, np.nan, 1])


def test_selectivity_counts_from_the_smallest_activity() -> None:
    values = chance().normal(size=(200, 7))
    one = measured(prepared(values), LABELS)["selectivity"]
    np.testing.assert_allclose(one, measured(prepared(3 * values - 5), LABELS)["selectivity"])


def test_information_is_sklearns_with_the_correction_of_miller_and_madow() -> None:
    values = chance().normal(size=(200, 5)) + LABELS[:, None] * np.array([0, 0.1, 0.5, 1, 5])
    values[:, 1] = np.maximum(values[:, 1], 0)
    ready = prepared(values)
    found = information(ready.bins, LABELS, 10)
    for at, bins in enumerate(ready.bins.T):
        cells = [len(np.unique(each)) for each in (bins, LABELS, 10 * bins + LABELS)]
        bias = (cells[0] + cells[1] - cells[2] - 1) / (2 * 200)
        nats = mutual_info_score(bins, LABELS) + bias
        assert found[at] == pytest.approx(nats / np.log(2))


def test_information_about_shuffled_labels_is_nought_on_average() -> None:
    values = chance().normal(size=(600, 40))
    labels = chance().integers(0, 10, 600)
    found = information(prepared(values).bins, labels, 10)
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(40)
    assert measured(prepared(labels[:, None].astype(float)), labels)["information"] > 2.5


def test_bins_hold_equally_many_and_keep_ties_together() -> None:
    values = np.stack([np.arange(800.0), np.repeat([0.0, 1.0], [700, 100])], axis=1)
    bins = prepared(values).bins
    assert np.bincount(bins[:, 0]).tolist() == [100] * BINS
    assert len(np.unique(bins[:700, 1])) == len(np.unique(bins[700:, 1])) == 1


def test_images_that_tie_share_the_last_places() -> None:
    activity = np.array([[3.0] * (TOP - 2) + [1.0] * 4 + [0.0] * 5]).T
    shares = top_shares(activity)[:, 0]
    np.testing.assert_allclose(shares, [1] * (TOP - 2) + [0.5] * 4 + [0] * 5)
    np.testing.assert_allclose(top_shares(np.zeros((50, 1))), TOP / 50)


def test_purity_and_entropy_of_the_top_images() -> None:
    activity = np.zeros((200, 2))
    activity[LABELS == 3, 0] = 1 + np.arange(20)  # the ten highest are all of class 3
    activity[np.arange(5), 1], activity[20 + np.arange(5), 1] = 2, 1  # five of 0, five of 1
    found = measured(prepared(activity), LABELS)
    np.testing.assert_allclose(found["purity"], [1, 0.5])
    np.testing.assert_allclose(found["entropy"], [0, 1], atol=1e-12)


def test_the_null_tells_tuned_from_untuned() -> None:
    generator = chance()
    activity = generator.normal(size=(200, 60))
    activity[:, :30] += 3 * (LABELS == 4)[:, None]
    found = against_null(prepared(activity), LABELS, generator)
    for name in ("selectivity", "information", "purity", "entropy"):
        p = found[f"{name}_p"]
        assert (p[:30] < 0.05).all()
        assert (p[30:] < 0.05).mean() < 0.2
        assert (found[f"{name}_null_low"] <= found[f"{name}_null"]).all()
    assert (found["information"][:30] > found["information_null_high"][:30]).all()


def test_random_directions_have_no_favourite_and_length_one() -> None:
    vectors = random_directions(5, 4000, chance())
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    np.testing.assert_allclose(vectors.T @ vectors / 4000, np.eye(5) / 5, atol=0.02)


def test_principal_directions_are_those_of_the_covariance() -> None:
    activity = chance().normal(size=(300, 6)) @ np.diag([1, 2, 3, 4, 5, 6])
    found = principal_directions(activity, 3)
    values, vectors = np.linalg.eigh(np.cov(activity.T))
    cosines = (found * vectors[:, np.argsort(-values)[:3]].T).sum(1)
    np.testing.assert_allclose(np.abs(cosines), 1)
    assert (found[np.arange(3), np.abs(found).argmax(1)] > 0).all()


def test_modules_are_means_of_consecutive_units_and_whole_areas_have_none() -> None:
    activity = chance().random((30, 8))
    found = readings(activity, Area(name="h", shape=(8,), modules=4), chance())
    np.testing.assert_allclose(found["module"][:, 1], activity[:, 2:4].mean(1))
    assert found["group"].shape[0] == 30
    assert "module" not in readings(activity, Area(name="h", shape=(8,)), chance())


def test_modularity_is_networkxs() -> None:
    strength = chance().random((12, 12)) * (chance().random((12, 12)) < 0.5)
    group = np.arange(12) % 3
    parts = [set(np.flatnonzero(group == each).tolist()) for each in range(3)]
    for graph, kind in ((strength, networkx.DiGraph), (strength + strength.T, networkx.Graph)):
        made = networkx.from_numpy_array(graph - np.diag(np.diag(graph)), create_using=kind)
        expected = networkx.algorithms.community.modularity(made, parts)
        assert modularity(graph - np.diag(np.diag(graph)), group) == pytest.approx(expected)
    assert np.isnan(modularity(np.zeros((3, 3)), np.arange(3)))


def test_nulls_keep_what_they_say_they_keep() -> None:
    group = np.repeat([0, 1], 5)
    strength = np.where(group[:, None] == group, 2.0, 0.1)
    strength[0, 1:] = 0
    place = {"h": slice(0, 10)}
    assert modularity(strength, group) > np.quantile(
        with_shuffled_groups(strength, group, place, chance()), 0.99
    )
    assert modularity(strength, group) > np.quantile(
        with_shuffled_strengths(strength, group, place, chance()), 0.99
    )
    # modules that are all there is are no work of the weights' strengths
    blocks = (group[:, None] == group).astype(float)
    found = with_shuffled_strengths(blocks, group, place, chance())
    np.testing.assert_allclose(found, modularity(blocks, group))


def test_correlations_are_numpys_and_silent_units_have_none() -> None:
    activity = chance().normal(size=(100, 4))
    activity[:, 3] = 1
    found = activity_strengths(activity)
    expected = np.clip(np.corrcoef(activity[:, :3].T), 0, None)
    np.testing.assert_allclose(found[:3, :3], expected - np.eye(3), atol=1e-12)
    assert not found[3].any()


def test_groups_of_one_size_are_silenced() -> None:
    area = Area(name="h", shape=(12,), modules=3)
    found = targets(area, np.arange(12.0), chance())
    groups = {(t.kind, t.member): t.units for t in found if t.kind != "unit"}
    assert {len(units) for units in groups.values()} == {4}
    assert set(groups["selective", 0]) == {8, 9, 10, 11}
    assert set(groups["unselective", 0]) == {0, 1, 2, 3}
    assert groups["module", 1] == (4, 5, 6, 7)
    assert sorted(t.units[0] for t in found if t.kind == "unit") == list(range(12))


def test_a_feature_map_is_silenced_at_all_its_positions() -> None:
    area = Area(name="h", shape=(3, 2, 2))
    assert positions(area, (0, 2)) == (0, 1, 2, 3, 8, 9, 10, 11)


def test_accuracy_by_class() -> None:
    right = np.array([True, False, True, True])
    found = by_class(right, np.array([0, 0, 1, 3]))
    np.testing.assert_allclose(found, [0.5, 1, np.nan, 1, *[np.nan] * 6])


def test_spearman_is_scipys_and_its_interval_covers_it() -> None:
    pairs = chance().normal(size=(2, 8, 3))
    pairs[1] += pairs[0]
    pairs[:, 2, 1] = np.nan
    there = np.isfinite(pairs[0])
    expected = stats.spearmanr(pairs[0][there], pairs[1][there]).statistic
    draws = rank_correlations(pairs, chance())
    assert draws[0] == pytest.approx(expected)
    low, high = np.nanquantile(draws[1:], [0.025, 0.975])
    assert low < expected < high
    assert np.isnan(spearman(np.array([[1.0, 1, 1], [1, 2, 3]])))
