"""Rows of a benchmark: works that take turns, what each took, and a table for people and programs.

Seconds of CPU are what a busy machine disturbs least, but say nothing of several processes, nor of
a GPU; both clocks are kept. Memory is by how much one run raised the peak of what the process
holds, or of what PyTorch holds on the GPU that the work is done on.
"""

import ctypes
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Literal

import torch

from experiments.provenance import processor
from figures.save import replacing
from sim.engine import engine

Clock = Literal["cpu", "wall"]
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PACKAGES = (
    *("torch", "snntorch", "spikingjelly", "norse", "torchattacks", "foolbox"),
    *("adversarial-robustness-toolbox", "brian2", "numpy", "triton"),
)


@dataclass(frozen=True)
class Row:
    """One way of doing the work.

    Attributes:
        name: for people.
        wall: seconds in each round; none where it could not run.
        cpu: the same, of this process.
        megabytes: by how much one run raised the peak of memory; None: not known.
        found: what it computed, or how far that is from ours.
        missing: why it could not run.
    """

    name: str
    wall: Sequence[float] = ()
    cpu: Sequence[float] = ()
    megabytes: float | None = None
    found: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Section:
    """A table: the first of its rows is what the others are compared with.

    Attributes:
        title: the work.
        clock: of which times the table tells.
        per: by how many times are divided (images), 1 for none.
        unit: what a time is of.
        facts: what else there is to know.
    """

    title: str
    clock: Clock
    rows: Sequence[Row]
    per: int = 1
    unit: str = "ms"
    facts: Mapping[str, Any] = field(default_factory=dict)


def in_turn(
    works: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu"
) -> list[Row]:
    """Each work once that does not count, all in turn so many rounds, and each for its memory.

    What is done on a GPU is waited for.
    """
    for work in works.values():
        done(work, device)
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began, busy = perf_counter(), process_time()
            done(work, device)
            wall[name].append(perf_counter() - began)
            cpu[name].append(process_time() - busy)
    peak = peak_on_gpu if device == "cuda" else peak_of
    return [Row(name, wall[name], cpu[name], peak(work)) for name, work in works.items()]


def done(work: Callable[[], object], device: str) -> None:
    """Do a work, and wait until the GPU has done its part."""
    work()
    if device == "cuda":
        torch.cuda.synchronize()


def peak_on_gpu(work: Callable[[], object]) -> float:
    """By how many MB a run raises the peak of what PyTorch has given out on the GPU."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    done(work, "cuda")
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def peak_of(work: Callable[[], object]) -> float | None:
    """By how many MB a run raises the peak of memory; None where the system does not tell.

    What the C library keeps of earlier work is given back before, or it would hide what is new.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        CLEAR.write_text("5")  # the peak starts anew
        before = held("VmRSS")
        work()
        return (held("VmHWM") - before) / 1024
    except (OSError, AttributeError):
        work()
        return None


def held(what: str) -> int:
    """A line of the process's status, kB."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, load, engine, versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "engine": engine(),
        "python": platform.python_version(),
        "versions": versions,
    }


def markdown(section: Section) -> str:
    """The table, with times in milliseconds, and speed relative to the first row's."""
    lines = [
        f"## {section.title}",
        "",
        f"| | median ({section.unit}, {section.clock}) | min-max | x | memory (MB) | found |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    first = next((median(taken(r, section)) for r in section.rows if r.wall), None)
    for row in section.rows:
        if row.missing:
            lines.append(f"| {row.name} | | | | | {row.missing} |")
            continue
        times = taken(row, section)
        middle, memory = median(times), "" if row.megabytes is None else f"{row.megabytes:.0f}"
        lines.append(
            f"| {row.name} | {middle:.4g} | {min(times):.4g}-{max(times):.4g} | "
            f"{first / middle if first else 1:.2f} | {memory} | {row.found} |"
        )
    facts = [f"{name}: {value}" for name, value in section.facts.items()]
    return "\n".join([*lines, "", "; ".join(facts), ""])


def taken(row: Row, section: Section) -> list[float]:
    """Milliseconds of each round."""
    return [1000 * each / section.per for each in getattr(row, section.clock)]


def write(sections: Sequence[Section], out: Path) -> str:
    """``benchmark.md`` and ``benchmark.json`` into a directory; returns the former's text."""
    about = machine()
    text = "\n".join(
        [
            "# Benchmark",
            "",
            f"{about['processor']}, {about['cpus']} CPUs, load {about['load']}, "
            f"GPU {about['gpu'] or 'none'}, {about['engine']} engine; Python {about['python']}, "
            + ", ".join(f"{name} {which}" for name, which in about["versions"].items())
            + ". Ways took turns; x is the speed relative to the first row.",
            "",
            *map(markdown, sections),
        ]
    )
    saved = {"machine": about, "sections": [asdict(each) for each in sections]}
    for name, content in (("benchmark.md", text), ("benchmark.json", json.dumps(saved, indent=1))):
        with replacing(out / name) as temporary:
            Path(temporary).write_text(content)
    return text
