"""Shares of targets lost, and the budgets that it takes."""

import numpy as np
import pytest
import xarray as xr

from experiments.blink.adversarial.losses import (
    half_budget,
    half_budget_of_mean,
    interval,
    losses,
    over_individuals,
)


def made_up(lone: int = 0) -> xr.Dataset:
    """Two lags, three trials each, two draws; T1 always reported but once under attack."""
    clean = np.ones((2, 6), dtype=int)
    clean[:, 0] = 0  # never seen, so that it cannot be lost
    attacked = clean.copy()
    attacked[:, 1], attacked[0, 4] = 0, 0
    t1 = np.ones((2, 1, 2, 6), dtype=int) * (not lone)
    t1[1, 0, 0, 4] = 0  # then both are lost, which is no blink
    t2 = np.stack([clean, attacked])[:, None]
    others = np.zeros_like(t1)
    others[1, 0, 1, 1] = 2 if lone else 1  # false digits then fill all reports
    dims = ("condition", "epsilon", "draw", "trial")
    return xr.Dataset(
        {
            "t1": (dims, t1),
            "t2": (dims, t2),
            "others": (dims, others),
            "lag": ("trial", [1, 1, 1, 3, 3, 3]),
        },
        {"condition": ["clean", "attacked"], "epsilon": [0.1]},
        {"lone": lone, "slots": 2},
    )


def test_success_is_conditional_on_what_was_seen_when_clean():
    found = losses(made_up()).sel(epsilon=0.1)
    assert found["counted"].to_numpy().tolist() == [4, 6]
    assert found["success"].sel(condition="attacked").to_numpy().tolist() == [0.5, 0.0]
    assert not found["success"].sel(condition="clean").any()


def test_without_a_first_target_only_the_second_counts():
    attacked = losses(made_up(lone=1))["success"].sel(condition="attacked", epsilon=0.1)
    np.testing.assert_allclose(attacked.to_numpy(), [0.5, 1 / 6])


@pytest.mark.parametrize("lone", [0, 1])
def test_missed_is_what_is_lost_with_a_report_left_over(lone):
    found = losses(made_up(lone)).sel(condition="attacked", epsilon=0.1)
    np.testing.assert_allclose(found["success"] - found["missed"], [0.25, 0])


def test_where_nothing_was_seen_there_is_no_share():
    blind = made_up()
    blind["t2"] = blind["t2"].where(blind["lag"] != 3, 0)
    found = losses(blind)["success"].sel(condition="attacked", epsilon=0.1)
    np.testing.assert_allclose(found.to_numpy(), [0.5, np.nan])


def test_the_budget_for_half_is_interpolated():
    rates = xr.DataArray(
        [[0.25, 0.75, 1.0], [0.0, 0.1, 0.2], [0.6, np.nan, np.nan], [np.nan] * 3],
        dims=("lag", "epsilon"), coords={"epsilon": [0.1, 0.2, 0.3]},
    )  # fmt: skip
    np.testing.assert_allclose(half_budget(rates), [0.15, np.inf, 0.1 * 0.5 / 0.6, np.nan])


def test_intervals_are_those_of_individuals_drawn_anew():
    values = np.array([0.1, 0.4, np.nan, 0.6, 0.9])
    rates = xr.DataArray(values, dims="individual")
    low, high = interval(rates, np.random.default_rng(1)).to_numpy()
    rng = np.random.default_rng(2)
    draws = np.nanmean(values[rng.integers(0, 5, (4000, 5))], 1)
    np.testing.assert_allclose([low, high], np.nanpercentile(draws, [2.5, 97.5]), atol=0.04)
    found = over_individuals(rates)
    assert int(found["n"]) == 4
    assert float(found["sem"]) == pytest.approx(np.nanstd(values, ddof=1) / 2)
    assert np.isnan(interval(rates[:1], rng)).all()


def test_a_budget_beyond_those_tried_is_the_upper_bound():
    rates = xr.DataArray(
        [[0.5, 1.0], [0.5, 1.0], [0.0, 0.0]], dims=("individual", "epsilon"),
        coords={"epsilon": [0.1, 0.2]},
    )  # fmt: skip
    found = half_budget_of_mean(rates, np.random.default_rng(0))
    assert float(found["half_budget_of_mean"]) == pytest.approx(0.15)
    low, high = found["half_budget_interval"].to_numpy()
    assert low == pytest.approx(0.1)
    assert high == np.inf
