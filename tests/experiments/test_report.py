"""The report is one honest file, made from the labelled result alone."""

import shutil
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

from experiments import load_result
from experiments.compare import finish, summarised
from experiments.counts import count, short
from experiments.report import rows, verdicts_of


@pytest.fixture(scope="module")
def remade(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the result alone, finished anew under a title that wants escaping."""
    out = tmp_path_factory.mktemp("remade")
    shutil.copy(small_run / "result.nc", out)
    result = load_result(out).assign_attrs(title="<b>mine & yours</b>")
    finish(out, result, Console(quiet=True))
    return out


def test_the_report_needs_the_result_alone(remade: Path) -> None:
    page = (remade / "report.html").read_text()
    assert "&lt;b&gt;mine &amp; yours&lt;/b&gt;" in page
    assert "<b>mine" not in page
    assert "://" not in page  # base64 has no colon, so this is any address
    for figure in (remade / "figures").glob("*.png"):
        assert f'id="{figure.stem}"' in page
    assert page.count("data:image/png;base64,") == len(list((remade / "figures").glob("*.png")))


def test_the_report_says_loudly_that_this_is_not_mnist(remade: Path, small_run: Path) -> None:
    for page in (remade / "report.html", small_run / "report.html"):
        assert "This is not MNIST" in page.read_text()


def test_numbers_of_the_table_are_those_of_the_result(small_run: Path) -> None:
    result = load_result(small_run)
    page = (small_run / "report.html").read_text()
    for name in ("fc-b", "fc-blt"):
        clean = 100 * float((result["clean_correct"].sel(network=name) == 1).mean())
        row = page.split(f"<tr><td>{name}<")[1].split("</tr>")[0]
        assert f"<td>{clean:.1f} [" in row
        assert f"<td>{count(int(result['parameters'].sel(network=name)))}</td>" in row


def test_terminal_output_fits_80_columns(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("figures.draw_all", lambda *given: {})
    shutil.copy(small_run / "result.nc", tmp_path)
    console = Console(width=80, record=True, file=(tmp_path / "said").open("w"))
    finish(tmp_path, load_result(tmp_path), console)
    said = console.export_text()
    lines = said.splitlines()
    assert lines.pop().startswith("Report: ")  # a path, which is not broken
    assert max(map(len, lines)) <= 80
    assert "…" not in said
    for name in ("fc-b", "fc-blt", "mine", "brought_model:TimeAveraged", "In short"):
        assert name in said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (999, "999"), (1000, "1.00k"), (99_960, "100k"), (999_999, "1.00M")],
)
def test_short_counts(number: int, said: str) -> None:
    assert short(number) == said


def test_verdicts_stand_beside_what_was_audited(small_run: Path, tmp_path: Path) -> None:
    """And nowhere else: an audit of another claim says nothing of these."""
    result = load_result(small_run)
    summary = summarised(result)
    attrs = {
        "attack": result.attrs["reference_attack"],
        "epsilon": result.attrs["reference_epsilon"],
    }
    names = result["network"].values[:2].tolist()
    audit = xr.Dataset(
        {"verdict": ("network", ["trusted", "void"])}, coords={"network": names}, attrs=attrs
    )
    (tmp_path / "audit").mkdir()
    audit.to_netcdf(tmp_path / "audit" / "audit.nc", engine="netcdf4")
    told = verdicts_of(tmp_path, summary)
    assert told == dict(zip(names, ("trusted", "void"), strict=True))
    marks = {row.network: row.audit for row in rows(summary, told)}
    assert [marks[name] for name in names] == ["trusted", "void"]
    assert set(marks.values()) == {"trusted", "void", "-"}
    audit.attrs["epsilon"] = 0.123
    audit.to_netcdf(tmp_path / "audit" / "audit.nc", engine="netcdf4")
    assert verdicts_of(tmp_path, summary) == {}
