"""A small experiment on the bundled digits, from the command to the report."""

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor
from typer.testing import CliRunner

from experiments.blink.adversarial.command import attack_blink
from experiments.blink.adversarial.judge import CONDITIONS
from experiments.blink.adversarial.observer import AttackedFrame
from experiments.blink.adversarial.plan import Effort
from experiments.blink.cells import blink_cells
from experiments.blink.command import blink, load_blink, print_grades
from experiments.blink.figures import observers
from experiments.blink.fit import fit_attention
from experiments.blink.spec import BlinkSpec, blink_spec_from
from experiments.cli import app
from experiments.spec import read_settings
from networks import BlindspotsError
from sim.attention import Spikes

SETTINGS: dict[str, Any] = {
    "observers": {
        "gated": {"network": "fc-b"},
        "open": {"network": "fc-b", "attention": {"gate": "open"}, "control": "no gate"},
        "spiking": {
            "network": "fc-b-spiking", "attention": {"pool": 5}, "conditions": ["dual"],
        },
        "whole": {
            "network": "gru", "end_to_end": True, "conditions": ["dual"], "control": "no gate",
        },
    },
    "conditions": ["dual", "ignore-t1"],
    "sensory": 1, "individuals": 2, "per_lag": 3, "per_lag_other": 2,
    "task": {"items": 15, "first": [3], "lags": [1, 2, 7]},
    "schooling": {"epochs": 1, "streams": 16}, "attention": {"threshold": 0.15},
    "rehearsal": {"batches": 2, "per_lag": 2, "units": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> BlinkSpec:
    return blink_spec_from(SETTINGS)


@pytest.fixture(scope="module")
def run(
    spec: BlinkSpec, tmp_path_factory: pytest.TempPathFactory,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> Iterator[Path]:  # fmt: skip
    out = tmp_path_factory.mktemp("blink") / "small"
    with pytest.MonkeyPatch.context() as patch, here_on_digits():
        patch.setattr("experiments.blink.units.TITRATION", 9)
        patch.setattr("experiments.blink.units.BISECTIONS", 2)
        patch.setattr("experiments.blink.film.TRIALS", 4)
        patch.setattr("experiments.blink.figures.of_observer", lambda *given: ())  # drawn elsewhere
        patch.setattr("figures.blink.has_examples", lambda *given: False)  # no film
        blink(spec, out, console=Console(quiet=True))
        yield out


def test_the_directory_holds_all_that_was_promised(run: Path, spec: BlinkSpec) -> None:
    names = {path.name for path in run.iterdir()}
    assert {"spec.toml", "provenance.json", "trials.csv", "result.nc", "report.html"} <= names
    assert (run / "figures" / "lag-curves.png").exists()
    assert (run / "networks" / "fc-b" / "sensory-0" / "weights.safetensors").exists()
    assert (run / "networks" / "whole" / "whole-0" / "weights.safetensors").exists()
    page = (run / "report.html").read_text()
    assert "Does gated blink as people do?" in page
    assert "This is not MNIST" in page
    assert "Every curve" in page
    assert json.loads((run / "provenance.json").read_text())["data"]["name"].startswith("scikit")


def test_the_table_has_every_trial_and_the_curves_are_its_means(run: Path) -> None:
    table, result = pd.read_csv(run / "trials.csv"), load_blink(run)
    shown = table.groupby(["network", "condition"]).size()
    assert shown["gated", "dual"] == 2 * 3 * 3
    assert shown["gated", "ignore-t1"] == 2 * 3 * 2
    assert ("spiking", "ignore-t1") not in shown
    for (who, i, lag), rows in table[table["condition"] == "dual"].groupby(
        ["network", "individual", "lag"]
    ):
        t1 = result["t1"].sel(network=who, individual=i, condition="dual", lag=lag)
        assert float(t1) == pytest.approx(rows["t1_correct_anyorder"].astype(float).mean())
    assert observers(result) == ["gated", "spiking"]
    assert result["units"].to_numpy().tolist() == ["rate", "rate", "spiking", "rate"]
    assert (result["noise_sd"] >= 0).all()


def test_conditions_share_their_digits(run: Path) -> None:
    """What differs is the instruction: the same targets at the same places."""
    table = pd.read_csv(run / "trials.csv")
    seeds = table.groupby(["network", "individual"])["seed"].first().unstack("network")
    assert (seeds["gated"] == seeds["open"]).all()
    dual = table[(table["network"] == "gated") & (table["condition"] == "dual")]
    other = table[(table["network"] == "open") & (table["condition"] == "dual")]
    columns = ["t1_id", "t2_id", "t1_pos", "lag"]
    np.testing.assert_array_equal(dual[columns], other[columns])


def test_inside_is_kept_by_outcome(run: Path) -> None:
    result = load_blink(run)
    here = result.sel(network="gated")
    counts = here["traced_trials"]
    assert int(counts.sum()) > 0
    there = counts > 0
    assert here["gate"].notnull().all("since").where(there, True).all()
    assert ((here["gate"] >= 0) & (here["gate"] <= 1)).where(there, True).all()


def test_again_it_costs_nothing(
    run: Path, spec: BlinkSpec, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    monkeypatch.setattr("experiments.blink.command.finish", lambda *a: None)
    before = (run / "trials.csv").read_bytes()
    with here_on_digits() as work:
        blink(spec, run, console=Console(quiet=True))
    assert not work.done
    assert (run / "trials.csv").read_bytes() == before


def test_an_experiment_may_be_of_a_control_without_attention_alone(
    run: Path, tmp_path: Path
) -> None:
    whole = {"whole": SETTINGS["observers"]["whole"]}
    alone = blink_spec_from({**SETTINGS, "observers": whole, "conditions": ["dual"]})
    result = blink(alone, tmp_path / "alone", console=Console(quiet=True))
    xr.testing.assert_equal(
        result["last"].sel(network="whole"),
        load_blink(run)["last"].sel(network="whole", condition=["dual"]),
    )
    assert "Every curve" in (tmp_path / "alone" / "report.html").read_text()


def test_a_directory_of_another_experiment_is_left_alone(
    run: Path, here_on_digits: Callable[[], AbstractContextManager[Any]]
) -> None:
    other = blink_spec_from({**SETTINGS, "seed": 1})
    with here_on_digits(), pytest.raises(BlindspotsError, match="holds another"):
        blink(other, run, console=Console(quiet=True))


def test_grades_end_with_a_code(run: Path) -> None:
    console = Console(record=True, width=100, file=StringIO())
    assert not print_grades(run, "gated", console)
    said = console.export_text()
    assert "gated: does it blink as people do?" in said
    assert "fail" in said
    with pytest.raises(BlindspotsError, match=r"There is no observer 'gate' in .*; did you mean"):
        print_grades(run, "gate", console)
    assert CliRunner().invoke(app, ["blink", "grade", str(run)]).exit_code == 1


def test_attention_is_fitted_and_its_table_makes_a_specification(
    run: Path, spec: BlinkSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    """With the sensory networks and the noise of the run."""
    monkeypatch.setattr("experiments.blink.units.TITRATION", 9)
    monkeypatch.setattr("experiments.blink.units.BISECTIONS", 2)
    monkeypatch.setattr("experiments.blink.evolve.POPULATION", 5)
    monkeypatch.setattr("experiments.blink.fit.INDIVIDUALS", 4)
    console, out = Console(record=True, width=120, file=StringIO()), tmp_path / "fit"
    with here_on_digits() as work:
        best = fit_attention(spec, out, generations=0, per_lag=2, seed=0, console=console)
    assert len(work.done) == 1  # the spiking observer's noise, in the rate reading
    table = tomllib.loads((out / "attention.toml").read_text())
    assert blink_spec_from({**SETTINGS, **table}).attention == best
    assert read_settings(out / "spec.toml")["fit"] == {"per_lag": 2, "seed": 0}
    facts = json.loads((out / "fit.json").read_text())
    assert len(facts["history"]) == 1
    assert set(facts["observers"]) == {"gated", "spiking"}
    assert (out / "figures" / "fitted.png").exists()
    assert "generation 0" in console.export_text()
    with here_on_digits(), pytest.raises(BlindspotsError, match="holds another"):
        fit_attention(spec, out, generations=0, per_lag=2, seed=1, console=console)


def test_what_is_no_blink_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BlindspotsError, match=r"holds no result\.nc; name the directory of a blink"
    ):
        load_blink(tmp_path)


def as_bright(model: AttackedFrame, points: Tensor) -> tuple[Tensor, Tensor]:
    """A margin that is the frame's brightness."""
    return points.mean((1, 2, 3)), torch.zeros(len(points))


def made_up(
    model: AttackedFrame, inputs: dict[str, Tensor], epsilons: Sequence[float]
) -> xr.Dataset:
    """T2s at lag 1 are lost under attack by who has a gate, at budgets above 0.1."""
    gated = model.observer.attention.gate == "transient"
    shape = (len(CONDITIONS), len(epsilons), 2, len(model.trials))
    t1, t2 = np.ones((2, *shape), np.int8)
    lost = np.ix_(np.array(epsilons) > 0.1, [0, 1], model.trials.lag == 1)
    t2[CONDITIONS.index("attacked")][lost] = not gated
    dims = ("condition", "epsilon", "draw", "trial")
    return xr.Dataset(
        {
            "t1": (dims, t1),
            "t2": (dims, t2),
            "others": (dims, np.zeros_like(t1)),
            "lag": ("trial", model.trials.lag),
        },
        {"condition": list(CONDITIONS), "epsilon": list(epsilons)},
        {"lone": int(model.trials.task.single), "slots": 2},
    )


def test_frames_are_attacked_and_judged_by_others_and_the_controls(
    run: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    monkeypatch.setattr("experiments.blink.adversarial.observer.AttackedFrame.watched", as_bright)
    monkeypatch.setattr("experiments.blink.adversarial.judge.answered", made_up)
    effort = Effort(
        target=(0.1, 0.3), distractor=(0.2,), universal=0.25, lags=(1, 2), steps=1,
        universal_steps=1, queries=1, per_lag=3, individuals=1, lone=1, norms=("linf",),
    )  # fmt: skip
    console = Console(record=True, width=120, file=StringIO())
    with here_on_digits():
        found = attack_blink(run, ["gated"], effort, console=console)
    attacked = found["success"].sel(condition="attacked", norm="linf")
    gated = attacked.sel(network="gated")
    assert (gated.sel(frame="target", epsilon=0.3) == [1, 0]).all()
    assert (gated.sel(frame="target", epsilon=0.1) == 0).all()
    assert gated.sel(frame="distractor", epsilon=0.1).isnull().all()
    assert (found["counted"].sel(network="gated").dropna("frame") == 3 * 2).all()
    half = found["half_budget"].sel(
        condition="attacked", norm="linf", network="gated", individual=0
    )
    assert half.sel(frame="target").to_numpy().tolist() == [pytest.approx(0.2), np.inf]
    judges = ["another, same senses", "itself", "open", "the other reading"]
    assert sorted(found["judge"].to_numpy()) == judges
    seen = found["judged"].sel(network="gated", condition="attacked", lag=1).mean("individual")
    for frame in ("distractor", "universal"):
        assert seen.sel(frame=frame, judge=judges).to_numpy().tolist() == [1, 1, 0, 1]
    assert (found["queried"].sel(network="gated", condition="attacked", lag=1) == 1).all()
    assert (run / "attack" / "figures" / "attack.png").exists()
    page = (run / "report.html").read_text()
    assert "Frames before others" in page
    assert "Does gated blink as people do?" in page
    said = console.export_text()
    assert "for gated, into" in said
    with here_on_digits(), pytest.raises(BlindspotsError, match="holds another experiment"):
        attack_blink(run, ["gated"], replace(effort, steps=2))
    with here_on_digits(), pytest.raises(BlindspotsError, match="holds another experiment"):
        attack_blink(run, ["gated"], effort, out=run)
    assert json.loads(found.attrs["effort"])["steps"] == 1
    assert "of it missed" in said
    assert "before another," in said
    assert "too few" in said


def test_attacks_on_two_runs_do_not_share_a_directory(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    """Of which one would take the place of the other."""
    other, out = tmp_path / "other", tmp_path / "attack"
    other.mkdir()
    shutil.copy(run / "result.nc", other)
    settings = (run / "spec.toml").read_text()
    (other / "spec.toml").write_text(settings.replace("per_lag = 3", "per_lag = 4"))
    monkeypatch.setattr(
        "experiments.blink.adversarial.command.attempted",
        lambda *given, **more: {"a": "None done."},
    )
    for of, says in ((run, "None done"), (run, "None done"), (other, "holds another experiment")):
        with here_on_digits(), pytest.raises(BlindspotsError, match=says):
            attack_blink(of, ["gated"], Effort(lone=1), out=out, console=Console(quiet=True))


def test_what_cannot_be_attacked_is_refused(run: Path) -> None:
    with pytest.raises(BlindspotsError, match="did you mean 'gated'"):
        attack_blink(run, ["gate"], Effort())
    with pytest.raises(BlindspotsError, match="No lag was given"):
        attack_blink(run, ["gated"], Effort(lags=()))
    found = CliRunner().invoke(app, ["blink", "attack", str(run), "--norms", "l3"])
    assert isinstance(found.exception, BlindspotsError)
    assert "There is no norm 'l3'" in str(found.exception)


def test_cells_stand_for_the_pools_before_the_same_trials(
    run: Path, monkeypatch: pytest.MonkeyPatch,
    here_on_digits: Callable[[], AbstractContextManager[Any]],
) -> None:  # fmt: skip
    """With pools of the usual kind in the place of Brian2's, which have tests of their own."""

    def pools(brian2: object, *kind: Any) -> Spikes:
        size, rate, dt, _, seed, told = kind
        return Spikes(size, rate, dt, torch.Generator().manual_seed(seed - 1), told)

    monkeypatch.setattr("sim.brian.pools.CellPools", pools)
    monkeypatch.setattr("figures.blink.cells", lambda found: Figure())  # drawn elsewhere
    console = Console(record=True, width=120, file=StringIO())
    asked: dict[str, Any] = {
        "individual": 0, "per_lag": 2, "data": None, "workers": None, "console": console,
    }  # fmt: skip
    with here_on_digits():
        found = blink_cells(run, None, **asked)
    assert found.attrs["observer"] == "spiking"
    assert found["trials"].to_numpy().tolist() == [2, 2]
    own = found.sel(reading="pools")
    assert (own["same"] == 1).all()
    assert own["correlation"].sel(pool="gate").to_numpy() == pytest.approx(1)
    again, cells = (found.sel(reading=name) for name in ("pools again", "cells"))
    xr.testing.assert_equal(
        again["trace"].drop_vars("reading"), cells["trace"].drop_vars("reading")
    )
    assert (own["trace"] != cells["trace"]).any()
    assert found["example_spikes"].sizes["cell"] == 5
    assert (run / "cells" / "spiking-0" / "figures" / "cells.png").exists()
    assert "pools again" in console.export_text()
    for observer, says in (("whole", "no spiking observer 'whole'"), ("gated", "'gated'")):
        with pytest.raises(BlindspotsError, match=says):
            blink_cells(run, observer, **asked)
    with pytest.raises(BlindspotsError, match="has individuals 0 to 1"):
        blink_cells(run, None, **{**asked, "individual": 5})
