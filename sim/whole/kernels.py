"""The compiled kernels of ``kernels.cpp``: built where they are first asked for, and called.

They take and fill float32 tensors in C order on the CPU.
"""

import ctypes
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from networks import BlindspotsError

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ["-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]


class Events(NamedTuple):
    """Which columns of each row of a table something happened in.

    ``columns`` of one row after another, and where each row's begin: ``begins`` (rows + 1), whose
    last is the number of all.
    """

    columns: Tensor
    begins: Tensor


@cache
def library() -> ctypes.CDLL:
    """The kernels; PyTorch keeps what it built for later processes.

    Raises BlindspotsError where there is no compiler, or it fails.
    """
    from torch.utils.cpp_extension import load

    machine = torch.backends.cpu.get_cpu_capability()
    made_of = sha256(f"{SOURCE.read_text()} {FLAGS} {machine}".encode()).hexdigest()
    try:
        path = load(
            f"blindspots_{made_of[:16]}",
            [str(SOURCE)],
            extra_cflags=FLAGS,
            extra_ldflags=["-fopenmp"],
            is_python_module=False,
        )
    except (RuntimeError, OSError) as error:
        raise BlindspotsError(
            f"The compiled engine could not be built: {str(error).splitlines()[0]} Install a C++ "
            "compiler and ninja (pip install 'blindspots[fast]'), or leave out BLINDSPOTS_ENGINE."
        ) from None
    built = ctypes.CDLL(path)
    table, count, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
    for name, takes in {
        "membrane": (table, count, table, count, number, number, table, count, count),
        "by_membrane": (table, table, number, number, number, table, count),
        "count": (table, number, table, count, count),
        "spikes": (table, number, table, count, count),
        "turned": (table, table, count, table, table, count),
        "gather": (table, count, table, table, number, table, count, count),
    }.items():
        getattr(built, name).argtypes, getattr(built, name).restype = takes, None
    built.count.restype = count
    return built


def membrane(drive: Tensor, before: Tensor, beta: float, threshold: float, images: int) -> Tensor:
    """drive + beta before - threshold [before > threshold], (images, units).

    ``drive`` and ``before`` are (images, units), or (1, units).
    """
    units = drive.shape[1]
    u = drive.new_empty(images, units)
    library().membrane(
        *(place(drive), units * (drive.shape[0] > 1), place(before), units * (before.shape[0] > 1)),
        *(beta, threshold, place(u), images, units),
    )
    return u


def by_membrane(
    u: Tensor, later: Tensor, threshold: float, slope: float, beta: float, gradient: Tensor
) -> None:
    """gradient / (1 + slope |u - threshold|)^2 + beta later, all (N, units), in its own place."""
    tables = (place(u), place(later))
    library().by_membrane(*tables, threshold, slope, beta, place(gradient), u.numel())


def spikes(u: Tensor, threshold: float) -> Events:
    """Which units are above threshold, for each image; ``u`` (N, units)."""
    begins = torch.empty(u.shape[0] + 1, dtype=torch.int32)
    count = library().count(place(u), threshold, place(begins), *u.shape)
    columns = torch.empty(count + 1, dtype=torch.int32)
    library().spikes(place(u), threshold, place(columns), *u.shape)
    return Events(columns[:count], begins)


def turned(events: Events, columns: int) -> Events:
    """The same with rows and columns exchanged; there are so many ``columns``."""
    found = Events(torch.empty_like(events.columns), torch.empty(columns + 1, dtype=torch.int32))
    rows = events.begins.shape[0] - 1
    library().turned(*map(place, events), rows, *map(place, found), columns)
    return found


def gather(rows: Tensor, events: Events, factor: float, total: Tensor) -> None:
    """Add to each row of ``total`` (N, k) factor times the sum of those ``rows`` (M, k).

    The columns of its events name them.
    """
    library().gather(
        *(place(rows), rows.shape[0], *map(place, events), factor, place(total), *total.shape)
    )


def place(table: Tensor) -> int:
    """Where a table begins in memory."""
    assert table.is_contiguous()
    return table.data_ptr()
