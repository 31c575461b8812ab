"""Measures of spike trains against Elephant, scipy and counts by hand, and of silence."""

import warnings
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import quantities as pq
import xarray as xr
from elephant.spike_train_dissimilarity import van_rossum_distance
from elephant.statistics import cv, isi
from hypothesis import given, settings
from hypothesis import strategies as st
from neo import SpikeTrain
from scipy.stats import pearsonr

from experiments.statistics.spike_trains import (
    KERNEL_MS,
    cliffs_delta,
    coefficients_of_variation,
    divergence,
    interspike_intervals,
    rate_correlation,
    rates_hz,
)

pytestmark = pytest.mark.filterwarnings(  # as Elephant calls it
    "ignore:The 'copy' argument in Quantity"
)

STEP, FINE = 2.0, 0.1  # ms
STEPS = 12


def made(spikes: np.ndarray, spacing: float) -> xr.Dataset:
    """A recording of one area from spikes (time, image, unit)."""
    time = np.arange(len(spikes)) * spacing
    return xr.Dataset({"a.output": (("time", "image", "a.unit"), spikes)}, {"time": time})


def drawn(seed: int, spacing: float = FINE, share: float = 0.3, images: int = 3) -> xr.Dataset:
    """Spikes by chance, at a mean of ``share`` per step, and cells of different tempers."""
    rng = np.random.default_rng(seed)
    samples = round(STEPS * STEP / spacing)
    temper = rng.uniform(0.2, 1.8, 7)
    spikes = rng.random((samples, images, 7)) < temper * share * spacing / STEP
    spikes[..., -1] = False
    return made(spikes, spacing)


def trains(recording: xr.Dataset) -> list[SpikeTrain]:
    """As Elephant has them: one per image and cell."""
    time = recording["time"].to_numpy()
    spikes = recording["a.output"].to_numpy() > 0.5
    return [
        SpikeTrain(time[spikes[:, image, unit]], units="ms", t_stop=1000.0)
        for image, unit in product(range(spikes.shape[1]), range(spikes.shape[2]))
    ]


def by_elephant(one: xr.Dataset, other: xr.Dataset) -> float:
    """Sum of squared van Rossum distances of all trains, per spike."""
    total = spikes = 0.0
    for pair in zip(trains(one), trains(other), strict=True):
        if all(len(each) for each in pair):
            total += van_rossum_distance(list(pair), time_constant=KERNEL_MS * pq.ms)[0, 1] ** 2
        else:  # which Elephant cannot; with itself
            alone = [each.magnitude for each in pair if len(each)]
            total += sum(np.exp(-np.abs(t[:, None] - t) / KERNEL_MS).sum() for t in alone)
        spikes += sum(len(each) for each in pair)
    return total / spikes


# --- intervals


@pytest.mark.parametrize("spacing", [STEP, 0.5, FINE])
def test_intervals_are_those_of_elephant(spacing: float) -> None:
    recording = drawn(0, spacing, share=0.6)
    found, train = interspike_intervals(recording, "a")
    expected = [isi(each).rescale("ms").magnitude for each in trains(recording)]
    assert len(found) > 50
    for at, each in enumerate(expected):
        np.testing.assert_allclose(found[train == at], each, rtol=1e-9)


@pytest.mark.parametrize("spacing", [STEP, FINE])
def test_coefficients_of_variation_are_those_of_elephant(spacing: float) -> None:
    recording = drawn(1, spacing, share=0.7)
    intervals = [isi(each).magnitude for each in trains(recording)]
    expected = [cv(each) for each in intervals if len(each) >= 2]
    assert 5 < len(expected) < len(intervals)
    found = coefficients_of_variation(recording, "a")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(every=st.integers(1, 60), count=st.integers(3, 15), first=st.integers(0, 9))
def test_regular_trains_vary_not_at_all(every: int, count: int, first: int) -> None:
    """To the last bit: else Cliff's delta would tell them from other regular trains."""
    spikes = np.zeros((first + every * count, 1, 1), bool)
    spikes[first::every] = True
    assert coefficients_of_variation(made(spikes, FINE), "a").tolist() == [0.0]


def test_rates_count_spikes_over_the_time_shown() -> None:
    recording = drawn(2)
    found = rates_hz(recording, "a", STEPS * STEP)
    for image, rate in enumerate(found):
        count = int(recording["a.output"].isel(image=image).sum())
        assert rate == pytest.approx(count / 7 / (STEPS * STEP * 1e-3))


# --- distance


@pytest.mark.parametrize(("first", "second"), [(FINE, FINE), (STEP, STEP), (STEP, FINE), (0.5, 2)])
def test_divergence_is_van_rossums_as_elephant_has_it(first: float, second: float) -> None:
    one, other = drawn(3, first), drawn(4, second)
    assert divergence(one, other, "a") == pytest.approx(by_elephant(one, other), rel=1e-5)
    assert divergence(other, one, "a") == pytest.approx(divergence(one, other, "a"), rel=1e-6)


