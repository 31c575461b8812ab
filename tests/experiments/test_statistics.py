"""Statistics against closed forms, brute force and other people's implementations."""

import time

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from experiments.statistics import VIEWS, by_view, common_images, summarise
from experiments.statistics.accuracies import wilson
from experiments.statistics.views import complete, worst


@pytest.fixture
def small(make_result):
    """Two networks, one attack, and a hole in the measurements of one individual."""
    result = make_result(["fc-b", "fc-bl"], ["pgd-linf"], images=40, missing=(("fc-bl", 1),))
    result["correct"][0, 2, :, :, :, 30:] = -1
    return result


def summed(result, contrasts=(), **options):
    return summarise(
        result, contrasts, generator=np.random.default_rng(0), **{"resamples": 200, **options}
    )


def same(found, expected):
    """The same numbers over attack and epsilon, whatever the other labels."""
    order = ("attack", "epsilon")
    np.testing.assert_allclose(found.transpose(*order), expected.transpose(*order))


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilson_is_the_closed_form(n, share):
    z = stats.norm.ppf(0.975)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = wilson(np.array([share]), np.array([n]))
    assert low[0] == pytest.approx(max(middle - half, 0), abs=1e-9)
    assert high[0] == pytest.approx(min(middle + half, 1), abs=1e-9)


def test_wilson_of_nothing_is_nan():
    assert np.isnan(wilson(np.array([np.nan]), np.array([0]))).all()


@given(st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3), min_size=1))
def test_worst_ignores_the_unmeasured(rows):
    values = np.array(rows, dtype=np.int8)
    expected = [min((v for v in row if v >= 0), default=-1) for row in rows]
    assert worst(values, axis=1).tolist() == expected


def test_views_by_brute_force(small):
    seen = by_view(small)
    for network in small["network"].values:
        for individual in small["individual"].values:
            here = small["correct"].sel(network=network, individual=individual)
            there = seen.sel(network=network, individual=individual)
            own = here.sel(source=network)
            assert (there.sel(view="white-box") == own).all()
            assert (there.sel(view="same-inputs") == here.sel(source="independent-1")).all()
            expected = here.where(here >= 0).min("source").fillna(-1)
            assert (there.sel(view="worst-case") == expected).all()


def test_two_independent_sources_give_the_worst_of_both(small):
    both = xr.concat([small["correct"], small["correct"].isel(source=[0])], "source")
    both = both.assign_coords(source=[*small["source"].values, "independent-2"])
    result = small.drop_dims("source").assign(correct=both)
    result = result.assign_coords(independent=("source", [True, False, False, True]))
    result["correct"][:, :, 3] = 1 - both[:, :, 0].where(both[:, :, 0] >= 0, 2)  # the reverse
    seen = by_view(result).sel(view="same-inputs")
    assert int(seen.max()) == 0


def test_worst_case_is_no_better_than_any_view(summary):
    accuracy = summary["individual_accuracy"]
    worst_case = accuracy.sel(view="worst-case")
    for view in VIEWS:
        gap = accuracy.sel(view=view) - worst_case
        assert float(gap.min()) >= 0


def test_accuracy_by_brute_force_leaves_the_missing_out(small):
    table = summed(small)
    scored = [0, 1, 2]  # individual 2 was measured on 30 images only, so all count on these 30
    kept = small["correct"].sel(network="fc-b", source="fc-b").isel(individual=scored)
    expected = (kept.isel(image=slice(30)) == 1).mean(["individual", "image"])
    found = table.sel(network="fc-b", view="white-box")
    same(found["accuracy"], expected)
    assert (found["images_scored"] == 30).all()
    low, high = wilson(expected.to_numpy(), np.full(expected.shape, 30))
    np.testing.assert_allclose(found["accuracy_low"], low)
    np.testing.assert_allclose(found["accuracy_high"], high)
    # the diverged individual is no zero
    other = table.sel(network="fc-bl", view="white-box")
    kept = small["correct"].sel(network="fc-bl", source="fc-bl").isel(individual=[0, 2])
    expected = (kept == 1).mean(["individual", "image"])
    same(other["accuracy"], expected)
    assert table["individuals_scored"].values.tolist() == [3, 2]
    assert np.isnan(other["individual_accuracy"].isel(individual=1)).all()


def test_the_mean_of_the_individuals_is_the_accuracy(summary):
    mean = summary["individual_accuracy"].mean("individual")
    xr.testing.assert_allclose(mean, summary["accuracy"])


def test_noise_has_no_white_box(summary):
    assert summary["accuracy"].sel(view="white-box", attack="noise-linf").isnull().all()
    noise = summary["accuracy"].sel(attack="noise-linf")
    xr.testing.assert_equal(
        noise.sel(view="same-inputs", drop=True), noise.sel(view="worst-case", drop=True)
    )


def test_common_images_by_brute_force(small):
    clean = small["clean_correct"]
    expected = [
        set(clean.isel(image=at).values.ravel()) <= {1, -1} for at in range(clean.sizes["image"])
    ]
    common = common_images(clean)
    assert common.values.tolist() == expected
    table = summed(small)
    assert int(table["common_images"]) == sum(expected)
    kept = small["correct"].sel(network="fc-bl", source="fc-bl").isel(individual=[0, 2])
    mean = (kept.isel(image=np.flatnonzero(expected)) == 1).mean(["individual", "image"])
    found = table["common_accuracy"].sel(network="fc-bl", view="white-box")
    same(found, mean)


