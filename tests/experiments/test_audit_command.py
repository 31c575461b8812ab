"""The command ``audit`` on a small run."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from experiments import cli
from experiments.audit import load_audit, verdicts
from experiments.audit.allowance import Allowance
from experiments.audit.broken import CONTROLS, Told
from experiments.audit.checks import CHECKS
from experiments.audit.finding import Finding
from experiments.audit.unit import read_told
from networks import BlindspotsError

FEW = Allowance(images=8, few=4, handful=2, draws=500, samples=100, steps=5, queries=30)


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_run, tmp_path / "run")


@pytest.fixture
def work(work_here: Callable, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Units are worked on here, looking at little; all controls count as told rightly."""
    with work_here() as here:
        monkeypatch.setattr("experiments.audit.command.complete", here)
        monkeypatch.setattr("experiments.audit.claimed.ALLOWANCE", FEW)
        told = [Told(each.name, each.check or "", True, "It was told.") for each in CONTROLS]
        monkeypatch.setattr("experiments.audit.broken.told_apart", lambda data: iter(told))
        yield here


def audited(run: Path, *networks: str, **changes: object):  # type: ignore[no-untyped-def]
    from experiments.audit.command import audit_run

    usual = dict.fromkeys(("images", "attack", "epsilon", "data", "workers"))
    given = {"individual": 0, "console": Console(quiet=True), **usual, **changes}
    return audit_run(run, networks, **given)  # type: ignore[arg-type]


def test_an_audit_of_a_run(run: Path, work) -> None:  # type: ignore[no-untyped-def]
    result = audited(run, "fc-b", "brought_model:TimeAveraged", images=20)
    assert result["check"].values.tolist() == list(CHECKS)
    here = result.sel(network="fc-b")
    outcomes = dict(
        zip(here["check"].values.tolist(), here["outcome"].values.tolist(), strict=True)
    )
    assert outcomes["provenance"] == outcomes["budget"] == outcomes["controls"] == "pass"
    assert outcomes["individuals"] == "warn"
    assert outcomes["codes"] == "not applicable"
    assert (here["withstood"] <= here["claimed"]).all()
    assert (here["claimed"] <= here["clean"]).all()
    page = (run / "audit" / "report.html").read_text()
    assert "This is not MNIST" in page
    assert "fc-b" in page
    assert load_audit(run)["verdict"].sel(network="fc-b").values == verdicts(run)["fc-b"]

    count = len(work.done)
    audited(run, "fc-b", images=20)
    assert len(work.done) == count  # nothing is done twice
    assert set(verdicts(run)) == {"fc-b", "brought_model:TimeAveraged"}

    told = read_told(next(each for each in work.done if each.product == "findings.json"))
    keys = {"check", "outcome", "number", "unit", "sentence", "overturned", "seconds"}
    assert all(set(each) == keys for each in told["findings"])
    found = [
        Finding(**{k: v for k, v in each.items() if k != "seconds"}) for each in told["findings"]
    ]
    assert [each.check for each in found] == list(CHECKS)


def test_a_claim_that_the_record_does_not_bear_out_is_void(run: Path, work) -> None:  # type: ignore[no-untyped-def]
    """Other weights than those that were attacked."""
    first, second = (run / "networks" / "fc-b" / f"individual-{i}" for i in range(2))
    name = "weights.safetensors"
    (first / name).unlink()
    shutil.copy(second / name, first / name)
    result = audited(run, "fc-b", images=20)
    outcomes = result["outcome"].sel(network="fc-b")
    assert outcomes.sel(check="provenance").item() == "fail"
    assert verdicts(run) == {"fc-b": "void"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"attack": "uniform"}, "is noise"),
        ({"attack": "fgsm"}, "attack 'fgsm' in"),
        ({"epsilon": 0.07}, "epsilon 0.07 in"),
        ({"individual": 2}, "no individual 2"),
        ({"images": 41}, "40 images"),
    ],
)
def test_what_the_run_does_not_claim_is_refused(
    run: Path, cache: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(BlindspotsError, match=says):
        audited(run, "fc-b", **changes)


def test_a_network_without_a_claim_is_refused(run: Path, cache: Path) -> None:
    with pytest.raises(BlindspotsError, match="no claim to audit"):
        audited(run, "brought_model:TimeAveraged", individual=1)
    with pytest.raises(BlindspotsError, match="network 'fc-c' in"):
        audited(run, "fc-c")


@pytest.mark.parametrize("missed", [False, True])
def test_controls_decide_the_exit_code(
    work,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missed: bool,
    tmp_path: Path,
) -> None:  # type: ignore[no-untyped-def]
    told = [Told("ten small steps", "more steps", not missed, "Twenty fool no more.")]
    monkeypatch.setattr("experiments.audit.broken.told_apart", lambda data: iter(told))
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["blindspots", "audit", "--controls"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == int(missed)
    assert ("not caught" in capsys.readouterr().out) == missed


def test_a_run_or_controls_must_be_named(refused: Callable[..., str]) -> None:
    assert "--controls" in refused("audit")
