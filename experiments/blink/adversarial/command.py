"""Is the blink a window of adversarial weakness? The command ``blink attack``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tomli_w
import xarray as xr
from rich.console import Console
from rich.markup import escape

from experiments.blink.adversarial.cast import Cast
from experiments.blink.adversarial.gather import gathered
from experiments.blink.adversarial.plan import Effort, attack_plan
from experiments.blink.adversarial.tables import tables
from experiments.blink.beside import beside_people
from experiments.blink.command import bench_of_run
from experiments.blink.plan import blink_plan
from experiments.blink.report import figures_in, write_blink_report
from experiments.command import attempted, check_unclaimed, claim, require_all
from experiments.provenance import versions
from experiments.store import write_dataset, writing
from experiments.workers import Workers


def attack_blink(
    run: Path,
    observers: Sequence[str],
    effort: Effort,
    *,
    out: Path | None = None,
    data: Path | None = None,
    workers: Workers | None = None,
    console: Console | None = None,
) -> xr.Dataset:
    """Attack single frames before ``observers`` of ``run``.

    Those are, where none is named, the observers with the run's own gate, and the controls.
    Everything goes to ``out``, or to RUN/attack, and then onto the run's page. Raises
    BlindspotsError where nothing can be attacked, or the directory holds another experiment.
    """
    effort.check()
    console = console or Console(stderr=True)
    spec, bench, result = bench_of_run(run, data)
    cast = Cast(spec, blink_plan(spec, bench).titrated)
    cast.check(observers)
    kinds = list(observers) or cast.usual()
    plan = attack_plan(cast, kinds, effort)
    is_on_page = out is None and (run / "report.html").exists()
    out = out or run / "attack"
    asked: dict[str, object] = {"observers": kinds, **asdict(effort)}
    if out != run / "attack":  # which lies in the run that it is of
        asked["run"] = spec.model_dump(mode="json", exclude_none=True)
    settings = tomli_w.dumps(asked)
    check_unclaimed(out, settings)
    console.print(
        f"{len(list(plan.units()))} judgements of changed frames, for {escape(', '.join(kinds))}, "
        f"into {escape(str(out))}", highlight=False,
    )  # fmt: skip
    claim(out, settings)
    require_all(attempted(plan.units(), out, console, workers=workers))
    found = gathered(plan, effort, result).assign_attrs(
        versions=json.dumps(versions()), effort=json.dumps(asdict(effort))
    )
    write_dataset(found, out / "result.nc")
    finish(out, found, console)
    if is_on_page:
        beside = beside_people(result, np.random.default_rng(0))
        quiet = Console(quiet=True)
        write_blink_report(run, result, beside, figures_in(run / "figures"), quiet)
    return found


def finish(out: Path, found: xr.Dataset, console: Console) -> None:
    """Figure and tables from the saved result alone."""
    from figures.blink import provocation
    from figures.save import save

    with writing(out / "figures"):
        save(provocation(found), out / "figures", "attack")
    for table in tables(found):
        console.print(table)
    console.print(f"Figure: {escape(str(out / 'figures' / 'attack.png'))}", highlight=False)
