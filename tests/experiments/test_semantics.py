"""The command ``semantics``: its units on a small comparison, its statistics, what it says."""

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console
from scipy import stats

from experiments import load_network, load_result
from experiments.bench import Bench, scored
from experiments.semantics import lesions, modularity
from experiments.semantics.activity import activities
from experiments.semantics.command import interpret
from experiments.semantics.population import AMONG, OUTCOMES, correlations, outcomes
from experiments.semantics.report import SECTIONS, sections, terminal_tables
from experiments.semantics.sentences import of_population, sentences
from experiments.semantics.statistics import network_summary, summarised
from experiments.semantics.unit import Interpret
from experiments.single import read_inputs
from experiments.store import read_dataset
from experiments.units import product
from networks import Poisson, from_toml, wiring_named
from networks.derive import coded
from sim import Network
from sim.parameters import weight_name

FEW_STEPS = """
name = "short"
steps = 4
areas = [
  { name = "input", shape = [1, 28, 28], unit = { model = "input" } },
  { name = "h1", shape = [12], unit = { model = "lif", beta = 0.8, threshold = 0.3 } },
  { name = "output", shape = [10], unit = { model = "rate", activation = "identity" } },
]
projections = [ { source = "input", target = "h1" }, { source = "h1", target = "output" } ]
"""

# --- units of work on a small comparison


@pytest.fixture(scope="module")
def answered(small_run: Path, here_on_digits: Callable) -> Iterator[tuple[xr.Dataset, str]]:
    """The result of the command on two networks, with few shuffles and lesions; what it prints."""
    with pytest.MonkeyPatch.context() as patch, here_on_digits():
        patch.setattr("experiments.semantics.measures.PERMUTATIONS", 4)
        patch.setattr("experiments.semantics.modularity.SHUFFLES", 3)
        patch.setattr("experiments.semantics.lesions.SINGLE", 4)
        patch.setattr("experiments.semantics.statistics.RESAMPLES", 20)
        console = Console(width=80, record=True, quiet=False, force_terminal=False)
        result = interpret(
            *(small_run, ["fc-b", "fc-blt"]), images=60, data=None, workers=1, console=console
        )
        yield result, console.export_text()


