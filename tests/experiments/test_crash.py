"""An error that nobody foresaw ends its unit, and neither the others nor in a traceback."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from experiments.crash import Crash, traceback_path
from experiments.store import fresh_unit
from experiments.units import Report, Unit, is_complete
from experiments.work import Event, complete
from networks import BlindspotsError


def allocate_in_torch() -> None:
    torch.empty(2**50)


def allocate_in_numpy() -> None:
    np.empty(2**57)


def allocate_on_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has more.")


def index_too_far() -> None:
    raise IndexError("row 7 of 5\nand more of it")


@dataclass(frozen=True)
class Piece:
    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "done"
    key: str
    does: Callable[[], None] = lambda: None
    needs: tuple[Unit, ...] = ()

    @property
    def label(self) -> str:
        return f"piece {self.key}"

    def run(self, report: Report) -> None:
        self.does()
        with fresh_unit(self.stage, self.key) as directory:
            (directory / self.product).write_text("")


def crashed(*units: Piece) -> tuple[str, list[Event]]:
    events: list[Event] = []
    with pytest.raises(Crash) as error:
        complete(units, 2, events.append)
    assert "\n" not in str(error.value)
    return str(error.value), events


def test_the_others_go_on_and_one_sentence_ends_it(empty_cache: Path, in_threads: None) -> None:
    bad = Piece("bad", index_too_far)
    others = [Piece(str(i)) for i in range(4)]
    never, last = Piece("never", needs=(bad,)), Piece("last", needs=(others[0],))
    said, events = crashed(never, last, *others)
    assert said.startswith("piece bad failed with IndexError: row 7 of 5. Its traceback is in ")
    assert all(is_complete(unit) for unit in (last, *others))
    told = [(e["what"], e["unit"].key) for e in events]
    assert told.count(("failed", "bad")) == 1
    assert ("started", "never") not in told
    kept = traceback_path(bad)
    assert str(kept) in said
    assert 'in index_too_far\n    raise IndexError("row' in kept.read_text()
    assert "and more of it" in kept.read_text()


@pytest.mark.parametrize("does", [allocate_in_torch, allocate_in_numpy, allocate_on_gpu])
def test_memory_that_ran_out_names_the_mend(
    does: Callable[[], None], empty_cache: Path, in_threads: None
) -> None:
    said, _ = crashed(Piece("large", does))
    assert said.startswith("piece large ran out of memory (")
    assert "Error: " in said
    assert "; lower the batch of its training, or --workers." in said


def test_a_traceback_goes_when_its_unit_is_complete(empty_cache: Path, in_threads: None) -> None:
    crashed(Piece("unit", index_too_far))
    mended = Piece("unit")
    assert traceback_path(mended).exists()
    assert complete([mended], 1, lambda event: None) == {}
    assert not traceback_path(mended).exists()


def test_a_traceback_that_finds_no_room_is_said(
    empty_cache: Path, in_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise BlindspotsError("The disk is full.")

    monkeypatch.setattr("experiments.crash.write_text", full)
    said, _ = crashed(Piece("bad", index_too_far))
    assert "IndexError: row 7 of 5. Its traceback could not be kept: The disk is full." in said


def test_several_are_counted(empty_cache: Path, in_threads: None) -> None:
    said, events = crashed(*(Piece(key, index_too_far) for key in "abc"))
    assert "So did 2 more, as said above" in said
    assert sum(e["what"] == "failed" for e in events) == 3
