"""What do units, directions and modules mean? The command ``semantics``."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tomli_w
import xarray as xr
from rich.console import Console

from experiments.bench import Bench
from experiments.command import attempted, claim, require_all
from experiments.detailed.examine import Condition
from experiments.finished import chosen, finished, identity_of
from experiments.provenance import commit, versions
from experiments.result import individual_directory, load_network, set_name
from experiments.semantics.assemble import assembled
from experiments.semantics.measures import TOP
from experiments.semantics.population import outcomes
from experiments.semantics.report import write_semantics_report
from experiments.semantics.statistics import summarised
from experiments.semantics.unit import Interpret
from experiments.single import read_inputs
from experiments.store import write_dataset, writing
from experiments.workers import Workers
from networks import DETAILED, BlindspotsError
from networks.derive import hidden

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USUAL = 1000  # images
LESIONED = 300  # of the run's own images, at most
ATTACKED = "attacked"


def interpret(
    run: Path,
    networks: Sequence[str],
    *,
    images: int | None,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Ask what parts of all individuals of ``networks`` in ``run`` (default: all trained) mean.

    Of the test images 1000 (or all there are) are shown; lesions are judged on those of them that
    the run attacked, at most 300. Everything goes to RUN/semantics. Raises BlindspotsError where
    nothing can be asked.
    """
    compared, bench = finished(run, data)
    images = number_of_images(bench, images)
    names = trained(compared, run, chosen(compared, run, list(networks)), named=bool(networks))
    lesioned = min(LESIONED, images, compared.sizes["image"])
    units = {
        (name, individual): unit_of(run, name, individual, compared, images, lesioned, bench)
        for name in names
        for individual in individuals_of(run, name)
    }
    out = run / "semantics"
    claim(out, tomli_w.dumps({"networks": names, "images": images, "lesioned": lesioned}))
    require_all(attempted(units.values(), out, console, workers=workers))
    result = assembled(units, compared, bench).merge(outcomes(compared, names), join="outer")
    result = result.assign_attrs(
        **{"data": bench.data, "data_sha256": bench.sha256, "commit": commit() or ""},
        versions=json.dumps(versions()),
        images=images,
        lesioned=lesioned,
        top=TOP,
        attack=compared.attrs["reference_attack"],
        epsilon=compared.attrs["reference_epsilon"],
    )
    write_dataset(result, out / "result.nc")
    finish(out, result, console)
    return result


def number_of_images(bench: Bench, wanted: int | None) -> int:
    """How many test images are shown: ``wanted``, by default 1000 or all there are."""
    there = len(bench.load().test.labels)
    if wanted is None:
        return min(USUAL, there)
    if wanted > there:
        raise BlindspotsError(
            f"{bench.data} has {there} test images; ask for at most so many, not {wanted}."
        )
    return wanted


def trained(compared: xr.Dataset, run: Path, names: Sequence[str], *, named: bool) -> list[str]:
    """Those of ``names`` that have hidden units whose activity can be read.

    Raises BlindspotsError where a network that was ``named`` has none, or no network has any.
    """
    kept = []
    for name in names:
        reason = unreadable(run, name)
        if reason and named:
            raise BlindspotsError(reason)
        if not reason:
            kept.append(name)
    if not kept:
        raise BlindspotsError(
            f"No network in '{run}' has hidden units to ask; compare a network of the catalogue, "
            "such as fc-blt, first."
        )
    return kept


def unreadable(run: Path, name: str) -> str:
    """Why a network's hidden activity cannot be read, and the mend; empty where it can."""
    if name.endswith(DETAILED):
        return f"'{name}' runs in cells; name '{name.removesuffix(DETAILED)}', its trained units."
    if not individual_directory(run, name, 0).is_dir():
        return (
            f"'{name}' was brought by its import path, and has no areas to read; name a network "
            "that the run trained."
        )
    if not hidden(load_network(run, name, 0).wiring):
        return f"'{name}' has no hidden areas to read; name a network that has."
    return ""


def individuals_of(run: Path, name: str) -> list[int]:
    """The individuals of a network that a run holds."""
    root = individual_directory(run, name, 0).parent
    return sorted(int(path.name.removeprefix("individual-")) for path in root.iterdir())


def unit_of(
    run: Path,
    name: str,
    individual: int,
    compared: xr.Dataset,
    images: int,
    lesioned: int,
    bench: Bench,
) -> Interpret:
    """The unit of work of one individual, with what the reference attack made for it, if kept."""
    directory = individual_directory(run, name, individual)
    attack = str(compared.attrs["reference_attack"])
    epsilon = float(compared.attrs["reference_epsilon"])
    path, attacked = run / "inputs" / set_name(name, individual, attack), None
    if path.exists():
        _, facts = read_inputs(path)
        if epsilon in facts["epsilons"]:
            attacked = Condition(ATTACKED, path, epsilon, facts["sha256"])
    return Interpret(
        directory, identity_of(directory), attacked, images, lesioned, individual, bench
    )


def finish(out: Path, result: xr.Dataset, console: Console) -> None:
    """Statistics, figures, report and terminal tables from the labelled result alone."""
    from figures.save import save
    from figures.semantics import activating, lesions, meanings, robustness

    summary = summarised(result, np.random.default_rng(0))
    draws: dict[str, Callable[[], Figure]] = {
        "meanings": lambda: meanings(result),
        "lesions": lambda: lesions(result, summary),
        "robustness": lambda: robustness(result, summary),
    }
    for name in (str(each) for each in result["network"].to_numpy()):
        draws[f"activating-{name}"] = partial(activating, result, name)
    with console.status("drawing figures"), writing(out / "figures"):
        paths = {name: save(draw(), out / "figures", name)[0] for name, draw in draws.items()}
    write_semantics_report(out, result, summary, paths, console)
