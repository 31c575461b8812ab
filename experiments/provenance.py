"""What a run was made with: versions, hardware, and what else its numbers depend on."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("blindspots", "torch", "snntorch", "brian2", "numpy", "scipy", "xarray", "safetensors"),
    *("statsmodels", "matplotlib"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def software() -> str:
    """What decides the last bits of a number: versions, engine and precision but the usual ones."""
    from sim.engine import ORDER, engine
    from sim.precision import precision

    found = versions()
    named = " ".join(f"{name} {found[name]}" for name in ("torch", "snntorch"))
    named += "" if engine() == "plain" else f" engine {engine()} {ORDER}"
    return named if precision() == "float32" else f"{named} precision {precision()}"


def hardware(device: str) -> dict[str, Any]:
    """Processor, cores, and the GPU where one is used."""
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "device": device,
    }
    if device == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def processor() -> str:
    """The name that Linux gives, or what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def commit() -> str | None:
    """The git commit of the code, marked where files were changed since; None outside of git."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def provenance(device: str) -> dict[str, Any]:
    """Everything above, with the command line, the engine of networks and the precision."""
    from sim.engine import engine
    from sim.precision import precision

    return {
        "command": sys.argv,
        "engine": engine(),
        "precision": precision(),
        "versions": versions(),
        "hardware": hardware(device),
        "commit": commit(),
    }