def test_no_common_images_is_nan(small):
    small["clean_correct"][0, 0] = 0
    table = summed(small)
    assert int(table["common_images"]) == 0
    assert table["common_accuracy"].isnull().all()


def test_a_network_without_measurements_spoils_nothing(small):
    small["correct"][1], small["clean_correct"][1] = -1, -1
    table = summed(small, [("recurrence", "fc-bl", "fc-b")])
    assert table.sizes["contrast"] == 0
    assert table["accuracy"].sel(network="fc-bl").isnull().all()
    assert int(table["common_images"]) > 0


def test_contrasts_with_unknown_networks_are_left_out(small):
    table = summed(small, [("depth", "fc-b", "fc-nowhere"), ("recurrence", "fc-bl", "fc-b")])
    assert table["contrast"].values.tolist() == ["recurrence: fc-bl - fc-b"]
    assert str(table["factor"].values[0]) == "recurrence"


def test_differences_are_paired(small):
    table = summed(small, [("recurrence", "fc-bl", "fc-b")]).sel(view="white-box").isel(contrast=0)
    left, right = (small["correct"].sel(network=n, source=n) for n in ("fc-bl", "fc-b"))
    both = (left >= 0) & (right >= 0)
    kept = complete(both)
    assert int(table["pairs_scored"].min()) == 2
    expected = (left - right).where(kept).mean(["individual", "image"])
    same(table["difference"], expected)
    assert (table["difference_low"] <= table["difference"]).all()
    assert (table["difference"] <= table["difference_high"]).all()


def test_holm_families_are_the_cells(summary):
    cell = summary.sel(view="white-box", attack="pgd-linf", epsilon=0.1)
    expected = multipletests(cell["mcnemar_p"].values, method="holm")[1]
    np.testing.assert_allclose(cell["holm_p"], expected)


def test_median_distortion(make_result):
    result = make_result(["fc-b", "fc-bl"], images=61, missing=(("fc-bl", 0),))
    table = summed(result, resamples=500)
    values = result["minimum_distortion"].sel(network="fc-bl").values
    values = values[~np.isnan(values)]
    here = table.sel(network="fc-bl")
    assert float(here["median_distortion"]) == pytest.approx(np.median(values))
    assert float(here["distortion_found"]) == pytest.approx(np.isfinite(values).mean())
    assert float(here["median_distortion_low"]) < float(here["median_distortion"])
    assert float(here["median_distortion"]) < float(here["median_distortion_high"])
    assert "median_distortion" not in summed(result.drop_vars("minimum_distortion"))


def test_median_distortion_is_infinite_if_hardly_any_was_found(make_result):
    result = make_result(["fc-b"], images=20)
    result["minimum_distortion"][:, :, 3:] = np.inf
    table = summed(result)
    assert np.isinf(table["median_distortion"]).all()
    assert np.isinf(table["median_distortion_high"]).all()


def test_the_generator_decides(small):
    contrasts = [("recurrence", "fc-bl", "fc-b")]
    xr.testing.assert_identical(summed(small, contrasts), summed(small, contrasts))


def test_the_labels_come_along(summary, result):
    assert summary["recurrence"].sel(network="fc-blt").item() == "both"
    assert summary["norm"].sel(attack="lbfgs").item() == "l2"
    assert summary.attrs["data"] == result.attrs["data"]
    assert summary.attrs["images"] == result.sizes["image"]


@pytest.mark.slow
def test_a_large_result_takes_seconds(make_result, contrasts):
    result = make_result(individuals=5, images=1000)
    start = time.perf_counter()
    summarise(result, contrasts, generator=np.random.default_rng(0))
    assert time.perf_counter() - start < 10


def test_the_worst_case_of_a_network_that_was_spared_is_compared_with_nobody(make_result):
    """It would win by that alone: here it answers as the other does, and was attacked less."""
    result = make_result(["fc-b", "fc-bl"], ["noise-linf", "pgd-linf"], missing=())
    result = result.drop_sel(source="fc-bl")
    result["correct"].loc[{"network": "fc-bl"}] = result["correct"].sel(network="fc-b")
    result["correct"].loc[{"network": "fc-bl", "source": "fc-b", "attack": "pgd-linf"}] = -1
    found = summed(result, [("cells", "fc-bl", "fc-b")])
    attacked = found.sel(attack="pgd-linf", contrast="cells: fc-bl - fc-b")
    assert attacked["difference"].sel(view="worst-case").isnull().all()
    assert attacked["holm_p"].sel(view="worst-case").isnull().all()
    np.testing.assert_array_equal(attacked["difference"].sel(view="same-inputs"), 0)
    accuracy = found["accuracy"].sel(attack="pgd-linf", view="worst-case")
    assert (accuracy.sel(network="fc-bl") > accuracy.sel(network="fc-b")).any()
    noise = found["difference"].sel(attack="noise-linf", view="worst-case")
    assert noise.notnull().all()
