"""The command ``transfer``: everyone's inputs shown to everyone."""

from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from experiments.command import attempted, claim, require_some
from experiments.finished import finished
from experiments.holds import holding
from experiments.spec import read_spec
from experiments.statistics.transfer import summarise_transfer
from experiments.statistics.universal import summarise_universal
from experiments.statistics.universality import universality
from experiments.store import write_dataset, writing
from experiments.transfer.assemble import assemble
from experiments.transfer.exchange import in_parts, of_run, restore
from experiments.transfer.report import write_transfer_report
from experiments.transfer.universal import Universals, universal_outcomes
from experiments.workers import Workers


def transfer(
    run: Path,
    *,
    attack: str | None,
    epsilon: float | None,
    parts: int,
    universal: bool,
    data: Path | None,
    device: str | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Show what was crafted on every individual of ``run`` to every other, and report.

    With ``parts`` > 1 its networks are trained anew on disjoint parts of the training images. With
    ``universal``, changes that are the same for all images are crafted and shown to everyone, too.
    Everything goes to RUN/transfer/ATTACK-EPSILON[-parts-N]; the default attack and epsilon are
    the run's references. Interrupted, the same call goes on.
    """
    _, bench = finished(run, data, device)
    spec = read_spec(run / "spec.toml")
    attack = attack or spec.reference_attack
    epsilon = spec.reference_epsilon if epsilon is None else epsilon
    if parts > 1:
        exchange = in_parts(run, spec, attack, epsilon, bench, parts)
    else:
        exchange = of_run(run, spec, attack, epsilon, bench)
    out = run / "transfer" / f"{attack}-{epsilon:g}{f'-parts-{parts}' if parts > 1 else ''}"
    universals = Universals(exchange) if universal else None
    units = (*exchange.scores, *(universals.scores.values() if universals else ()))
    with holding(units):
        if parts == 1:  # what is trained on parts was never the run's
            restore(run, exchange)
        claim(out, exchange.spec.to_toml())
        failures = attempted(units, out, console, workers=workers)
        require_some(exchange.crossed.values(), failures)
        result = assemble(exchange)  # which shows some of the inputs
    result = result.assign_attrs(failures=sorted(failures.values()))
    if universals:
        result = result.merge(universal_outcomes(result, universals))
    write_dataset(result, out / "transfer.nc")
    finish(out, result, console)
    return result


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
    with console.status("drawing figures"), writing(out / "figures"):
        paths = {name: save(draw(), out / "figures", name)[0] for name, draw in drawn.items()}
    write_transfer_report(out, result, summary, spread, paths, console)
