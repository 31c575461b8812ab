"""The command ``transfer``: everyone is asked about what was crafted on everyone."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments import load_network, load_result
from experiments.individuals import Train
from experiments.scoring import predictions
from experiments.single import read_inputs
from experiments.spec import spec_from
from experiments.statistics.transfer import summarise_transfer
from experiments.store import link
from experiments.transfer.command import transfer
from networks import BlindspotsError


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, work_here: Callable[..., AbstractContextManager[Any]]
) -> Iterator[Any]:
    """Units are worked on in this process."""
    with work_here() as work:
        yield work


@pytest.fixture
def run_copy(small_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_run, tmp_path / "run", ignore=shutil.ignore_patterns("transfer"))


def call(run: Path, **changes: Any) -> xr.Dataset:
    settings: dict[str, Any] = {"attack": None, "epsilon": None, "parts": 1, "universal": False}
    settings |= {"data": None, "device": "cpu", "workers": 1, "console": Console(quiet=True)}
    return transfer(run, **(settings | changes))


def unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a call measures alone: no figures, no report."""
    monkeypatch.setattr("experiments.transfer.command.finish", lambda *given: None)


def test_everyone_answers_what_was_crafted_on_everyone(
    cache: Path, run_copy: Path, here: Any, monkeypatch: pytest.MonkeyPatch
):
    result, compared = call(run_copy), load_result(run_copy)
    assert {unit.stage for unit in here.done} == {"score"}
    at = {"attack": "pgd-linf", "epsilon": 0.2}
    for name, source in itertools.product(["fc-b", "fc-blt"], repeat=2):
        kept = compared["correct"].sel(network=name, source=source, **at)
        ours = result["correct"].sel(network=name, source=source)
        for i in range(2):
            assert (ours[i, i] == kept[i]).all()
    tensors, facts = read_inputs(run_copy / "inputs" / "fc-blt-1-pgd-linf")
    shown = tensors["inputs"][facts["epsilons"].index(0.2)]
    answered = predictions(load_network(run_copy, "mine", 0), shown).numpy()
    carried = result["prediction"].sel(source="fc-blt", network="mine")
    assert (carried.isel(source_individual=1, individual=0) == answered).all()
    brought = result.sel(network="brought_model:TimeAveraged")
    assert (brought["correct"].isel(individual=1) == -1).all()
    assert result["kind"].to_series().to_dict() == {
        "fc-b": "feedforward",
        "fc-blt": "both",
        "mine": "top-down",
        "brought_model:TimeAveraged": "brought",
    }
    out = run_copy / "transfer" / "pgd-linf-0.2"
    assert {p.name for p in out.iterdir()} >= {"transfer.nc", "report.html", "figures"}
    assert {p.stem for p in (out / "figures").iterdir()} == {"matrix", "universality", "montage"}
    assert "NOT MNIST" in (out / "report.html").read_text().replace("not MNIST", "NOT MNIST")
    worked = len(here.done)
    unfinished(monkeypatch)
    assert call(run_copy).identical(result)
    assert len(here.done) == worked


def test_a_lost_cache_is_restored_from_the_run(
    empty_cache: Path, run_copy: Path, here: Any, monkeypatch: pytest.MonkeyPatch
):
    unfinished(monkeypatch)
    call(run_copy)
    drawn_or_asked = {(u.stage, getattr(u, "attack", "")) for u in here.done}
    assert drawn_or_asked <= {("score", ""), ("train", ""), ("craft", "uniform")}
    trained = [u for u in here.done if u.stage == "train"]
    assert all(u.seed >= 1000 for u in trained)  # independent ones, for the noise alone


def test_inputs_are_held_before_they_are_brought_from_the_run(
    empty_cache: Path, run_copy: Path, monkeypatch: pytest.MonkeyPatch
):
    brought = []

    def held(source: Path, target: Path) -> None:
        listed = "\n".join(path.read_text() for path in empty_cache.glob("holds/*.keys"))
        if source.parent.name == "inputs":
            [key, _] = target.name[1:].split("-", 1)  # of a draft
            brought.append(key in listed.split())
        link(source, target)

    def enough(*given: object, **named: object) -> None:
        raise BlindspotsError("That is enough.")

    monkeypatch.setattr("experiments.transfer.exchange.link", held)
    monkeypatch.setattr("experiments.transfer.command.attempted", enough)
    with pytest.raises(BlindspotsError, match="That is enough"):
        call(run_copy)
    assert set(brought) == {True}


def test_networks_are_trained_on_disjoint_parts(
    empty_cache: Path, tmp_path: Path, here: Any, capsys: pytest.CaptureFixture[str]
):
    from experiments.compare import compare

    settings = {
        "networks": ["FC10", "FC100-100-10"],
        "sources": ["FC10"],
        "individuals": 1,
        "images": 30,
        "attacks": ["pgd-linf"],
        "epsilons": [0.1],
        "reference_attack": "pgd-linf",
        "reference_epsilon": 0.1,
        "training": {"epochs": 1, "batch": 50, "rate": 5e-3},
        "options": {"pgd-linf": {"steps": 2}},
    }
    compare(spec_from(settings), tmp_path / "run", device="cpu", console=Console(quiet=True))
    here.done.clear()
    result = call(tmp_path / "run", parts=2, epsilon=0.07, console=Console(width=2000))
    trained = [unit for unit in here.done if isinstance(unit, Train)]
    assert {unit.recipe.parts for unit in trained} == {2}
    assert result["part"].to_numpy().tolist() == [0, 1, 0, 1]
    assert result.sizes["individual"] == 4
    assert result["noise"].to_numpy().tolist() == ["uniform"]
    assert (result["correct"] >= 0).all()
    summary = summarise_transfer(result, generator=np.random.default_rng(0), resamples=200)
    assert summary["part_relation"].to_numpy().tolist() == ["same part", "other part"]
    assert np.isfinite(summary["effect"].sel(likeness="same part"))
    assert (tmp_path / "run" / "transfer" / "pgd-linf-0.07-parts-2" / "report.html").exists()
    assert "trained on the same part of the training images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--attack", "uniform"], "'uniform' is noise"),
        (["--attack", "pgd-l2"], "There is no attack 'pgd-l2' in"),
        (["--epsilon", "0.3"], "There is no epsilon 0.3 of pgd-linf in"),
        (["--parts", "2", "--epsilon", "2"], "cannot be divided"),
    ],
)
def test_what_it_refuses(
    cache: Path, small_run: Path, refused: Callable[..., str], words: list[str], said: str
):
    assert said in refused("transfer", small_run, *words)


def test_it_refuses_runs_without_inputs_or_of_other_software(
    cache: Path, run_copy: Path, refused: Callable[..., str]
):
    path = run_copy / "networks" / "fc-b" / "individual-0" / "training.json"
    facts = json.loads(path.read_text())
    path.unlink()  # the copy may be a link
    path.write_text(json.dumps(facts | {"key": "other"}))
    assert "another version of blindspots or on another device" in refused("transfer", run_copy)
    spec = run_copy / "spec.toml"
    spec.write_text(spec.read_text().replace('keep = "all"', 'keep = "independent"'))
    assert "discarded what was crafted on its networks" in refused("transfer", run_copy)
    assert "holds no result.nc" in refused("transfer", run_copy / "nowhere")
