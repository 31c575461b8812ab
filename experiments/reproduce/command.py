"""The command ``reproduce szegedy``: train, distort, score, and write a run directory."""

import json
import time
from pathlib import Path

import xarray as xr
from rich.console import Console

from experiments.bench import bench_for
from experiments.command import attempted, check_unclaimed, claim, require_some
from experiments.provenance import provenance
from experiments.reproduce.members import Member
from experiments.reproduce.plan import Plan, Settings, plan
from experiments.reproduce.report import write_reproduction
from experiments.reproduce.result import assemble
from experiments.reproduce.units import pictures
from experiments.store import link, unit_path, write_dataset, write_text
from experiments.units import is_complete
from experiments.workers import Workers


def reproduce(
    settings: Settings,
    out: Path,
    *,
    data: Path | None = None,
    device: str | None = None,
    workers: Workers | None = None,
    console: Console | None = None,
    everyone: tuple[Member, ...] | None = None,
) -> xr.Dataset:
    """Tables 1 to 4 of Szegedy et al. (2014) for ``everyone``, into the directory ``out``.

    Where ``out`` holds the same, interrupted or ended, it goes on from there; where it holds
    anything else, BlindspotsError. ``everyone`` is by default the paper's networks and ours;
    the other arguments are those of :func:`experiments.compare.compare`.
    """
    began, console = time.monotonic(), console or Console(stderr=True)
    check_unclaimed(out, settings.to_toml())
    bench = bench_for(data, device)
    planned = plan(settings, bench, everyone)
    for noise in planned.noise.values():
        pictures(bench, noise.source, settings.images)  # are there so many?
    claim(out, settings.to_toml())
    failures = attempted(planned.units, out, console, workers=workers)
    require_some(planned.scores.values(), failures)
    result = assemble(settings, planned, bench)
    keep(out, planned)
    facts = provenance(bench.device) | {
        "data": {"name": bench.data, "sha256": bench.sha256},
        "seconds": round(time.monotonic() - began, 1),
        "failures": sorted(failures.values()),
    }
    write_text(out / "provenance.json", json.dumps(facts, indent=1))
    result.attrs |= {"failures": facts["failures"], "commit": facts["commit"] or ""}
    write_dataset(result, out / "result.nc")
    write_reproduction(out, result, console)
    return result


def keep(out: Path, planned: Plan) -> None:
    """The trained networks and what was made for them, into the run directory, by name."""
    for name, unit in planned.trained.items():
        if is_complete(unit):
            link(unit_path(unit.stage, unit.key), out / "networks" / plain(name) / "individual-0")
    for (name, aim), made in planned.distorted.items():
        if is_complete(made):
            link(unit_path(made.stage, made.key), out / "inputs" / f"{plain(name)}-{aim}")


def plain(name: str) -> str:
    """A name for a directory: without brackets, spaces and commas."""
    return name.replace(", ", "-").replace(" (", "-").replace("(", "-").replace(")", "")
