"""Statistics of dynamics against scipy, and against results that are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

from experiments.dynamics.assemble import together
from experiments.dynamics.foretelling import aligned, predicting
from experiments.dynamics.pathways import pathway_table
from experiments.dynamics.prediction import mean_relations, rank_correlations, relations
from experiments.dynamics.sensitivity import sensitivity
from experiments.dynamics.sentences import back, carries, cutting
from experiments.dynamics.summary import flips, mean_intervals
from experiments.store import read_dataset, write_dataset
from networks import from_toml
from sim import Network

LINEAR = """
name = "linear"
steps = 2
areas = [
  { name = "input", shape = [1, 4, 4], unit = { model = "input" } },
  { name = "output", shape = [3], unit = { model = "rate", activation = "identity" } },
]
projections = [{ source = "input", target = "output" }]
"""


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exponents, distances with ties and one of infinity, margins; all go together somewhat."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=count)
    exponent = 0.5 * margin + rng.normal(size=count)
    distance = np.round(3 * (margin - exponent + rng.normal(size=count)))
    distance[7] = np.inf
    return exponent, distance, margin


def by_residuals(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> float:
    """Pearson's correlation of what a line in the ranks of ``given`` leaves of the others'."""
    ranks = [stats.rankdata(each) for each in (x, y, given)]
    left = [each - np.polyval(np.polyfit(ranks[2], each, 1), ranks[2]) for each in ranks[:2]]
    return float(stats.pearsonr(*left).statistic)


def test_relations_are_scipys_and_those_of_residuals() -> None:
    exponent, distance, margin = drawn(40)
    found = relations(exponent, distance, margin)
    last = np.where(np.isinf(distance), 99, distance)
    assert found[0] == pytest.approx(stats.spearmanr(exponent, last).statistic)
    assert found[1] == pytest.approx(by_residuals(exponent, last, margin))
    assert found[2] == pytest.approx(stats.spearmanr(margin, last).statistic)
    assert abs(found[1] - found[0]) > 0.05
    assert np.isnan(relations(np.ones(40), distance, margin)[:2]).all()


def test_what_the_margin_explains_is_not_left_to_the_exponent() -> None:
    rng = np.random.default_rng(6)
    margin = rng.normal(size=4000)
    exponent, distance = (margin + 0.5 * rng.normal(size=4000) for _ in range(2))
    whole, given, _ = relations(exponent, distance, margin)
    assert whole > 0.7
    assert abs(given) < 0.06


def test_relations_rest_on_images_of_which_all_is_known() -> None:
    exponent, distance, margin = drawn(30)
    exponent[3], distance[4], margin[5] = -np.inf, np.nan, np.nan
    known = np.setdiff1d(np.arange(30), [3, 4, 5])
    middle, *_ = mean_relations([(exponent, distance, margin)], np.random.default_rng(0), 20)
    np.testing.assert_allclose(middle, relations(exponent[known], distance[known], margin[known]))


def test_the_interval_of_a_mean_rho_holds_it_and_needs_images() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=80)
    y = -x + rng.normal(size=80)
    row = (x, y, rng.normal(size=80))
    middle, low, high = mean_relations([row], np.random.default_rng(2), 400)
    assert low[0] < middle[0] < high[0] < 0
    assert (low < middle).all()
    assert (middle < high).all()
    spread = 2 * 1.96 * (1 - middle[0] ** 2) / np.sqrt(80)
    assert high[0] - low[0] == pytest.approx(spread, rel=0.4)
    few = tuple(each[:9] for each in row)
    assert np.isnan(mean_relations([few], np.random.default_rng(2), 40)).all()


def test_relations_of_a_result_are_by_network_and_direction() -> None:
    rows = [drawn(24, seed) for seed in range(2)]
    exponent, distance, margin = (np.stack(each) for each in zip(*rows, strict=True))
    result = xr.Dataset(
        {
            "exponent": (
                ("network", "individual", "direction", "image"),
                np.stack([exponent, -exponent], 1)[None],
            ),
            "minimum_distortion": (("network", "individual", "image"), distance[None]),
        },
        coords={"network": ["n"], "direction": ["adversarial", "random"]},
    )
    margins = xr.DataArray(
        np.stack([margin, np.zeros_like(margin)], 1)[None],
        {"condition": ["clean", "adversarial"]},
        ("network", "individual", "condition", "image"),
    )
    found = rank_correlations(result, margins, np.random.default_rng(0), 30).sel(network="n")
    expected = np.mean([relations(*row) for row in rows], axis=0)
    for at, name in enumerate(("rank_correlation", "partial_correlation", "margin_correlation")):
        opposite = 1 if name == "margin_correlation" else -1
        np.testing.assert_allclose(found[name], [expected[at], opposite * expected[at]])


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


def cut_result(
    lost: int, won: int, images: int = 100
) -> tuple[xr.Dataset, xr.DataArray, xr.DataArray]:
    """Answers of a network whose cut pathway loses and wins so many images of class 1.

    At its first answer the whole network errs under attack on the first ten, which come back.
    """
    answer = np.ones((1, 1, 2, 2, 1, images), np.int8)
    answer[0, 0, 0, 1, 0, :lost] = 7
    answer[0, 0, 1, 1, 0, lost : lost + won] = 7
    last = xr.DataArray(
        answer,
        {
            "network": ["n"], "pathway": ["lateral"], "gain": [0.0, 1.0],
            "condition": ["clean", "adversarial"],
        },
        ("network", "pathway", "gain", "condition", "individual", "image"),
    )  # fmt: skip
    back = np.zeros((1, 2, 1, images), np.int8)
    back[:, 1, :, :10] = 1
    astray = back.copy()
    astray[:, 1, :, lost : lost + won] = 1
    first = last.copy(data=np.ones_like(answer))
    first[..., 1, :, :10] = 7
    dims = ("network", "condition", "individual", "image")
    result = xr.Dataset(
        {"recovered": (dims, back), "led_astray": (dims, astray)},
        coords={
            "network": ["n"], "condition": ["clean", "adversarial"],
            "label": ("image", np.ones(images, np.int8)),
        },
    )  # fmt: skip
    return result, last, first


def test_what_a_pathway_carries_is_what_its_cut_loses() -> None:
    table = pathway_table(*cut_result(lost=20, won=4), np.random.default_rng(0), 300)
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


@pytest.mark.parametrize("lost", [10, 30])
def test_a_cut_that_leaves_the_first_answers_tells_nothing_of_recovery(lost: int) -> None:
    """Ten of 100 come back, all wrong at first; the cut errs on them, and on others if on 30."""
    table = pathway_table(*cut_result(lost, won=0), np.random.default_rng(0), 50)
    under = table.sel(network="n", pathway="lateral", condition="adversarial")
    assert int(under["came_back"]) == int(under["back_first_wrong"]) == 10
    assert int(under["back_still"]) == 0
    assert int(under["stayed"]) == 90
    assert float(under["still_stayed"]) == pytest.approx((100 - lost) / 90)
    assert float(under["as_first"]) == pytest.approx(1 - (lost - 10) / 100)
    said = back(under)
    assert said.startswith("of the 10 answers that came back (10 images), 0 still end right (0.0 [")
    assert "10 of the 10 were wrong at the first answer" in said
    assert ("cannot tell which pathway" in said) == (lost == 10)


def test_flips_tell_those_of_the_first_answer_from_later_ones() -> None:
    dims = ("network", "individual", "condition", "image")
    flip = np.array([3, 3, 3, 5, np.nan, 6])
    result = xr.Dataset(
        {
            "flip_time": (dims, flip[None, None, None]),
            "led_astray": (dims, np.ones((1, 1, 1, 6), np.int8)),
            "first_answer": (("network", "individual"), [[3]]),
        }
    )
    found = flips(result).squeeze()
    assert float(found["flipped_at_first"]) == pytest.approx(3 / 5)
    assert float(found["flipped"]) == pytest.approx(5 / 6)
    assert float(found["flip_step"]) == 0


def test_pathways_of_all_networks_are_saved_whole(tmp_path: Path) -> None:
    def part(name: str, pathways: list[str]) -> xr.Dataset:
        answers = np.zeros((len(pathways), 2), np.int8)
        saved = xr.Dataset({"gain_answer": (("pathway", "image"), answers)}, {"pathway": pathways})
        write_dataset(saved, tmp_path / name)
        return read_dataset(tmp_path / name)

    named = {"fc-bl": ["lateral"], "fc-bt": ["top-down"], "fc-blt": ["lateral", "top-down", "both"]}
    write_dataset(together({(n, 0): part(n, p) for n, p in named.items()}), tmp_path / "result.nc")
    found = read_dataset(tmp_path / "result.nc")
    assert found["pathway"].to_numpy().tolist() == ["lateral", "top-down", "both"]
    here = found["gain_answer"].sel(network="fc-bt", pathway="top-down")
    assert (here == 0).all()


def test_a_pathway_that_harms_carries_nothing() -> None:
    table = pathway_table(*cut_result(lost=2, won=30), np.random.default_rng(0), 300)
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


def test_sentences_tell_the_exponent_from_the_margin() -> None:
    rows = {
        "rank_correlation": [-0.3, -0.4, -0.1],
        "partial_correlation": [-0.6, -0.5, -0.2],
        "margin_correlation": [0.7, 0.35, 0.5],
    }
    summary = xr.Dataset(
        {
            f"{name}{end}": (("network", "direction"), np.array(row)[:, None] + shift)
            for name, row in rows.items()
            for end, shift in (("", 0), ("_low", -0.15), ("_high", 0.15))
        }
        | {"aligned": ("network", [0.2, 0.5, np.nan])},
        coords={
            "network": ["a", "b", "c"], "direction": ["adversarial"],
            "units": ("network", ["rate", "rate", "spiking"]),
        },
    )  # fmt: skip
    said = list(predicting(summary))
    assert "the nearer in a and b; no correlation shows in 1 of 3 networks. Given" in said[0]
    assert "is -0.60 to -0.20: the larger the exponent, the nearer in all 3 networks." in said[0]
    assert "by 0.35 to 0.70, more closely than the exponent along" in said[1]
    assert said[1].endswith("in 2 of 3 networks.")
    said = list(aligned(summary))
    assert "a |cosine| of 0.20 to 0.50 on average" in said[0]
    assert "surrogate" in said[1]


def test_alignment_is_that_of_the_leading_singular_vector() -> None:
    """Of a network of one linear layer, whose leading direction an SVD gives."""
    network = Network.initial(from_toml(LINEAR), 0)
    chance = torch.Generator().manual_seed(0)
    images = torch.rand((4, 1, 4, 4), generator=chance)
    change = torch.randn((4, 1, 4, 4), generator=chance)
    change[3] = 0
    found = sensitivity(network, images, images + change, chance)["alignment"]
    leads = torch.linalg.svd(network.values["weight/input>output"].detach())[2][0]
    directions = change.flatten(1)[:3]
    cosine = (directions @ leads).abs() / directions.norm(dim=1)
    np.testing.assert_allclose(found[:3], cosine, atol=1e-3)
    assert np.isnan(found[3])
