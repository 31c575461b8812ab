"""What is said of units where nobody sees bars."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from experiments.progress import LONG, Monitor
from experiments.work import STAGES


@dataclass(frozen=True)
class Piece:
    """A unit as a monitor sees it."""

    stage: ClassVar[str] = "teach"
    label: str = "fc-blt (seed 1)"
    key: str = "a"


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("seconds", [LONG - 1, LONG + 2])
def test_long_units_have_a_line_each_where_there_are_no_bars(
    tmp_path: Path, is_terminal: bool, seconds: float
) -> None:
    console = Console(record=True, width=120, file=StringIO(), force_terminal=is_terminal)
    with Monitor(console, tmp_path / "log.jsonl") as monitor:
        for event in (
            {"what": "planned"},
            {"what": "started"},
            {"what": "done", "seconds": seconds},
        ):
            monitor.tell({**event, "unit": Piece()})
    line = f"{STAGES['teach']}: fc-blt (seed 1) in {seconds:.0f} s"
    assert (line in console.export_text()) == (seconds > LONG and not is_terminal)
