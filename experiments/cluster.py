"""Workers of a dask cluster that work on units: on this machine, on others, or as Slurm's jobs.

All see the same files: units lie in the store of the command, whoever has done them.
"""

import logging
import queue
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.crew import Crew, Heard, Name, Refused, retold, wants_gpu
from experiments.data.cache import cache_dir
from experiments.interrupts import interrupts_held
from experiments.processes import cores
from experiments.remote import Site, inspected, software, work_there
from experiments.store import writing
from experiments.units import Unit
from experiments.workers import Cluster
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10  # seconds until a scheduler counts as absent
RETURN = "1 hour"
"""Within which a worker that was killed is to be back, started by its nanny, before that is ended
too: 15 seconds by default, in which a busy machine does not even import PyTorch."""
GIVEN_UP = (
    "They ended, and could not be started again; free some memory, and run the same command "
    "again: it goes on where it stopped."
)
GPU = {"GPU": 1}
"""What a worker with a GPU is started with, and what units that compute on one ask for."""


@dataclass(frozen=True)
class Hands:
    """The workers of a scheduler, as a crew."""

    client: "Client"
    site: Site
    told: "queue.SimpleQueue[Heard | Refused]"
    started: set[Name] = field(default_factory=set)
    """Workers that the command has started, but for what are several of one job."""
    gone: dict[Name, str] = field(default_factory=dict)
    """Workers that went and do not come back, and why."""
    without_gpu: set[Name] = field(default_factory=set)
    """Those of them that had none."""
    for_gpu: set[str] = field(default_factory=set)
    """The keys of units that were handed over, want a GPU, and have not ended."""

    def has_room(self, unit: Unit, beside: Collection[Unit]) -> bool:
        """Whether there are as many workers that could do the unit as such units at work.

        Where none has come yet, one is counted.
        """
        there = self._there()
        able = sum(map(_has_gpu, there)) if wants_gpu(unit) else len(there)
        alike = [each for each in beside if wants_gpu(each) == wants_gpu(unit)]
        return len(alike) <= max(1, able)

    def start(self, unit: Unit) -> Future[float]:
        """Hand over a unit; where its worker is lost, another one begins it again."""
        from distributed import KilledWorker

        wanted = {"resources": GPU} if wants_gpu(unit) else {}
        attempt = self.client.get_executor(pure=False, **wanted).submit(work_there, unit, self.site)
        if wants_gpu(unit):
            self.for_gpu.add(unit.key)
            attempt.add_done_callback(lambda _: self.for_gpu.discard(unit.key))

        def deaths(error: BaseException) -> int:
            return error.allowed_failures + 1 if isinstance(error, KilledWorker) else 0

        return retold(attempt, unit, deaths)

    def heard(self) -> Iterator[Heard | Refused]:
        """What the workers told since the last call, of each that went once.

        Raises BlindspotsError when all that could come have gone, or all that have a GPU while a
        unit waits for one.
        """
        while not self.told.empty():
            said = self.told.get_nowait()
            if isinstance(said, Heard):
                yield said
            elif self.gone.get(said.worker) != said.why:
                self.gone[said.worker] = said.why
                if not said.has_gpu:
                    self.without_gpu.add(said.worker)
                yield said
        self._miss_those_given_up()
        if self.gone:
            self._require_able()

    def _miss_those_given_up(self) -> None:
        """Note whom dask does not start again: who ended, and is forgotten some time later."""
        if not self.client.cluster:
            return
        here = dict(self.client.cluster.workers)
        self.started.update(here)
        for name in self.started:
            if name not in here or here[name].status.name in ("closed", "failed"):
                self.gone.setdefault(name, GIVEN_UP)

    def _require_able(self) -> None:
        """Raise BlindspotsError where nobody is there, or can still come, for what is at work."""
        if not self.client.nthreads():
            self._require_some_to_come("worker", unfit=set())
        elif self.for_gpu and (there := self._there()) and not any(map(_has_gpu, there)):
            unfit = self.without_gpu.union(each["name"] for each in there)
            self._require_some_to_come("worker with a GPU", unfit)

    def _require_some_to_come(self, kind: str, unfit: set[Name]) -> None:
        """Raise BlindspotsError where all others that could come have gone.

        Of a scheduler of others' nobody knows who could: there, it is that some have.
        """
        gone = {name: why for name, why in self.gone.items() if name not in unfit}
        planned = self.client.cluster.plan if self.client.cluster else set()
        if gone and gone.keys() >= planned - unfit:
            refusals = [why for why in gone.values() if why != GIVEN_UP]
            raise BlindspotsError(f"No {kind} is left. {[GIVEN_UP, *refusals][-1]}")

    def _there(self) -> list[dict[str, Any]]:
        """What the scheduler says of each worker that is there."""
        return list(self.client.scheduler_info()["workers"].values())


