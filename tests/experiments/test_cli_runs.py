"""The command line where it reaches into a run: brackets, full disks, scores and reports."""

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

from experiments import cli, load_result
from experiments.compare import compare
from experiments.spec import Spec
from networks import BlindspotsError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Calls ``blindspots`` in an empty directory: exit code, stdout and stderr."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["blindspots", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize("name", ["[/b]", "[bold]x[/]", "[/", "a[red]b", "back\\"])
def test_brackets_in_a_name_are_said_as_they_were_given(call: Call, name: str) -> None:
    """They would be markup to rich."""
    code, _, said = call("compare", "--networks", name)
    assert code == 1
    assert said.startswith(f"Error: There is no network '{name}'; ")
    assert said.count("\n") == 1


def test_brackets_in_a_path_are_said_as_they_were_given(call: Call) -> None:
    Path("[bold]").mkdir()
    code, out, _ = call("networks", "FC10", "--diagram", "[bold]/[dim].svg")
    assert code == 0
    assert "Drawn into [bold]/[dim].svg" in out
    assert "<svg" in Path("[bold]/[dim].svg").read_text()


@pytest.mark.parametrize("words", [["--nonsense"], ["--individuals", "many"], ["--workers", "0"]])
def test_options_that_cannot_be_read_end_without_a_traceback(call: Call, words: list[str]) -> None:
    code, out, said = call("compare", *words)
    assert code == 2
    assert words[0] in said
    assert "Traceback" not in out + said


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_file_where_the_weights_would_go(call: Call, empty_cache: Path, out: str) -> None:
    Path("file").write_text("in the way")
    code, _, said = call("train", "FC10", "--out", out, "--epochs", "1")
    assert code == 1
    assert said.splitlines()[-1].startswith(f"Error: '{out}' cannot be written (")
    assert "Traceback" not in said
    assert Path("file").read_text() == "in the way"


def test_a_mistake_does_not_claim_the_directory(call: Call, empty_cache: Path) -> None:
    """The corrected command may use it."""
    for wrong in (["--networks", "fc-bx"], ["--networks", "no_module:net"], ["--images", "999999"]):
        code, _, _ = call("compare", "--networks", "FC10", *wrong, "--out", "run")
        assert code == 1
    assert not Path("run").exists()


def test_nothing_measured_is_one_sentence(
    call: Call, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.command.complete", lambda *args: {"key": "It failed."})
    code, _, said = call("compare", "--networks", "FC10", "--images", "10", "--out", "run")
    assert code == 1
    assert said.splitlines()[-1] == "Error: Nothing could be measured: It failed."
    assert not Path("run/result.nc").exists()


# A disk that fills up


def refill(spec: Spec, out: Path) -> None:
    compare(spec, out, device="cpu", console=Console(quiet=True))


@pytest.mark.parametrize(
    ("target", "attribute"),
    [(xr.Dataset, "to_netcdf"), ("figures", "draw_all"), (Path, "write_text")],
)
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(
    target: type | str,
    attribute: str,
    small_run: Path,
    small_spec: Spec,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise FULL

    where = f"figures.{attribute}" if target == "figures" else attribute
    with monkeypatch.context() as patch:
        if isinstance(target, str):
            patch.setattr(where, full)
        else:
            patch.setattr(target, attribute, full)
        with pytest.raises(BlindspotsError, match=r"cannot be written \(No space left on device"):
            refill(small_spec, tmp_path / "run")
    files = [p.name for p in (tmp_path / "run").iterdir()]
    assert not [name for name in files if name.startswith(".")]
    assert ("result.nc" in files) == (target == "figures")
    assert "report.html" not in files


# Scores and reports of a run that ended


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("fc-blt", ["fc-blt", "--individual", "1", "--run"]),
        ("brought_model:TimeAveraged", ["brought_model:TimeAveraged"]),
        ("mine", ["DIRECTORY"]),
    ],
)
def test_scores_are_those_of_the_comparison(
    network: str, words: list[str], call: Call, small_run: Path
) -> None:
    individual = 0 if ":" in network else 1
    directory = str(small_run / "networks" / network / "individual-1")
    given = [directory if word == "DIRECTORY" else word for word in words]
    given += [str(small_run)] if words[-1] == "--run" else []
    inputs = small_run / "inputs" / f"fc-b-{individual}-pgd-linf"
    code, out, _ = call("score", *given, "--inputs", str(inputs))
    assert code == 0
    correct = load_result(small_run)["correct"].sel(
        network=network, individual=individual, source="fc-b", attack="pgd-linf"
    )
    for epsilon in (0.05, 0.2):
        row = next(line for line in out.splitlines() if re.search(rf"\b{epsilon}\b", line))
        said = float(re.findall(r"\d+\.\d+", row)[-1])
        assert said == pytest.approx(100 * float(correct.sel(epsilon=epsilon).mean()), abs=0.051)


def test_report_makes_the_same_page_anew(call: Call, small_run: Path) -> None:
    for name in ("result.nc", "provenance.json"):
        shutil.copy(small_run / name, name)
    code, out, _ = call("report", ".")
    assert code == 0
    assert "report.html" in out
    assert Path("report.html").read_text() == (small_run / "report.html").read_text()
