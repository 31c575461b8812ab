"""Can the accuracies of a comparison be trusted? The command ``audit``."""

import json
from collections.abc import Sequence
from pathlib import Path

import xarray as xr
from rich.console import Console

from experiments.audit.claimed import Claimed
from experiments.audit.report import controls_table, write_audit
from experiments.audit.saved import assembled, audit_path, joined
from experiments.audit.unit import Controls, read_told
from experiments.bench import bench_for
from experiments.command import attempted, claim, require_all
from experiments.finished import chosen, finished
from experiments.provenance import commit, versions
from experiments.store import write_dataset
from experiments.work import complete
from experiments.workers import Workers


def audit_run(
    run: Path,
    names: Sequence[str],
    *,
    individual: int,
    images: int | None,
    attack: str | None,
    epsilon: float | None,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Audit what networks of ``run`` (default: all attacked white-box) are claimed to withstand.

    The claim is the accuracy of ``individual`` under the white-box ``attack`` at ``epsilon`` (the
    run's references by default), on the first ``images`` (100) of the run. What is found goes to
    RUN/audit: audit.nc, report.html.
    """
    compared, bench = finished(run, data)
    claimed = Claimed.by(compared, run, individual, attack, epsilon, images)
    listed = chosen(compared, run, list(names)) if names else claimed.attacked()
    units = [claimed.unit(name, bench) for name in listed]
    claim(run / "audit")
    require_all(attempted(units, run / "audit", console, workers=workers))
    attrs = {
        **{"attack": claimed.attack, "epsilon": claimed.epsilon, "individual": individual},
        **{"images": claimed.images, "data": bench.data, "data_sha256": bench.sha256},
        **{"commit": commit() or "", "versions": json.dumps(versions())},
    }
    result = joined(assembled([read_told(unit) for unit in units], attrs), run)
    write_dataset(result, audit_path(run))
    write_audit(run / "audit", result, read_told(Controls(bench)), console)
    return result


def check_controls(
    run: Path | None, *, data: Path | None, workers: Workers | None, console: Console
) -> bool:
    """Whether all controls are told rightly; prints how each is."""
    bench = finished(run, data)[1] if run else bench_for(data, "cpu")
    unit = Controls(bench)
    with console.status("training and auditing controls"):
        require_all(complete([unit], workers or 1, lambda event: None))
    told = read_told(unit)
    console.print(controls_table(told, bench.data))
    return all(each["caught"] for each in told)
