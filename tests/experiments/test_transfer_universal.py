"""Universal perturbations in an exchange: who is shown what, errors, sentences, and the command."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from rich.console import Console

from experiments import load_network
from experiments.attacks.universal import applied
from experiments.bench import Bench, scored
from experiments.scoring import predictions
from experiments.statistics.universal import ALL, summarise_universal
from experiments.transfer.command import transfer
from experiments.transfer.universal_sentences import universals
from figures.universal import universal_perturbations

NETWORKS = ("a", "b", "c")
BUDGETS = (0.05, 0.1, 0.2)
PEOPLE = ("network", "individual", "image")


def made(error: np.ndarray, signs: float = 0.1, images: int = 400, individuals: int = 3) -> Any:
    """A result with errors at random, at the rates (source, network) for all at once last."""
    chance = np.random.default_rng(0)
    sources = [*NETWORKS, ALL]
    shape = (3, individuals, images)

    def right(rates: np.ndarray | float, *first: int) -> np.ndarray:
        return (chance.random((*first, *shape)) >= rates).astype(np.int8)

    cells = error[:, None, :, None, None]
    pixels = chance.choice([-1.0, 1.0], (4, 3, 28, 28)) * np.array(BUDGETS)[:, None, None]
    return xr.Dataset(
        {
            "clean_correct": (PEOPLE, right(0.02)),
            "universal_correct": (("universal_source", "budget", *PEOPLE), right(cells, 4, 3)),
            "universal_noise_correct": (("universal_draw", "budget", *PEOPLE), right(signs, 2, 3)),
            "universal_perturbation": (("universal_source", "budget", "row", "column"), pixels),
            "universal_noise_perturbation": (
                ("universal_draw", "budget", "row", "column"), pixels[:2],
            ),
            "universal_distance": (("universal_source", "budget"), np.full((4, 3), 0.1)),
            "universal_noise_distance": (("universal_draw", "budget"), np.full((2, 3), 0.07)),
        },
        coords={
            "network": list(NETWORKS),
            "kind": ("network", ["feedforward", "feedforward", "spiking"]),
            "universal_source": sources,
            "budget": list(BUDGETS),
        },
        attrs={"attack": "pgd-linf", "epsilon": 0.05, "data": "MNIST", "parts": 1},
    )  # fmt: skip


RATES = np.array([[0.8, 0.7, 0.1], [0.7, 0.8, 0.1], [0.1, 0.15, 0.6], [0.7, 0.7, 0.5]])


def summary_of(result: xr.Dataset) -> xr.Dataset:
    return summarise_universal(result, generator=np.random.default_rng(0), resamples=300)


def test_errors_are_those_counted_by_hand_first_and_fresh_apart():
    result = made(RATES)
    summary, wrong = summary_of(result), result["universal_correct"].to_numpy() == 0
    error = summary["universal_error"].transpose("universal_source", "budget", "network", "who")
    assert error.sel(who="first").to_numpy() == pytest.approx(wrong[..., 0, :].mean(-1))
    assert error.sel(who="fresh").to_numpy() == pytest.approx(wrong[..., 1:, :].mean((-2, -1)))
    signs = (result["universal_noise_correct"].to_numpy() == 0)[..., 1:, :].mean((0, -2, -1))
    assert summary["signs_error"].sel(who="fresh").to_numpy() == pytest.approx(signs)
    excess = summary["universal_excess"].sel(who="fresh")
    assert excess.to_numpy() == pytest.approx(error.sel(who="fresh").to_numpy() - signs)
    fresh = error.sel(who="fresh").to_numpy()
    own, others = summary["universal_own"], summary["universal_others"]
    here = {"who": "fresh", "universal_source": "b"}
    assert own.sel(here).to_numpy() == pytest.approx(fresh[1, :, 1])
    assert others.sel(here).to_numpy() == pytest.approx(fresh[1][:, [0, 2]].mean(1))
    assert own.sel(who="fresh", universal_source=ALL).to_numpy() == pytest.approx(fresh[3].mean(1))
    assert others.sel(who="fresh", universal_source=ALL).isnull().all()
    assert summary["own_error"].sel(who="fresh").to_numpy() == pytest.approx(
        np.mean([fresh[s, :, s] for s in range(3)], 0)
    )
    for name in ("universal_error", "universal_excess", "own_error", "signs_mean"):
        assert (summary[f"{name}_low"] < summary[name]).all()
        assert (summary[name] < summary[f"{name}_high"]).all()


def test_without_fresh_individuals_or_perturbations_nothing_is_made_up():
    result = made(RATES, individuals=1)
    summary = summary_of(result)
    assert summary["universal_error"].sel(who="fresh").isnull().all()
    assert summary["universal_error"].sel(who="first").notnull().all()
    assert "the very individual" in next(universals(summary))
    none = summary_of(result.drop_vars("universal_correct"))
    assert not none.variables
    assert not list(universals(none))


def test_sentences_name_the_pair_that_shares_and_who_is_spared():
    said = " ".join(universals(summary_of(made(RATES))))
    assert "1 of 3 pairs of networks share a universal perturbation: a with b" in said
    assert "mislead c least" in said
    none = " ".join(universals(summary_of(made(np.full((4, 3), 0.1)))))  # as random signs do
    assert "0 of 3 pairs" in none


def test_the_figure_shows_every_perturbation_and_number():
    result = made(RATES)
    told = {"kind": result["kind"], "individuals_scored": ("network", [3, 3, 3])}
    summary = summary_of(result).assign(told).assign_attrs(result.attrs, images=400)
    figure = universal_perturbations(summary)
    assert len(figure.axes[0].images) == (4 + 2) * 3
    matrix = figure.axes[1]
    assert matrix.images[0].get_array().shape == (4 + 2, 3)
    assert [t.get_text() for t in matrix.get_xticklabels()] == list(NETWORKS)


# --- the command


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, work_here: Callable[..., AbstractContextManager[Any]]
) -> Iterator[Any]:
    """Units are worked on in this process, with few steps."""
    with work_here() as work:
        monkeypatch.setattr("experiments.transfer.perturb.STEPS", 10)
        yield work


@contextmanager
def unfinished() -> Iterator[None]:
    """A call measures alone: no figures, no report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.transfer.command.finish", lambda *given: None)
        yield


