"""How is a network led astray, or recovers? The command ``dynamics``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomli_w
import xarray as xr
from rich.console import Console

from experiments.command import attempted, claim, require_some
from experiments.dynamics.assemble import assemble
from experiments.dynamics.figures import draw_individual, draw_population
from experiments.dynamics.intervene import Intervene
from experiments.dynamics.plan import (
    OWN,
    Question,
    distortions,
    interventions,
    question,
    subjects,
    watches,
)
from experiments.dynamics.report import write_dynamics_report, write_page
from experiments.dynamics.summary import summarise_dynamics
from experiments.dynamics.watch import RECORDINGS, RESTING, Watch
from experiments.finished import bench_of, images_of
from experiments.holds import holding
from experiments.result import load_result
from experiments.store import read_dataset, unit_path, write_dataset, write_text
from experiments.units import Unit, is_complete
from experiments.workers import Workers

USUAL = 200  # images


def dynamics(
    run: Path,
    networks: Sequence[str],
    *,
    individual: int | None,
    shown: Sequence[int],
    images: int | None,
    attack: str | None,
    epsilon: float | None,
    crafted_on: str | None,
    intervene: bool,
    pathways: Sequence[str],
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Watch ``networks`` of ``run`` (default: all trained ones) on what leads them astray.

    Everything goes to RUN/dynamics/ATTACK-EPSILON[-ORIGIN]; the default attack and epsilon are the
    run's references. ``images`` are measured (200), of ten recordings are kept: ``shown``
    (indices in the test set), then the first. Interrupted, the same call goes on.
    """
    compared = load_result(run)
    asked = question(
        run,
        compared,
        attack=attack,
        epsilon=epsilon,
        origin=crafted_on,
        images=images_of(compared, run, images, USUAL),
        shown=shown,
    )
    found = subjects(run, compared, networks, individual)
    bench = bench_of(run, compared, data)
    watched = watches(asked, found, bench)
    intervened = interventions(asked, watched, pathways) if intervene or pathways else []
    nearest = distortions(asked, found, compared, bench)
    claim(asked.out)
    write_text(asked.out / "spec.toml", settings_of(asked, watched, intervened, pathways))
    units: list[Unit] = [*watched, *intervened, *nearest.values()]
    with holding(units):
        failures = attempted(units, asked.out, console, workers=workers)
    require_some(watched, failures)
    result = assemble(asked, watched, intervened, nearest, compared, bench)
    result = result.assign_attrs(failures=sorted(failures.values()))
    write_dataset(result, asked.out / "result.nc")
    finish(asked, result, [each for each in watched if is_complete(each)], console)
    return result


def settings_of(
    asked: Question,
    watched: Sequence[Watch],
    intervened: Sequence[Intervene],
    pathways: Sequence[str],
) -> str:
    """What was asked, as TOML; ``interventions`` lists the individuals on which there are any."""
    return tomli_w.dumps(
        {
            "attack": asked.attack,
            "epsilon": asked.epsilon,
            "crafted_on": asked.origin,
            "images": asked.images,
            "individuals": [each.subject.label for each in watched],
            "interventions": [each.subject.label for each in intervened],
            "pathways": list(pathways),
        }
    )


def finish(asked: Question, result: xr.Dataset, watched: Sequence[Watch], console: Console) -> None:
    """Statistics, recordings, figures and pages."""
    summary = summarise_dynamics(result, generator=np.random.default_rng(0))
    with console.status("drawing figures"):
        pages = [page for each in watched if (page := published(asked, each, result))]
        alike = [] if asked.origin == OWN else recordings_of_first(watched, result)
        drawn = draw_population(result, summary, alike, asked.out / "figures")
    write_dynamics_report(asked.out, result, summary, drawn, pages, console)


def recordings_of_first(watched: Sequence[Watch], result: xr.Dataset) -> list[xr.Dataset]:
    """Of the first individual of each network."""
    first = int(result["individual"].min())
    return [
        read_dataset(unit_path(each.stage, each.key) / RECORDINGS)
        for each in watched
        if each.subject.individual == first
    ]


def published(asked: Question, watched: Watch, result: xr.Dataset) -> str | None:
    """Recordings of an individual, and figures and page of the first one of each network.

    Returns the name of the page's directory, where there is one.
    """
    who, made = watched.subject, unit_path(watched.stage, watched.key)
    folder = asked.out / f"{who.network}-{who.individual}"
    claim(folder)
    recordings = read_dataset(made / RECORDINGS)
    write_dataset(recordings, folder / RECORDINGS)
    points = read_dataset(made / RESTING) if (made / RESTING).exists() else None
    if points is not None:
        write_dataset(points, folder / RESTING)
    if who.individual != int(result["individual"].min()):
        return None
    drawn = draw_individual(who, recordings, result, points, folder / "figures")
    write_page(folder, recordings.attrs, points, drawn)
    return folder.name
