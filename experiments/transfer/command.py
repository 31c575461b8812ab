"""The command ``transfer``: everyone's inputs shown to everyone."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from experiments.compare import bench_for
from experiments.progress import Monitor
from experiments.result import load_result, save_result
from experiments.spec import read_spec
from experiments.statistics.transfer import summarise_transfer
from experiments.statistics.universal import summarise_universal
from experiments.statistics.universality import universality
from experiments.store import unwritable, write_text
from experiments.transfer.assemble import assemble
from experiments.transfer.exchange import Exchange, in_parts, of_run
from experiments.transfer.report import write_transfer_report
from experiments.transfer.universal import Universals, universal_outcomes
from experiments.units import Unit, is_complete
from experiments.work import complete, workers_for
from networks.errors import BlindspotsError


def transfer(
    run: Path,
    *,
    attack: str | None,
    epsilon: float | None,
    parts: int,
    universal: bool,
    data: Path | None,
    device: str | None,
    workers: int | None,
    console: Console,
) -> xr.Dataset:
    """Show what was crafted on every individual of ``run`` to every other, and report.

    With ``parts`` > 1 its networks are trained anew on disjoint parts of the training images. With
    ``universal``, changes that are the same for all images are crafted and shown to everyone, too.
    Everything goes to RUN/transfer/ATTACK-EPSILON[-parts-N]; the default attack and epsilon are
    the run's references. Interrupted, the same call goes on.
    """
    compared = load_result(run)
    spec, bench = read_spec(run / "spec.toml"), bench_for(data, device)
    if bench.sha256 != compared.attrs["data_sha256"]:
        raise BlindspotsError(
            f"'{run}' was made with {compared.attrs['data']}, other data than {bench.data} here; "
            "name the same with --data."
        )
    attack = attack or spec.reference_attack
    epsilon = spec.reference_epsilon if epsilon is None else epsilon
    if parts > 1:
        exchange = in_parts(run, spec, attack, epsilon, bench, parts)
    else:
        exchange = of_run(run, spec, attack, epsilon, bench)
    out = run / "transfer" / f"{attack}-{epsilon:g}{f'-parts-{parts}' if parts > 1 else ''}"
    universals = Universals(exchange) if universal else None
    units = (*exchange.scores, *(universals.scores.values() if universals else ()))
    failures = worked_on(exchange, units, out, workers or workers_for(bench.device), console)
    result = assemble(exchange).assign_attrs(failures=sorted(failures.values()))
    if universals:
        result = result.merge(universal_outcomes(result, universals))
    save_result(result, out / "transfer.nc")
    finish(out, result, console)
    return result


def worked_on(
    exchange: Exchange, units: Iterable[Unit], out: Path, workers: int, console: Console
) -> dict[str, str]:
    """Complete all ``units``, in the directory ``out``; returns the failures.

    Raises BlindspotsError where nothing could be measured.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "spec.toml", exchange.spec.to_toml())
    except OSError as error:
        raise unwritable(out, error) from None
    with Monitor(console, out / "log.jsonl") as monitor:
        failures = complete(units, workers, monitor.tell)
    if not any(is_complete(unit) for unit in exchange.crossed.values()):
        why = next(iter(failures.values()), "nothing was crafted on any of its networks")
        raise BlindspotsError(f"Nothing could be measured: {why.rstrip('.')}.")
    return failures


def finish(out: Path, result: xr.Dataset, console: Console) -> None:
    """Statistics, figures, report and terminal table from the labelled result alone."""
    from figures.save import save
    from figures.transfer import exchange_matrix, montage, universality_histogram
    from figures.universal import universal_perturbations

    summary = summarise_transfer(result, generator=np.random.default_rng(0))
    universal = summarise_universal(result, generator=np.random.default_rng(0))
    summary = summary.merge(universal)
    spread = universality(result, generator=np.random.default_rng(0))
    drawn = {
        "matrix": lambda: exchange_matrix(summary),
        "universality": lambda: universality_histogram(spread, summary),
    }
    if result.sizes["example"]:
        drawn["montage"] = lambda: montage(result)
    if universal:
        drawn["universal"] = lambda: universal_perturbations(summary)
    with console.status("drawing figures"):
        try:
            paths = {name: save(draw(), out / "figures", name)[0] for name, draw in drawn.items()}
        except OSError as error:
            raise unwritable(out / "figures", error) from None
    write_transfer_report(out, result, summary, spread, paths, console)