def call(run: Path, *, universal: bool) -> xr.Dataset:
    return transfer(
        run,
        attack=None,
        epsilon=None,
        parts=1,
        universal=universal,
        data=None,
        device="cpu",
        workers=1,
        console=Console(quiet=True),
    )


def test_everyone_answers_one_change_of_all_images(
    cache: Path, small_run: Path, tmp_path: Path, here: Any, bench: Bench
):
    run = shutil.copytree(small_run, tmp_path / "run", ignore=shutil.ignore_patterns("transfer"))
    with unfinished():
        plain = call(run, universal=False)
    assert not [name for name in plain.variables if str(name).startswith("universal")]
    result = call(run, universal=True)
    assert result[list(plain.data_vars)].equals(plain)
    made_units = [unit for unit in here.done if unit.stage == "perturb"]
    sources = result["universal_source"].to_numpy().tolist()
    assert sources == [*plain["source"].to_numpy(), ALL]
    assert len(made_units) == len(sources) + result.sizes["universal_draw"]
    budgets = result["budget"].to_numpy()
    assert budgets.tolist() == [0.2, 0.3]  # of 0.2, 0.4 and 0.8, held at 0.3
    change = result["universal_perturbation"]
    assert (np.abs(change).max(["row", "column"]) <= budgets + 1e-6).all()
    signs = result["universal_noise_perturbation"]
    assert np.allclose(np.abs(signs), budgets[:, None, None])
    images = scored(bench, 40).images
    shown = applied(images, torch.from_numpy(change.sel(universal_source="fc-b").to_numpy()[1]))
    answered = predictions(load_network(run, "mine", 1), shown)
    told = result["universal_prediction"].sel(universal_source="fc-b", network="mine")
    assert (told.isel(budget=1, individual=1).to_numpy() == answered.numpy()).all()
    moved = float((shown - images).square().mean((1, 2, 3)).sqrt().mean())
    assert float(result["universal_distance"].sel(universal_source="fc-b")[1]) == pytest.approx(
        moved
    )
    own = (result["universal_correct"] == 0).sel(universal_source="fc-b", network="fc-b")
    control = (result["universal_noise_correct"] == 0).sel(network="fc-b")
    assert float(own[:, :2].mean()) > float(control.mean()) + 0.2
    out = run / "transfer" / "pgd-linf-0.2"
    assert (out / "figures" / "universal.png").exists()
    assert "Errors under universal perturbations" in (out / "report.html").read_text()
    worked = len(here.done)
    with unfinished():
        assert call(run, universal=True).identical(result)
    assert len(here.done) == worked


def test_it_crafts_on_training_images_and_refuses_what_cannot_be(
    cache: Path, small_run: Path, bench: Bench
):
    from experiments.spec import read_spec
    from experiments.transfer.exchange import Exchange
    from experiments.transfer.universal import Universals
    from networks import BlindspotsError

    spec = read_spec(small_run / "spec.toml")
    first, second = (Universals(Exchange(spec, "pgd-linf", e, bench)) for e in (0.05, 0.2))
    assert first.epsilons == (0.05, 0.1, 0.2)
    keys = [unit.key for each in (first, second) for unit in (*each.sets.values(), *each.noises)]
    assert len(set(keys)) == len(keys)
    with pytest.raises(BlindspotsError, match="bounded under l1"):
        Universals(Exchange(spec, "apgd-l1", 0.05, bench)).sets  # noqa: B018
