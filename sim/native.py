"""C++ that is built where it is first asked for, for the processor at hand.

What was built stays in the user's cache, for later processes on processors of this kind.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

from networks import BlindspotsError

FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC"),
)


def native(source: Path, headers: Sequence[Path] = ()) -> ctypes.CDLL:
    """The library that is compiled from a source, which may include the headers by their names.

    Raises BlindspotsError where there is no compiler, it fails, or what it made cannot be loaded.
    """
    code = [path.read_text() for path in (*headers, source)]
    made_of = " ".join([*code, *FLAGS, compiler(), processor()])
    name = f"{source.stem}-{sha256(made_of.encode()).hexdigest()[:16]}.so"
    folders = sorted({f"-I{path.parent}" for path in headers})
    path = built([*folders, str(source)], user_cache_path("blindspots") / "engine" / name)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BlindspotsError(
            f"The compiled engine cannot be loaded ({error}); remove '{path}', so that it is built "
            "anew, or leave out BLINDSPOTS_ENGINE."
        ) from None


@cache
def processor() -> str:
    """What tells processors apart that cannot run one another's code."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    told = (line for line in lines if line.startswith(("model name", "flags", "Features")))
    return f"{platform.machine()} {platform.processor()} {sorted(set(told))}"


def compiler() -> str:
    """The command that compiles: ``CXX``, or what there is."""
    return os.environ.get("CXX") or shutil.which("c++") or "g++"


def built(what: Sequence[str], path: Path) -> Path:
    """The library at ``path``, which is built beside it and then appears at once.

    ``what`` tells the compiler of the source, and where its headers are.
    """
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(folder) / path.name
            command = [*compiler().split(), *FLAGS, *what, "-o", str(draft)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            draft.replace(path)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise BlindspotsError(
            f"The compiled engine could not be built: {said[0] if said else error} Install a C++ "
            "compiler with OpenMP, such as g++ (CXX names another), or leave out BLINDSPOTS_ENGINE."
        ) from None
    return path
