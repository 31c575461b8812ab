"""What the commands share: whose directory it is, what is logged, and when a command ends."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from experiments.command import attempted, check_unclaimed, claim, require_all, require_some
from experiments.page import publish
from experiments.store import fresh_unit, write_text
from networks import BlindspotsError


@dataclass(frozen=True)
class Piece:
    """A unit of work that is quickly done."""

    key: str
    stage: str = "score"
    product: str = "said.txt"
    needs: tuple["Piece", ...] = ()

    @property
    def label(self) -> str:
        return f"piece {self.key}"

    def run(self, report: object) -> None:
        with fresh_unit(self.stage, self.key) as directory:
            write_text(directory / self.product, self.key)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache"))


def test_a_directory_is_claimed_by_its_settings(tmp_path: Path) -> None:
    out = tmp_path / "run"
    check_unclaimed(out, "seed = 0")
    claim(out, "seed = 0")
    check_unclaimed(out, "seed = 0")
    with pytest.raises(BlindspotsError, match="another experiment"):
        check_unclaimed(out, "seed = 1")
    (out / "spec.toml").rename(out / "notes.txt")
    with pytest.raises(BlindspotsError, match="no experiment's"):
        check_unclaimed(out, "seed = 0")


def test_a_directory_beside_a_run_has_no_settings(tmp_path: Path) -> None:
    claim(tmp_path / "audit")
    assert not list((tmp_path / "audit").iterdir())


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(BlindspotsError, match="cannot be written"):
        claim(tmp_path / "run")


def test_what_happens_is_logged_then_passed_on(tmp_path: Path, work_here) -> None:  # type: ignore[no-untyped-def]
    heard: list[str] = []
    with work_here():
        failures = attempted(
            [Piece("a"), Piece("b")],
            tmp_path,
            Console(quiet=True),
            workers=None,
            also=lambda event: heard.append(event["what"]),
        )
    assert failures == {}
    assert heard == ["planned", "started", "done"] * 2
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(each["unit"], each["what"]) for each in lines if each["what"] == "done"] == [
        ("piece a", "done"),
        ("piece b", "done"),
    ]


def test_all_or_some_must_be_there() -> None:
    require_all({})
    with pytest.raises(BlindspotsError, match=r"^It failed\.$"):
        require_all({"a": "It failed."})
    there, absent = Piece("there"), Piece("absent")
    there.run(None)
    require_some([there, absent], {"absent": "It failed."})
    with pytest.raises(BlindspotsError, match=r"^Nothing could be measured: It failed\.$"):
        require_some([absent], {"absent": "It failed."})
    with pytest.raises(BlindspotsError, match="no unit ended well"):
        require_some([], {})


@pytest.mark.parametrize("data", ["MNIST", "digits"])
def test_a_page_says_loudly_that_it_is_not_of_mnist(tmp_path: Path, data: str) -> None:
    said = io.StringIO()
    publish(tmp_path, Console(file=said, width=20), "data.html", data=data)
    assert said.getvalue() == f"Report: {tmp_path / 'report.html'}\n"
    text = (tmp_path / "report.html").read_text()
    assert ("This is not MNIST. The data are digits" in text) == (data == "digits")
