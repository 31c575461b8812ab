"""Statistics of dynamics against scipy, and against results that are known."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from experiments.dynamics.assemble import together
from experiments.dynamics.sentences import carries, cutting
from experiments.dynamics.summary import mean_intervals, mean_rho, pathway_table, rho


def test_rho_is_scipys_where_all_is_known() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.integers(5, size=30).astype(float)
    assert rho(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(rho(np.ones(30), y))
    x[3], y[4] = -np.inf, np.nan
    known = np.isfinite(x) & ~np.isnan(y)
    middle, *_ = mean_rho([(x, y)], np.random.default_rng(0), 20)
    assert middle == pytest.approx(stats.spearmanr(x[known], y[known]).statistic)


def test_images_that_nothing_fools_rank_last() -> None:
    x, y = np.arange(10.0), np.arange(10.0)
    y[9] = np.inf
    assert rho(x, y) == pytest.approx(1)


def test_the_interval_of_a_mean_rho_holds_it_and_needs_images() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    y = -x + rng.normal(size=80)
    middle, low, high = mean_rho([(x, y)], np.random.default_rng(2), 400)
    assert low < middle < high < 0
    assert high - low == pytest.approx(2 * 1.96 * (1 - middle**2) / np.sqrt(80), rel=0.4)
    assert np.isnan(mean_rho([(x[:9], y[:9])], np.random.default_rng(2), 40)).all()


def test_means_leave_out_what_is_not_known() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(2, 1, size=(3, 1, 200))
    values[0, 0, :50] = np.nan
    values[2] = np.nan
    middle, low, high = mean_intervals(values, np.random.default_rng(4), 500)
    np.testing.assert_allclose(middle[:2], np.nanmean(values[:2], (1, 2)))
    spread = np.nanstd(values[0]) / np.sqrt(150)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * spread, rel=0.2)
    assert np.isnan([middle[2], low[2], high[2]]).all()


def test_infinitely_fast_forgetting_has_no_mean() -> None:
    middle, low, _ = mean_intervals(np.full((1, 1, 20), -np.inf), np.random.default_rng(4), 50)
    assert np.isnan([middle[0], low[0]]).all()


def cut_result(lost: int, won: int, images: int = 100) -> tuple[xr.Dataset, xr.Dataset]:
    """Answers of a network whose cut pathway loses and wins so many images of class 1."""
    answer = np.ones((1, 1, 2, 2, 1, images), np.int8)
    answer[0, 0, 0, 1, 0, :lost] = 7
    answer[0, 0, 1, 1, 0, lost : lost + won] = 7
    last = xr.Dataset(
        {"gain_answer": (
            ("network", "pathway", "gain", "condition", "individual", "image"), answer
        )},
        coords={
            "network": ["n"], "pathway": ["lateral"], "gain": [0.0, 1.0],
            "condition": ["clean", "adversarial"],
        },
    )  # fmt: skip
    back = np.zeros((1, 2, 1, images), np.int8)
    back[:, 1, :, :10] = 1
    result = xr.Dataset(
        {"recovered": (("network", "condition", "individual", "image"), back)},
        coords={
            "network": ["n"], "condition": ["clean", "adversarial"],
            "label": ("image", np.ones(images, np.int8)),
        },
    )  # fmt: skip
    return result, last


def test_what_a_pathway_carries_is_what_its_cut_loses() -> None:
    result, last = cut_result(lost=20, won=4)
    table = pathway_table(result, last, np.random.default_rng(0), 300)
    here = table.sel(network="n", pathway="lateral")
    under = here.sel(condition="adversarial")
    assert float(under["carried"]) == pytest.approx(0.16)
    assert float(under["carried_p"]) == pytest.approx(stats.binomtest(4, 24).pvalue)
    assert 0 < under["carried_low"] < 0.16 < under["carried_high"]
    assert float(here["gain_accuracy"].sel(gain=0.0, condition="adversarial")) == pytest.approx(0.8)
    assert float(here["carried"].sel(condition="clean")) == 0
    assert carries(here)
    assert float(under["still_back"]) == 0  # the ten that came back are among the twenty lost
    assert cutting(here).startswith("accuracy under attack changes by -16.0 points")


def test_a_pathway_that_harms_carries_nothing() -> None:
    result, last = cut_result(lost=2, won=30)
    table = pathway_table(result, last, np.random.default_rng(0), 300)
    here = table.sel(network="n", pathway="lateral")
    assert float(here["carried_holm"].sel(condition="adversarial")) < 0.001
    assert not carries(here)


def test_networks_of_unlike_areas_and_steps_stand_side_by_side() -> None:
    def part(areas: list[str], steps: int, kinds: list[str]) -> xr.Dataset:
        return xr.Dataset(
            {
                "divergence": (("area", "time", "image"), np.ones((len(areas), steps, 2))),
                "drive_share": (("kind", "image"), np.ones((len(kinds), 2))),
                "right": (("time", "image"), np.ones((steps, 2), np.int8)),
                "steps": steps,
            },
            coords={"area": areas, "time": np.arange(steps), "kind": kinds},
        )

    found = together(
        {
            ("a", 0): part(["input", "h1", "output"], 3, ["bias", "feedforward"]),
            ("a", 1): part(["input", "h1", "output"], 3, ["bias", "feedforward"]),
            ("b", 0): part(["input", "h1", "deep", "output"], 5, ["feedforward", "top-down"]),
        }
    )
    assert found["area"].to_numpy().tolist() == ["input", "h1", "output", "deep"]
    assert found["kind"].to_numpy().tolist() == ["bias", "feedforward", "top-down"]
    assert found["right"].dtype == np.int8
    assert (found["right"].sel(network="a", time=[3, 4]) == -1).all()
    assert found["divergence"].sel(network="a", area="deep").isnull().all()
    assert found["divergence"].sel(network="b", individual=1).isnull().all()
    assert found["steps"].sel(individual=0).to_numpy().tolist() == [3, 5]
