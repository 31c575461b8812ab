"""What a process does with memory that it has freed."""

import subprocess
import sys

import pytest

FREED = """
import sys
from pathlib import Path
import numpy as np
from experiments.memory import keep_memory

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

if sys.argv[1] == "kept":
    keep_memory()
piece = np.ones(3_000_000)
before = held()
del piece
print(before - held())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is not GNU's")
@pytest.mark.parametrize(("how", "is_kept"), [("kept", True), ("given back", False)])
def test_what_is_freed(how: str, is_kept: bool) -> None:
    """24 MB stay the process's own where that is asked for, and only there."""
    command = [sys.executable, "-c", FREED, how]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (int(done.stdout) < 1000) == is_kept
