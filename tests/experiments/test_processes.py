"""Processes of this machine: one that dies takes its unit with it alone, and no GPU waits."""

import importlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from experiments import processes
from experiments.bench import Bench
from experiments.crash import Crash
from experiments.store import fresh_unit
from experiments.units import Report, Unit, is_complete, product
from experiments.work import Event, complete
from networks import BlindspotsError

PIECES = """
import os
from dataclasses import dataclass
from typing import ClassVar

from experiments import processes
from experiments.store import fresh_unit

def settle_in(messages):  # without PyTorch, which takes seconds
    processes._messages = messages

@dataclass(frozen=True)
class Piece:
    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "done"
    key: str
    needs: tuple = ()

    @property
    def label(self):
        return f"piece {self.key}"

    def run(self, report):
        if self.key == "deadly":
            os.abort()  # as C++ does where nobody catches what it throws
        with fresh_unit(self.stage, self.key) as directory:
            (directory / self.product).write_text(str(os.getpid()))
"""


@pytest.fixture
def piece(empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Units of a module that other processes can import; those that do start fast."""
    (tmp_path / "pieces.py").write_text(PIECES)
    monkeypatch.syspath_prepend(tmp_path)
    pieces = importlib.import_module("pieces")
    monkeypatch.setattr(processes, "_settle_in", pieces.settle_in)
    return pieces.Piece


def test_a_unit_that_ends_its_process_is_named_and_the_others_go_on(piece: Any) -> None:
    deadly = piece("deadly")
    others = [piece(str(i)) for i in range(6)]
    never, last = piece("never", needs=(deadly,)), piece("last", needs=(others[0],))
    events: list[Event] = []
    with pytest.raises(Crash) as error:
        complete([never, last, *others], 2, events.append)
    assert str(error.value).startswith(
        "piece deadly was given up after its worker died at it, most likely for memory; free some"
    )
    assert "\n" not in str(error.value)
    assert all(is_complete(unit) for unit in (last, *others))
    assert [e["unit"].key for e in events if e["what"] == "failed"] == ["deadly"]
    assert not any((e["what"], e["unit"]) == ("started", never) for e in events)


def test_a_unit_is_not_blamed_for_a_process_that_died_before(piece: Any) -> None:
    """Whose death is noticed only after the unit was handed over: it stands still until then."""
    first, second = piece("first"), piece("second")
    with processes.processes(1) as crew:
        crew.start(first).result()
        idle = int(product(first).read_text())
        os.kill(idle, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (idle, signal.SIGKILL)).start()
        crew.start(second).result()
    assert int(product(second).read_text()) != idle


# Processors and a GPU


@dataclass(frozen=True)
class Waits:
    """Is at work until some unit, which it does not need, is complete."""

    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "done"
    key: str
    bench: Bench
    other: Unit | None = None
    needs: tuple[Unit, ...] = ()

    @property
    def label(self) -> str:
        return f"piece {self.key}"

    def run(self, report: Report) -> None:
        end = time.monotonic() + 10
        while self.other and not is_complete(self.other):
            if time.monotonic() > end:
                raise BlindspotsError(f"{self.other.label} was not begun.")
            time.sleep(0.01)
        with fresh_unit(self.stage, self.key) as directory:
            (directory / self.product).write_text("")


@pytest.mark.parametrize(("many", "one"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_what_a_gpu_does_and_what_processors_do_go_side_by_side(
    many: str, one: str, empty_cache: Path, in_threads: None
) -> None:
    busy, other = (Bench("digits", None, "", device, "tests") for device in (many, one))
    last = Waits("last", other)
    units = [Waits(str(i), busy, last) for i in range(4)]
    assert complete([*units, last, *units], 2, lambda event: None) == {}


@dataclass(frozen=True)
class Placed:
    """A unit that asks for nothing but a device."""

    bench: Bench


def test_a_gpu_serves_one_at_a_time_and_other_cores_work_beside() -> None:
    on_gpu, on_cpu = (Placed(Bench("", None, "", device, "")) for device in ("cuda", "cpu"))
    for count, at_a_time in ((None, (1, processes.cores())), (3, (3, 3))):
        with processes.processes(count) as crew:
            for unit, other, most in zip(
                (on_gpu, on_cpu), (on_cpu, on_gpu), at_a_time, strict=True
            ):
                assert crew.has_room(unit, [unit] * (most - 1) + [other] * 20)
                assert not crew.has_room(unit, [unit] * most)
