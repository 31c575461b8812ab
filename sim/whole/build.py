"""The loop through time in C++ (``loop.cpp`` and its headers): built where it is first asked for.

The structures here are those of ``net.h``.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

from networks import BlindspotsError

HERE = Path(__file__).parent
HEADERS = sorted(HERE.glob("*.h"))
SOURCE = HERE / "loop.cpp"
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC"),
)
EMITS = (
    *("fast_sigmoid", "atan", "spike sigmoid", "straight_through_estimator"),
    *("relu", "tanh", "sigmoid", "identity"),
)
"""What a unit emits or, where it spikes, its surrogate: as ``Emits`` in ``units.h``."""

number, count, pointer = ctypes.c_float, ctypes.c_int64, ctypes.c_void_p


class CRoom(ctypes.Structure):
    """``Room`` in ``net.h``."""

    _fields_ = [
        *((name, pointer) for name in ("alone", "many")),
        *((name, count) for name in ("turn", "apart")),
    ]


class CArea(ctypes.Structure):
    """``Area`` in ``net.h``."""

    _fields_ = [
        *((name, count) for name in ("units", "emits", "is_listed", "since", "last")),
        *((name, number) for name in ("keeps", "takes", "threshold", "steep")),
        *((name, CRoom) for name in ("u", "du")),
        ("drive", ctypes.POINTER(pointer)),
        ("across", ctypes.POINTER(count)),
        ("answer", ctypes.POINTER(pointer)),
        ("by_bias", pointer),
    ]


class CLink(ctypes.Structure):
    """``Link`` in ``net.h``."""

    _fields_ = [
        *((name, count) for name in ("source", "target", "delay", "is_diagonal")),
        *((name, pointer) for name in ("weight", "by_weight")),
    ]


class CNet(ctypes.Structure):
    """``Net`` in ``net.h``."""

    _fields_ = [
        *((name, count) for name in ("images", "longest", "threads", "areas", "links")),
        ("area", ctypes.POINTER(CArea)),
        ("link", ctypes.POINTER(CLink)),
    ]


@cache
def library() -> ctypes.CDLL:
    """The compiled loop; what was built stays for later processes on processors of this kind.

    Raises BlindspotsError where there is no compiler, it fails, or what it made cannot be loaded.
    """
    code = [path.read_text() for path in (*HEADERS, SOURCE)]
    made_of = " ".join([*code, *FLAGS, compiler(), processor()])
    name = f"loop-{sha256(made_of.encode()).hexdigest()[:16]}.so"
    path = built(user_cache_path("blindspots") / "engine" / name)
    try:
        compiled = ctypes.CDLL(str(path))
    except OSError as error:
        raise BlindspotsError(
            f"The compiled engine cannot be loaded ({error}); remove '{path}', so that it is built "
            "anew, or leave out BLINDSPOTS_ENGINE."
        ) from None
    for function in (compiled.there, compiled.back, compiled.weigh):
        function.argtypes, function.restype = (ctypes.POINTER(CNet), count, count), None
    return compiled


def processor() -> str:
    """What tells processors apart that cannot run one another's code."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    told = (line for line in lines if line.startswith(("model name", "flags", "Features")))
    return f"{platform.machine()} {platform.processor()} {sorted(set(told))}"


def compiler() -> str:
    """The command that compiles: ``CXX``, or what there is."""
    return os.environ.get("CXX") or shutil.which("c++") or "g++"


def built(path: Path) -> Path:
    """The library at ``path``, which is built beside it and then appears at once."""
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(folder) / path.name
            command = [*compiler().split(), *FLAGS, str(SOURCE), "-o", str(draft)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            draft.replace(path)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise BlindspotsError(
            f"The compiled engine could not be built: {said[0] if said else error} Install a C++ "
            "compiler with OpenMP, such as g++ (CXX names another), or leave out BLINDSPOTS_ENGINE."
        ) from None
    return path
