"""A unit of work in a dask worker, which may be on another machine that sees the same files."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.crew import Abandoned, worked
from experiments.provenance import commit, versions
from experiments.units import Unit
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from distributed import Worker


@dataclass(frozen=True)
class Site:
    """What a worker must find as it is where the command runs.

    ``store`` is the directory of all units, ``mark`` a file in it that is there as long as the
    command runs, ``directory`` where relative paths begin, ``software`` names with versions,
    ``engine`` that of flat networks, and ``topic`` the one under which the command listens.
    """

    store: Path
    mark: str
    directory: Path
    software: tuple[tuple[str, str], ...]
    engine: str
    topic: str


def software() -> tuple[tuple[str, str], ...]:
    """What must be installed alike everywhere, and the commit where the code is in git."""
    return (*versions().items(), ("commit", (commit() or "").removesuffix("-dirty")))


def inspected(site: Site, dask_worker: "Worker") -> bool:
    """Whether a worker has a GPU; BlindspotsError where it is not fit to stand in for this machine.

    ``dask_worker`` is how dask wants to be asked for the worker that this runs in.
    """
    its = f"The worker at {dask_worker.address}"
    if dask_worker.state.nthreads != 1:
        raise BlindspotsError(
            f"{its} has {dask_worker.state.nthreads} threads, which would disturb one another; "
            "start workers with --nthreads 1, and --nworkers for more than one of them."
        )
    here = dict(software())
    for name, wanted in site.software:
        found = here.get(name)
        if found != wanted and (name != "commit" or (wanted and found)):
            raise BlindspotsError(
                f"{its} has {name} {found}, and this command {wanted}; install the same "
                "there, or numbers would differ."
            )
    for place in (site.store / site.mark, site.directory):
        if not place.exists():
            raise BlindspotsError(
                f"{its} does not see '{place}' as it is here; work on a file system that all "
                "machines share, with BLINDSPOTS_CACHE on it too."
            )
    return bool(dask_worker.state.total_resources.get("GPU"))


@lru_cache(maxsize=1)  # anew where commands take turns at one worker
def _settle_in(site: Site) -> None:
    """In a worker: the command's directories and engine, and one thread."""
    import torch
    from distributed import get_worker

    from sim.engine import ENVIRONMENT

    inspected(site, get_worker())
    os.environ["BLINDSPOTS_CACHE"] = str(site.store)
    os.environ[ENVIRONMENT] = site.engine
    os.chdir(site.directory)
    torch.set_num_threads(1)


def work_there(unit: Unit, site: Site) -> float:
    """Do the work of a unit in this worker, and tell the command how far it is; the seconds.

    Raises Abandoned when the command has ended meanwhile.
    """
    from distributed import get_worker

    _settle_in(site)
    worker = get_worker()
    task = worker.state.tasks[worker.get_current_task()]

    def report(done: float, score: float) -> None:
        if task.state != "executing":
            raise Abandoned
        worker.log_event(site.topic, (unit.key, done, score))

    return worked(unit, report)