def test_a_lone_spike_is_at_one_even_at_the_very_end() -> None:
    for sample in (0, 100, 239):
        spikes = np.zeros((240, 1, 1), bool)
        spikes[sample] = True
        alone = divergence(made(spikes, FINE), made(np.zeros_like(spikes), FINE), "a")
        assert alone == pytest.approx(1)


@pytest.mark.parametrize("lag", [1, 7, 40])
def test_two_spikes_apart_follow_the_kernel(lag: int) -> None:
    """In closed form: 1 - exp(-lag / tau)."""
    spikes = np.zeros((240, 1, 1), bool)
    early, late = spikes.copy(), spikes.copy()
    early[20], late[20 + lag] = True, True
    expected = 1 - np.exp(-lag * FINE / KERNEL_MS)
    assert divergence(made(early, FINE), made(late, FINE), "a") == pytest.approx(expected)


def test_the_same_spikes_on_another_grid_are_the_same() -> None:
    coarse = drawn(5, STEP)
    spikes = np.zeros((STEPS * 20, *coarse["a.output"].shape[1:]), bool)
    spikes[::20] = coarse["a.output"]
    fine = made(spikes, FINE)
    assert divergence(coarse, fine, "a") == 0
    assert rate_correlation(coarse, fine, "a") == pytest.approx(1)
    steady, train = interspike_intervals(fine, "a")
    expected, same = interspike_intervals(coarse, "a")
    np.testing.assert_allclose(steady, expected, rtol=1e-12)
    np.testing.assert_array_equal(train, same)
    assert cliffs_delta(steady, expected) == cliffs_delta(expected, expected) == 0


recordings = st.builds(
    drawn,
    seed=st.integers(0, 10**6),
    spacing=st.sampled_from([STEP, 0.5, FINE]),
    share=st.floats(0.2, 1.0),
    images=st.integers(1, 3),
)


@given(one=recordings, seed=st.integers(0, 10**6), spacing=st.sampled_from([STEP, FINE]))
@settings(max_examples=40, deadline=None)
def test_distances_are_symmetric_and_nought_for_the_same(
    one: xr.Dataset, seed: int, spacing: float
) -> None:
    other = drawn(seed, spacing, images=one.sizes["image"])
    if not one["a.output"].any():
        return
    assert divergence(one, one, "a") == 0
    there = divergence(one, other, "a")
    assert there >= 0
    assert there == pytest.approx(divergence(other, one, "a"), rel=1e-6, abs=1e-9)
    if there < 1e-9:
        assert int(one["a.output"].sum()) == int(other["a.output"].sum())
    np.testing.assert_allclose(
        rate_correlation(one, other, "a"), rate_correlation(other, one, "a"), rtol=1e-9
    )


# --- counts and Cliff's delta


def test_correlation_is_pearsons_over_cells_and_images() -> None:
    one, other = drawn(6, FINE), drawn(7, STEP)
    counts = [each["a.output"].sum("time").to_numpy().ravel() for each in (one, other)]
    expected = pearsonr(*counts).statistic
    assert abs(expected) > 0.01
    assert rate_correlation(one, other, "a") == pytest.approx(expected)


def by_counting(sample: Sequence[float], baseline: Sequence[float]) -> float:
    signs = [np.sign(x - y) for x, y in product(sample, baseline)]
    return float(np.mean(signs))


numbers = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)


@given(numbers, numbers)
@settings(deadline=None)
def test_cliffs_delta_is_a_count_of_pairs(sample: list[float], baseline: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cliffs_delta(np.array(sample), np.array(baseline))
    assert found == pytest.approx(by_counting(sample, baseline), abs=1e-12)
    assert cliffs_delta(np.array(baseline), np.array(sample)) == pytest.approx(-found, abs=1e-12)


def test_cliffs_delta_at_its_ends() -> None:
    low, high = np.arange(5.0), np.arange(5.0) + 10
    assert cliffs_delta(high, low) == 1
    assert cliffs_delta(low, high) == -1


# --- nothing to measure


def test_silence_is_no_number_and_no_warning() -> None:
    silent, other = made(np.zeros((24, 2, 3), bool), FINE), drawn(8, images=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        intervals, train = interspike_intervals(silent, "a")
        assert len(intervals) == len(train) == 0
        assert coefficients_of_variation(silent, "a").tolist() == []
        assert np.isnan(rate_correlation(silent, silent, "a"))
        assert np.isnan(divergence(silent, silent, "a"))
        assert np.isnan(cliffs_delta(intervals, np.ones(3)))
        assert np.isnan(cliffs_delta(np.ones(3), intervals))
        assert rates_hz(silent, "a", 2.4).tolist() == [0, 0]
    assert np.isnan(rate_correlation(made(np.zeros((240, 2, 7), bool), FINE), other, "a"))


def test_one_spike_gives_no_interval_and_two_give_no_variation() -> None:
    spikes = np.zeros((24, 1, 2), bool)
    spikes[[3, 9], 0, 0] = True
    spikes[5, 0, 1] = True
    intervals, train = interspike_intervals(made(spikes, 0.5), "a")
    assert intervals.tolist() == [3.0]
    assert train.tolist() == [0]
    assert coefficients_of_variation(made(spikes, 0.5), "a").tolist() == []
