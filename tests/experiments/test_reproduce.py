"""Szegedy's tables: the decay, the amplification, who is in them, and a small run of them all."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from experiments.attacks.lbfgs import minimum_distortion
from experiments.attacks.threat import rms
from experiments.autoencoder import pretrain
from experiments.data.dataset import Dataset, part_of
from experiments.objective import decay
from experiments.recipe import Recipe
from experiments.reproduce.command import reproduce
from experiments.reproduce.literal import literal_distortion
from experiments.reproduce.members import LAMBDAS, TABLE_1, Member, members
from experiments.reproduce.plan import Settings, plan
from experiments.reproduce.published import szegedy
from experiments.reproduce.result import averages, summarise
from experiments.reproduce.units import DEVIATIONS, amplified, pictures, wrong_classes
from experiments.result import load_result
from experiments.training import accuracy, train
from networks import BlindspotsError, wiring_named
from sim import Network

SOFTMAX = wiring_named("FC10")
QUICK: dict[str, Any] = {"epochs": 6, "batch": 100, "rate": 1e-2}
FEW = (
    Member("FC10(1)", SOFTMAX, Recipe(**QUICK, decay_per_layer=(0.5,), keep="last")),
    Member("plain", SOFTMAX, Recipe(**QUICK), added=True),
    Member("half (P1)", SOFTMAX, Recipe(**QUICK, parts=2), "halves", "P1"),
    Member("half (P2)", SOFTMAX, Recipe(**QUICK, parts=2), "halves", "P2"),
    Member("FC10(1), k", SOFTMAX, Recipe(**QUICK, decay_per_layer=(0.1,)), "letter"),
)
SETTINGS = Settings(images=12, seed=1)


def test_decay_is_the_price_of_every_layer_alone() -> None:
    wiring = wiring_named("FC100-100-10")
    network = Network.initial(wiring, 0)
    recipe = Recipe(**QUICK, decay_per_layer=(0.5, 0.25, 2.0))
    weights = [network.values[f"weight/{p.name}"].detach().double() for p in wiring.projections]
    expected = sum(c * float((w**2).sum()) for c, w in zip((0.5, 0.25, 2), weights, strict=True))
    priced = decay(network.wiring, dict(network.values.items()), recipe)
    assert isinstance(priced, torch.Tensor)
    assert priced.item() == pytest.approx(expected, rel=1e-5)
    assert decay(network.wiring, dict(network.values.items()), Recipe(**QUICK)) == 0


def test_training_with_decay_ends_where_logistic_regression_does(
    digits: Dataset, tmp_path: Path
) -> None:
    """scikit-learn minimises |w|^2 / 2 + C * (sum of losses): a price of 1 / (2 C N) here."""
    price, images = 0.2, digits.train.images.flatten(1).numpy()
    oracle = LogisticRegression(C=1 / (2 * price * len(images)), tol=1e-8, max_iter=1000)
    oracle.fit(images, digits.train.labels.numpy())
    recipe = Recipe(epochs=150, batch=1000, rate=2e-2, decay_per_layer=(price,), keep="last")
    network, facts = train(SOFTMAX, recipe, digits, 0, checkpoint=tmp_path)
    found = network.values["weight/input>output"].detach().numpy()
    assert np.linalg.norm(found - oracle.coef_) < 0.02 * np.linalg.norm(oracle.coef_)
    assert facts["best_epoch"] == 150
    assert accuracy(network, digits.validation) == facts["validation"][-1]


def test_decay_must_fit_the_wiring(digits: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(**QUICK, decay_per_layer=(0.1, 0.1))
    with pytest.raises(BlindspotsError, match="has 2 values, but 'FC10' has 1 projections"):
        train(SOFTMAX, recipe, digits, 0, checkpoint=tmp_path)


def test_amplified_changes_have_exactly_the_deviation(digits: Dataset) -> None:
    clean = digits.test.images[:30]
    chance = torch.Generator().manual_seed(0)
    changed = (clean + 0.02 * torch.randn(clean.shape, generator=chance)).clamp(0, 1)
    changed[3] = clean[3]
    far = rms(amplified(clean, changed) - clean)
    assert far[3] == 0
    others = torch.arange(30) != 3
    torch.testing.assert_close(far[others], torch.full((29,), 0.1), rtol=0, atol=1e-5)
    assert float(amplified(clean, changed).min()) >= 0
    assert float(amplified(clean, changed).max()) <= 1


def test_targets_are_any_wrong_class() -> None:
    labels = torch.arange(10).repeat(900)
    targets = wrong_classes(labels, torch.Generator().manual_seed(0))
    counts = torch.zeros(10, 10).index_put_((labels, targets), torch.ones(9000), accumulate=True)
    assert (counts.diagonal() == 0).all()
    assert (counts + 1000 * torch.eye(10)).min() > 60


def test_the_published_cells_are_of_networks_in_the_tables() -> None:
    said, names = szegedy(), {m.name for m in members()}
    assert tuple(said.table_1) == TABLE_1
    assert said.table_1["FC10(1)"].distortion == 0.14
    for table in (said.table_3, said.table_4):
        assert set(table) | {name for row in table.values() for name in row} <= names


def test_members_are_decayed_as_stated() -> None:
    everyone = {m.name: m for m in members()}
    assert len(everyone) == len(members())
    assert everyone["FC10(1)"].recipe.decay_per_layer == (0.5,)
    assert everyone["FC10(1), k"].recipe.decay_per_layer == (0.1,)
    halves = everyone["FC123-456-10 (P1)"]
    assert halves.recipe.decay_per_layer == tuple(each / 2 for each in LAMBDAS["FC123-456-10"])
    hidden = [halves.wiring.area(name).unit for name in ("h1", "h2")]
    assert [unit.activation for unit in hidden] == ["sigmoid", "sigmoid"]  # type: ignore[union-attr]


def test_halves_are_disjoint(bench: Any, digits: Dataset) -> None:
    trained = plan(SETTINGS, bench, FEW).trained
    parts = [
        {image.numpy().tobytes() for image in part_of(digits.train, unit.seed % 2, 2).images}
        for unit in (trained["half (P1)"], trained["half (P2)"])
    ]
    assert len(parts[0]) == len(parts[1]) == 500
    assert not parts[0] & parts[1]


def test_averages_by_hand() -> None:
    far = xr.DataArray([[[0.1, 0.3, np.inf, 0.9]]], dims=("source", "aim", "image"))
    right = xr.DataArray([[True, True, True, False]], dims=("source", "image"))
    table = averages(far, right)
    assert table["mean_distortion"].item() == pytest.approx(0.2)
    assert table["rms_distortion"].item() == pytest.approx(np.sqrt(0.05))
    assert table["rms_distortion_low"].item() < np.sqrt(0.05)
    assert table["rms_distortion_high"].item() > np.sqrt(0.05)
    assert table["found_share"].item() == pytest.approx(2 / 3)


def test_the_printed_attack_reaches_its_targets_but_goes_further(digits: Dataset) -> None:
    """Under logits as small as these, the cross-entropy does not pull straight to the target."""
    images, labels = digits.test.images[:6], digits.test.labels[:6]
    means = torch.stack([digits.train.images[digits.train.labels == k].mean(0) for k in range(10)])
    weight, bias = 0.05 * means.flatten(1), -0.025 * means.flatten(1).square().sum(1)

    def model(points: torch.Tensor) -> torch.Tensor:
        return points.flatten(1) @ weight.T + bias

    targets = (labels + 3) % 10
    found, far = literal_distortion(model, images, targets)
    assert (model(found).argmax(1) == targets).all()
    torch.testing.assert_close(far, rms(found - images))
    chance = torch.Generator().manual_seed(0)
    _, near = minimum_distortion(model, images, labels, generator=chance, targets=targets)
    assert (far > near).all()
    assert far.mean() > 1.02 * near.mean()


def test_decay_shrinks_the_autoencoders_layer(digits: Dataset) -> None:
    wiring, size = wiring_named("AE400-10"), {}
    for price in (0.0, 1e-3):
        network = Network.initial(wiring, 0)
        pretrain(network, digits.train.images[:500], 3, torch.Generator().manual_seed(0), price)
        size[price] = float(network.values["weight/input>h1"].detach().square().sum())
    assert size[1e-3] < 0.7 * size[0.0]


Works = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def here(work_here: Works) -> Callable[..., Any]:
    """Reproduces with ``FEW`` in this process, up to so many units; what was done."""

    def run(out: Path, most: int = 1000) -> list[Any]:
        with work_here(most) as work:
            quiet = Console(quiet=True)
            try:
                reproduce(SETTINGS, out, device="cpu", console=quiet, everyone=FEW)
            except KeyboardInterrupt:
                assert len(work.done) == most
            return work.done

    return run


@pytest.fixture(scope="module")
def ended(
    here: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, list[Any], list[Any]]]:
    """The directory of a run that was interrupted and taken up, and what was done in each go."""
    directory = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.data.dataset.find", nowhere)
        patch.delenv("BLINDSPOTS_DATA", raising=False)
        patch.setenv("BLINDSPOTS_CACHE", str(directory / "cache"))
        first = here(directory / "run", most=7)
        yield directory / "run", first, here(directory / "run")


def nowhere(*args: object, **kwargs: object) -> None:
    raise BlindspotsError("MNIST is not here.")


def test_an_interrupted_run_goes_on(ended: tuple[Path, list[Any], list[Any]]) -> None:
    _, first, second = ended
    keys = [unit.key for unit in (*first, *second)]
    assert len(first) == 7
    assert len(set(keys)) == len(keys)
    assert sum(unit.stage == "train" for unit in (*first, *second)) == len(FEW)


def test_what_is_made_for_a_network_fools_it(ended: tuple[Path, list[Any], list[Any]]) -> None:
    result = load_result(ended[0])
    error = summarise(result)["error"].sel(level="minimal")
    for member in FEW:
        own = float(error.sel(network=member.name, source=member.name))
        assert own == 1 if member.panel != "letter" else np.isnan(own)
    across = error.sel(network="plain", source="half (P1)")
    assert np.isnan(across)
    assert 0 < float(error.sel(network="half (P2)", source="half (P1)")) < 1


def test_the_errors_are_those_of_the_networks(
    ended: tuple[Path, list[Any], list[Any]], bench: Any, digits: Dataset
) -> None:
    from experiments.training import load_individual

    summary = summarise(load_result(ended[0]))
    for name, source in (("plain", "train"), ("half-P2", "test")):
        network = load_individual(ended[0] / "networks" / name / "individual-0")
        here = summary.sel(network={"half-P2": "half (P2)"}.get(name, name))
        shown = pictures(bench, source, SETTINGS.images)  # type: ignore[arg-type]
        clean = float(here["noise_error"].sel(deviation=0))
        assert clean == pytest.approx(1 - accuracy(network, shown))
        known = digits.train if name == "plain" else part_of(digits.train, 1, 2)
        assert float(here["full_error"].sel(split="train")) == pytest.approx(
            1 - accuracy(network, known)
        )
        assert float(here["full_error"].sel(split="test")) == pytest.approx(
            1 - accuracy(network, digits.test)
        )
    assert tuple(summary["deviation"].to_numpy()) == DEVIATIONS


def test_random_targets_are_further_than_the_nearest(
    ended: tuple[Path, list[Any], list[Any]],
) -> None:
    far = summarise(load_result(ended[0]))["mean_distortion"]
    for name in ("FC10(1)", "plain"):
        here = far.sel(source=name)
        assert float(here.sel(aim="nearest")) < float(here.sel(aim="random"))


def test_the_page_shows_measured_beside_published(
    ended: tuple[Path, list[Any], list[Any]],
) -> None:
    page = (ended[0] / "report.html").read_text()
    assert "This is not MNIST" in page
    assert "(0.14) [" in page
    assert all(f"Table {number}" in page for number in (1, 2, 3, 4))
    figures = {path.name for path in (ended[0] / "figures").glob("*.png")}
    assert figures == {"table-2.png", "table-3.png", "table-4.png"}


def test_the_command_line_refuses_what_it_cannot_do(refused: Callable[..., str]) -> None:
    assert "effort" in refused("reproduce", "szegedy", "--effort", "0")