def _has_gpu(worker: dict[str, Any]) -> bool:
    return bool(worker["resources"].get("GPU"))


@contextmanager
def workers_of(cluster: Cluster, on_gpu: bool) -> Iterator[Crew]:
    """The workers of a cluster; those that were started for the command end with the block.

    Raises BlindspotsError where there are none, or none that can do what is asked: with
    ``on_gpu``, some are to have a GPU.
    """
    with _client_of(cluster, on_gpu) as client, _site(on_gpu) as site:
        told: queue.SimpleQueue[Heard | Refused] = queue.SimpleQueue()
        client.subscribe_topic(site.topic, lambda event: told.put(_told(event[1])))
        if cluster.kind != "slurm":  # whose jobs wait for their turn
            _inspect(client, cluster, site)
        try:
            yield Hands(client, site, told)
        except CancelledError:
            raise BlindspotsError(
                "The scheduler of the cluster was lost; run the same command again when it is "
                "back: it goes on where it stopped."
            ) from None


def _told(message: dict[str, Any]) -> Heard | Refused:
    if "refused" in message:
        return Refused(*message["refused"])
    return Heard(*message["heard"])


def _inspect(client: "Client", cluster: Cluster, site: Site) -> None:
    """Raise BlindspotsError now where the workers that are there could not do the work."""
    has_gpu = client.run(inspected, site)
    if not has_gpu:
        raise BlindspotsError(
            f"The scheduler at {cluster.address} has no workers; start some with  dask worker "
            f"{cluster.address} --nthreads 1."
        )
    if site.on_gpu and not any(has_gpu.values()):
        raise BlindspotsError(
            "No worker of the cluster says that it has a GPU; start those that do with  dask "
            'worker ADDRESS --nthreads 1 --resources "GPU=1",  or choose --device cpu.'
        )


@contextmanager
def _site(on_gpu: bool) -> Iterator[Site]:
    """What is here, with a mark in the store by which workers know it."""
    from sim.engine import engine
    from sim.precision import precision

    name = uuid.uuid4().hex
    mark = cache_dir() / f".seen-by-{name}"
    with writing(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        mark.touch()
    try:
        store, here, topic = cache_dir().resolve(), Path.cwd(), f"blindspots-{name}"
        yield Site(store, mark.name, here, software(), engine(), precision(), topic, on_gpu)
    finally:
        mark.unlink(missing_ok=True)


@contextmanager
def _client_of(cluster: Cluster, on_gpu: bool) -> Iterator["Client"]:
    """Connected to the scheduler, which is started where the cluster is not a running one."""
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise _not_installed(error) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said here
    if cluster.kind == "running":
        try:
            client = Client(cluster.address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BlindspotsError(
                f"No scheduler answers at '{cluster.address}' ({error}); start one with  dask "
                "scheduler,  which prints its address."
            ) from None
        with client:
            yield client
        return
    started = _local if cluster.kind == "local" else _slurm
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": RETURN}),
        started(cluster.count, on_gpu) as scheduler,
        Client(scheduler, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _local(count: int | None, on_gpu: bool) -> Iterator[Any]:
    """A scheduler in this process, and one process per worker, as many with a GPU as there are."""
    from distributed import Nanny, Scheduler, SpecCluster

    usual: dict[str, Any] = {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    gpus = _gpus() if on_gpu else 0

    def options(i: int) -> dict[str, Any]:
        gpu = {"resources": GPU, "env": {"CUDA_VISIBLE_DEVICES": str(i)}}
        return usual | gpu if i < gpus else usual

    workers = {i: {"cls": Nanny, "options": options(i)} for i in range(count or gpus or cores())}
    nowhere_else = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}
    scheduler = {"cls": Scheduler, "options": {"dashboard": False} | nowhere_else}
    with interrupts_held():
        cluster = SpecCluster(workers, scheduler, silence_logs=logging.CRITICAL)
    with cluster:
        yield cluster


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _slurm(count: int | None, on_gpu: bool) -> AbstractContextManager[Any]:
    """So many of Slurm's jobs, each with a worker per core, as dask-jobqueue's settings say."""
    import dask

    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise _not_installed(error) from None
    said = dask.config.get("jobqueue.slurm")
    cores = said["cores"] or 1
    extra = [*said["worker-extra-args"], *(["--resources", "GPU=1"] if on_gpu else [])]
    cluster = SLURMCluster(
        cores=cores, processes=cores, memory=said["memory"] or "8GB", worker_extra_args=extra
    )
    cluster.scale(jobs=count or 1)
    return cluster


def _not_installed(error: ImportError) -> BlindspotsError:
    return BlindspotsError(
        f"'{error.name}' cannot be imported ({error}); install it with  pip install "
        "'blindspots[cluster]',  or leave out --cluster."
    )