def test_activity_is_the_mean_output_while_the_answer_is_read(small_run: Path, bench) -> None:
    network, images = load_network(small_run, "fc-b"), scored(bench, 5).images
    h1 = network.values[weight_name(network.wiring.into("h1")[0])]
    drive = images.flatten(1) @ h1.T + network.values["bias/h1"]
    expected = drive.relu().detach().numpy()  # settled long before the answer
    found = activities(network, images, torch.Generator())["h1"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_lesion_is_the_network_without_the_units_weights(
    answered: tuple[xr.Dataset, str], small_run: Path, bench
) -> None:
    """By hand: columns of outgoing weights set to 0, on clean and on the run's crafted images."""
    result, _ = answered
    attacked, facts = read_inputs(small_run / "inputs" / "fc-b-1-pgd-linf")
    split = scored(bench, 40)
    shown = {
        "clean": split.images,
        "attacked": attacked["inputs"][facts["epsilons"].index(0.2)],
    }
    network = load_network(small_run, "fc-b", 1)
    selectivity = result["selectivity"].sel(network="fc-b", individual=1, area="h1", kind="unit")
    quarter = np.argsort(selectivity.fillna(0).to_numpy(), kind="stable")[-32:]
    with torch.no_grad():
        network.values[weight_name(network.wiring.into("h2")[0])][:, quarter.copy()] = 0
        for condition, images in shown.items():
            right = (network(images).argmax(1) == split.labels).numpy()
            found = result["lesion_accuracy"].sel(
                network="fc-b", individual=1, area="h1", lesion="selective", condition=condition
            )
            expected = lesions.by_class(right, split.labels.numpy())
            np.testing.assert_allclose(found.sel(member=0), expected)


def test_silencing_no_unit_of_a_random_network_costs_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its input is drawn anew for each image: all lesions see one draw, in every run."""
    network = Network.initial(coded(from_toml(FEW_STEPS), Poisson()), seed=0)
    monkeypatch.setattr("experiments.training.load_individual", lambda path: network)
    monkeypatch.setattr("experiments.semantics.unit.seed_of", lambda path: 0)
    monkeypatch.setattr("experiments.semantics.measures.PERMUTATIONS", 1)
    monkeypatch.setattr("experiments.semantics.modularity.SHUFFLES", 1)
    nothing = [lesions.Target("random", member, ()) for member in (0, 1)]
    monkeypatch.setattr("experiments.semantics.lesions.targets", lambda *given: nothing)
    found = []
    for cache in ("first", "second"):
        monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / cache))
        unit = Interpret(tmp_path, "", None, images=60, lesioned=50, seed=3, bench=bench)
        unit.run(lambda done, score: None)
        found.append(read_dataset(product(unit)))
    intact = found[0]["intact_accuracy"].sel(condition="clean").to_numpy()
    left = found[0]["lesion_accuracy"].sel(area="h1", lesion="random", condition="clean")
    left = left.dropna(next(dim for dim in left.dims if dim != "class"), how="all")
    np.testing.assert_array_equal(left, np.stack([intact, intact]))
    xr.testing.assert_identical(found[0], found[1])
    images = scored(bench, 50).images
    answers = [network(images).argmax(1) for _ in range(2)]
    assert not torch.equal(*answers)  # its chance does matter


def test_intact_accuracy_is_the_comparisons(
    answered: tuple[xr.Dataset, str], small_run: Path
) -> None:
    result, compared = answered[0], load_result(small_run)
    weights = np.bincount(compared["label"].to_numpy(), minlength=10) / 40
    intact = (result["intact_accuracy"].fillna(0) * weights).sum("class")
    own = outcomes(compared, ["fc-b", "fc-blt"])
    np.testing.assert_allclose(intact.sel(condition="clean"), own["clean_accuracy"])
    np.testing.assert_allclose(
        intact.sel(network="fc-b", condition="attacked"), own["robust_accuracy"].sel(network="fc-b")
    )


def test_everything_is_kept_and_reported(answered: tuple[xr.Dataset, str], small_run: Path) -> None:
    result, printed = answered
    out = small_run / "semantics"
    saved = xr.load_dataset(out / "result.nc", engine="netcdf4")
    assert saved["information"].sizes["member"] == 128
    assert saved["information"].sel(kind="module").isnull().all()
    assert (saved["information"].sel(kind="unit").notnull()).all()
    page = unescape((out / "report.html").read_text())
    assert "This is not MNIST" in page
    for sentence in sentences(summarised(result, np.random.default_rng(0))):
        assert sentence.split(";")[0][:60] in page
    assert "No network here has modules" in page
    assert max(len(line) for line in printed.splitlines() if "Report:" not in line) <= 80
    for name in ("meanings", "lesions", "robustness", "activating-fc-b", "activating-fc-blt"):
        assert (out / "figures" / f"{name}.png").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", 501], "has 500 test images; ask for at most so many, not 501."),
        (["fc-bl"], "There is no network 'fc-bl' in"),
        (["brought_model:TimeAveraged"], "was brought by its import path, and has no areas"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    refused: Callable[..., str], small_run: Path, cache: Path, words: list[object], says: str
) -> None:
    said = refused("semantics", small_run, *words)
    assert says in said


def test_a_directory_that_is_no_run(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "holds no result.nc" in refused("semantics", tmp_path)


# --- modularity of networks


def test_strengths_of_a_modular_network_lie_where_its_weights_do() -> None:
    network = Network.initial(wiring_named("fc-blt-modular"), seed=0)
    found, place = modularity.weight_strengths(network), modularity.nodes(network.wiring)
    values = network.circuit().values
    lateral = sum(
        values[weight_name(p)].detach().abs().numpy()
        for p in network.wiring.projections
        if (p.source, p.target) == ("h1", "h1")
    )
    np.testing.assert_allclose(found[place["h1"], place["h1"]], lateral.T, rtol=1e-6)
    assert not found[place["h2"], place["h2"]].all()
    module = np.tile(np.repeat(np.arange(4), 32), 2)
    assert modularity.modularity(found, module) > 0.3


def test_feature_maps_are_nodes_of_a_convolutional_network() -> None:
    network = Network.initial(wiring_named("conv-blt"), seed=0)
    found = modularity.weight_strengths(network)
    assert found.shape == (48, 48)
    (up,) = [p for p in network.wiring.projections if (p.source, p.target) == ("h1", "h2")]
    kernel = network.values[weight_name(up)].detach().abs().numpy()
    np.testing.assert_allclose(found[3, 16 + 5], kernel[5, 3].sum(), rtol=1e-6)


# --- statistics and sentences


@pytest.fixture(scope="module")
def told(make_semantics: Callable[..., xr.Dataset]) -> tuple[xr.Dataset, xr.Dataset]:
    made = make_semantics()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.semantics.statistics.RESAMPLES", 60)
        return made, summarised(made, np.random.default_rng(0))


def test_means_gaps_and_their_intervals(told: tuple[xr.Dataset, xr.Dataset]) -> None:
    made, summary = told
    mean = made["information"].mean(["member", "area", "individual"])
    xr.testing.assert_allclose(
        summary["mean_information"].transpose(*mean.dims).reset_coords(drop=True),
        mean.reset_coords(drop=True),
    )
    gap = summary.sel(kind="unit")
    np.testing.assert_allclose(gap["gap_information"], 0.2, atol=0.03)
    assert (gap["gap_information_low"] > 0.1).all()
    np.testing.assert_allclose(summary["live_gap_information"], gap["gap_information"], atol=1e-9)
    modular = summary.sel(network="fc-blt-modular")
    assert float(modular["gap_information_high"].sel(kind="module")) < -0.2
    assert np.isnan(summary["gap_information"].sel(network="fc-b", kind="module"))


def test_an_interval_is_as_wide_as_its_standard_error_says() -> None:
    from experiments.semantics.statistics import member_means

    values = np.random.default_rng(1).normal(size=100)
    draws = member_means(values, np.random.default_rng(0))
    assert draws[0] == pytest.approx(values.mean())
    assert draws[1:].std() == pytest.approx(values.std() / 10, rel=0.15)
    assert np.isnan(member_means(np.full(3, np.nan), np.random.default_rng(0))).all()


def test_costs_of_lesions(told: tuple[xr.Dataset, xr.Dataset]) -> None:
    summary = told[1].sel(condition="clean")
    for lesion, cost in (("selective", 0.1), ("unselective", 0.2), ("random", 0.05)):
        np.testing.assert_allclose(summary["drop"].sel(lesion=lesion), cost, atol=0.01)
    modular = summary["drop"].sel(lesion="module").dropna("network")
    assert modular["network"].to_numpy().tolist() == ["fc-blt-modular"]
    np.testing.assert_allclose(summary["uneven"].sel(lesion="random"), 0.01, rtol=0.5)


def test_correlations_over_individuals(told: tuple[xr.Dataset, xr.Dataset]) -> None:
    here = told[1].sel(predictor="selectivity")
    everyone = here.sel(among="all")
    assert float(everyone["correlation"].sel(outcome="robust")) == pytest.approx(1)
    assert float(everyone["correlation"].sel(outcome="corruption")) == pytest.approx(-1)
    assert np.isnan(everyone["correlation"].sel(outcome="clean"))
    assert int(everyone["correlated"].sel(outcome="robust")) == 8
    assert here["correlation"].sel(among="spiking").isnull().all()  # one network is too few


def test_sentences_say_what_the_numbers_show(told: tuple[xr.Dataset, xr.Dataset]) -> None:
    said = " ".join(sentences(told[1]))
    assert "information about the class: higher in 4 of 4 networks, lower in 0" in said
    assert "Modules beside random groups of as many units, information about the class: " in said
    assert "higher in 0 of 1 network, lower in 1" in said
    assert "100 % of the units and 100 % of the random directions" in said
    assert "In fc-blt-modular, a silenced module costs 30." in said
    assert "0.40, before training 0.30; above that of weights shuffled" in said
    assert "Spearman: +1.00 [1.00, 1.00] among all (8 individuals of 4 networks)" in said


def test_dead_units_widen_the_gap_and_do_not_count_among_the_live(
    told: tuple[xr.Dataset, xr.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.semantics.statistics.RESAMPLES", 20)
    made = told[0].sel(network=["fc-b"]).copy(deep=True)
    dead = {"kind": "unit", "member": slice(0, 4)}
    made["silent"].loc[dead], made["information"].loc[dead] = 1.0, 0.0
    found = network_summary(made.sel(network="fc-b"), np.random.default_rng(0))
    live = made["information"].sel(kind="unit")[..., 5:].mean()
    random = made["information"].sel(kind="random").mean()
    assert float(found["live_gap_information"]) == pytest.approx(float(live - random))
    whole = float(found["gap_information"].sel(kind="unit"))
    assert whole == pytest.approx(float(0.75 * live - random))


def test_a_correlation_of_two_clusters_is_called_one() -> None:
    """Rate networks stand above spiking ones in both, among which all go the other way."""
    made = xr.Dataset(
        coords={"among": list(AMONG), "predictor": ["selectivity"], "outcome": list(OUTCOMES)}
    )
    dims = ("among", "predictor", "outcome")
    for name, row in {
        "correlation": [0.8, 0.3, -0.7],
        "correlation_low": [0.3, -0.2, np.nan],
        "correlation_high": [0.9, 0.6, np.nan],
        "correlated": [14, 8, 6],
        "networks_correlated": [7, 4, 3],
    }.items():
        made[name] = dims, np.tile(np.array(row)[:, None, None], (1, 1, len(OUTCOMES)))
    said = " ".join(of_population(made))
    assert "-0.70 among spiking networks (6 individuals of 3 networks, too few for an" in said
    assert "largely between rate and spiking networks; within spiking networks it points" in said
    one_cluster = made.assign(correlation=abs(made["correlation"]) * 0 + 0.8)
    assert "largely between" not in " ".join(of_population(one_cluster))


def test_three_networks_have_a_correlation_without_an_interval(
    told: tuple[xr.Dataset, xr.Dataset],
) -> None:
    three = told[0].isel(network=[0, 1, 2])
    here = correlations(three, np.random.default_rng(0)).sel(
        among="all", predictor="selectivity", outcome="robust"
    )
    x = three["selectivity"].sel(kind="unit").mean("member").mean("area")
    y = three["robust_accuracy"].transpose(*x.dims)
    rho = stats.spearmanr(x.to_numpy().ravel(), y.to_numpy().ravel()).statistic
    assert float(here["correlation"]) == pytest.approx(rho)
    assert np.isnan(here["correlation_low"])


def test_every_table_of_the_page_shows_its_own_measure(
    told: tuple[xr.Dataset, xr.Dataset],
) -> None:
    found = sections(told[1])
    assert set(found) == set(SECTIONS)
    for name, word in (
        ("information", "Information"), ("purity", "Purity"), ("entropy", "Entropy"),
        ("selectivity", "selectivity"),
    ):  # fmt: skip
        heads, rows = found[name]
        assert word in SECTIONS[name][0]
        mean = told[1][f"mean_{name}"].isel(network=1).sel(kind=heads[1])
        assert rows[1][1].startswith(f"{float(mean):.2f} [")


def test_tables_fit_80_columns_with_the_longest_names(
    told: tuple[xr.Dataset, xr.Dataset],
) -> None:
    names = ["fc-blt-control-compute", *told[1]["network"].to_numpy()[1:]]
    summary = told[1].assign_coords(network=names)
    console = Console(width=80, record=True, force_terminal=False)
    for table in terminal_tables(summary):
        console.print(table)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
