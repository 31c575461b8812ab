"""The attentional blink of a population: the command ``blink``."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from rich.console import Console
from rich.markup import escape

from experiments.bench import Bench, bench_for
from experiments.blink.figures import observers
from experiments.blink.report import grade_table, grades, write_blink_report
from experiments.blink.spec import BlinkSpec, blink_spec_from
from experiments.blink.table import write_csv
from experiments.command import attempted, check_unclaimed, claim, require_some
from experiments.finished import bench_of
from experiments.provenance import provenance, versions
from experiments.spec import read_settings
from experiments.store import link, read_dataset, unit_path, write_dataset, write_text, writing
from experiments.units import is_complete
from experiments.workers import Workers
from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    from experiments.blink.plan import BlinkPlan

FORMAT = 2


def blink(
    spec: BlinkSpec,
    out: Path,
    *,
    data: Path | None = None,
    workers: Workers | None = None,
    console: Console | None = None,
) -> xr.Dataset:
    """Run the experiment of ``spec`` and leave everything in the directory ``out``.

    Interrupted, the same call goes on where it stopped. Raises BlindspotsError where ``out`` holds
    another experiment.
    """
    began, console = time.monotonic(), console or Console(stderr=True)
    check_unclaimed(out, spec.to_toml())
    console.print(announced(spec, out), highlight=False)
    from experiments.blink.assemble import assembled, table_of
    from experiments.blink.plan import blink_plan

    bench = bench_for(data, "cpu")
    planned = blink_plan(spec, bench)
    claim(out, spec.to_toml())
    units = list(planned.shows.values())
    failures = attempted([*units, *planned.filmed.values()], out, console, workers=workers)
    require_some(units, failures)
    with console.status("summing up all trials"):
        table = table_of(planned, spec, bench)
        result = assembled(table, planned, spec, bench)
    result = result.assign_attrs(
        format=FORMAT,
        data=bench.data,
        data_sha256=bench.sha256,
        title=spec.title,
        versions=json.dumps(versions()),
        failures=sorted(failures.values()),
    )
    keep(out, planned)
    write_csv(table, out / "trials.csv")
    write_dataset(result, out / "result.nc")
    facts = provenance("cpu") | {
        "data": {"name": bench.data, "sha256": bench.sha256},
        "seconds": round(time.monotonic() - began, 1),
        "failures": sorted(failures.values()),
    }
    write_text(out / "provenance.json", json.dumps(facts, indent=1))
    finish(out, result, console)
    return result


def announced(spec: BlinkSpec, out: Path) -> str:
    """What is about to be done, said before PyTorch and the data are there, which takes seconds."""
    who = ", ".join(f"{spec.individuals_of(name)} {escape(name)}" for name in spec.observers)
    return (
        f"{escape(spec.title)}: {who}; {len(spec.conditions)} conditions, into {escape(str(out))}"
    )


def keep(out: Path, planned: "BlinkPlan") -> None:
    """The networks into ``out``/networks, by name and seed."""
    for (name, i), unit in planned.taught.items():
        if is_complete(unit):
            place = out / "networks" / name / f"{unit.kept_as}-{i}"
            link(unit_path(unit.stage, unit.key), place)


def finish(out: Path, result: xr.Dataset, console: Console) -> None:
    """Figures, grades, report and terminal tables from the saved result alone."""
    from experiments.blink.beside import beside_people
    from experiments.blink.figures import draw

    beside = beside_people(result, np.random.default_rng(0))
    with console.status("drawing figures"), writing(out / "figures"):
        paths = draw(result, beside, out / "figures")
    write_blink_report(out, result, beside, paths, console)


def load_blink(run: Path) -> xr.Dataset:
    """The result of a blink experiment in ``run``; BlindspotsError where there is none."""
    path = run / "result.nc"
    if not path.exists():
        raise BlindspotsError(
            f"'{run}' holds no result.nc; name the directory of a blink experiment that has ended."
        )
    result = read_dataset(path)
    if "t2_given_t1" not in result or result.attrs.get("format") != FORMAT:
        raise BlindspotsError(
            f"'{run}' holds no blink experiment of this version; run  blindspots blink  again."
        )
    return result


def bench_of_run(run: Path, data: Path | None) -> tuple[BlinkSpec, Bench, xr.Dataset]:
    """The specification of a finished run, the data that it was made with, and its result."""
    result = load_blink(run)
    return blink_spec_from(read_settings(run / "spec.toml")), bench_of(run, result, data), result


def print_grades(run: Path, observer: str | None, console: Console) -> bool:
    """Print every target of ``observer`` (default: all) in a finished run; whether all passed."""
    result = load_blink(run)
    known = observers(result)
    if observer is not None and observer not in known:
        raise unknown("observer", observer, known, f"in '{run}'")
    passed = True
    for who in [observer] if observer else known:
        rows = grades(result, who)
        console.print(grade_table(who, rows))
        passed &= all(row.passed for row in rows)
    return passed
