"""A unit of work in a dask worker, which may be on another machine that sees the same files."""

import asyncio
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.bench import check_device
from experiments.crew import Abandoned, worked
from experiments.memory import keep_memory
from experiments.provenance import commit, versions
from experiments.units import Unit
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from distributed import Worker

    from sim.engine import Engine


@dataclass(frozen=True)
class Site:
    """What a worker must find as it is where the command runs.

    ``store`` is the directory of all units, ``mark`` a file in it that is there as long as the
    command runs, ``directory`` where relative paths begin, ``software`` names with versions,
    ``engine`` that of networks, ``precision`` that of products, ``topic`` the one under
    which the command listens; with ``on_gpu`` some of its units compute on a GPU.
    """

    store: Path
    mark: str
    directory: Path
    software: tuple[tuple[str, str], ...]
    engine: "Engine"
    precision: str
    topic: str
    on_gpu: bool


def software() -> tuple[tuple[str, str], ...]:
    """What must be installed alike everywhere, and the commit where the code is in git."""
    return (*versions().items(), ("commit", (commit() or "").removesuffix("-dirty")))


async def inspected(site: Site, dask_worker: "Worker") -> bool:
    """Whether a worker has a GPU; BlindspotsError where it is not fit to stand in for this machine.

    ``dask_worker`` is how dask wants to be asked for the worker that this runs in, which goes on
    answering meanwhile.
    """
    await asyncio.to_thread(_check, site, dask_worker)
    return _has_gpu(dask_worker)


def _has_gpu(worker: "Worker") -> bool:
    return bool(worker.state.total_resources.get("GPU"))


def _check(site: Site, worker: "Worker") -> None:
    from experiments.attacks import compiled
    from sim.engine import check_engine

    its = f"The worker at {worker.address}"
    if worker.state.nthreads != 1:
        raise BlindspotsError(
            f"{its} has {worker.state.nthreads} threads, which would disturb one another; "
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
    device = "cuda" if site.on_gpu and _has_gpu(worker) else "cpu"
    try:
        check_device(device)
        check_engine(site.engine, device)
        if site.engine == "compiled":
            compiled.library()
    except BlindspotsError as error:
        raise BlindspotsError(f"{its} is not fit: {error}") from None


@lru_cache(maxsize=1)  # anew where commands take turns at one worker
def _settle_in(site: Site) -> None:
    """In a worker: the command's directories, engine and precision, and one thread."""
    import torch
    from distributed import get_worker

    from sim import engine, precision

    _check(site, get_worker())
    os.environ["BLINDSPOTS_CACHE"] = str(site.store)
    os.environ[engine.ENVIRONMENT] = site.engine
    os.environ[precision.ENVIRONMENT] = site.precision
    os.chdir(site.directory)
    torch.set_num_threads(1)
    keep_memory()


def work_there(unit: Unit, site: Site) -> float:
    """Do the work of a unit in this worker, and tell the command how far it is; the seconds.

    Raises Abandoned when the command has ended meanwhile. A worker that is not fit, which only one
    that came late can be, leaves the unit to the others.
    """
    from distributed import get_worker

    worker = get_worker()
    try:
        _settle_in(site)
    except BlindspotsError as error:
        _leave(worker, unit, site, str(error))
    task = worker.state.tasks[worker.get_current_task()]

    def report(done: float, score: float) -> None:
        if task.state != "executing":
            raise Abandoned
        worker.log_event(site.topic, {"heard": (unit.key, done, score)})

    return worked(unit, report)


def _leave(worker: "Worker", unit: Unit, site: Site, why: str) -> NoReturn:
    """Tell the command, and let the scheduler give to others what this worker was given."""
    from distributed import Reschedule

    worker.log_event(site.topic, {"refused": (unit.key, worker.name, why, _has_gpu(worker))})
    worker.loop.add_callback(worker.close_gracefully, reason=why)
    raise Reschedule
