"""Units that dask's workers do end as those that processes here do, whatever becomes of workers."""

import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from experiments import cluster, remote
from experiments.bench import Bench
from experiments.crash import Crash
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.recipe import Recipe
from experiments.scoring import Score
from experiments.store import fresh_unit
from experiments.units import Report, Unit, is_complete, product
from experiments.work import Event, complete
from experiments.workers import Cluster, workers_named
from networks import BlindspotsError, wiring_named

distributed = pytest.importorskip("distributed")

GPU = {"GPU": 1.0}
ON_CPU, ON_GPU = (Bench("digits", None, "", device, "tests") for device in ("cpu", "cuda"))
Running = Callable[..., AbstractContextManager[Cluster]]


@dataclass(frozen=True)
class Piece:
    """Leaves the name of the worker that did it."""

    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "worker"
    key: str
    bench: Bench = ON_CPU
    needs: tuple[Unit, ...] = ()

    @property
    def label(self) -> str:
        return f"piece {self.key}"

    def run(self, report: Report) -> None:
        from distributed import get_worker

        report(0.5, 0.25)
        self.leave(str(get_worker().name))

    def leave(self, text: str) -> None:
        with fresh_unit(self.stage, self.key) as directory:
            (directory / self.product).write_text(text)


@dataclass(frozen=True)
class Fails(Piece):
    def run(self, report: Report) -> None:
        raise BlindspotsError(f"{self.label} cannot be done.")


@dataclass(frozen=True)
class Endless(Piece):
    """Goes on until nobody waits for it any more, and leaves a file that says so."""

    def run(self, report: Report) -> None:
        end = time.monotonic() + 60
        try:
            while time.monotonic() < end:
                report(0.0, 0.0)
                time.sleep(0.02)
        except Exception as error:
            self.leave(type(error).__name__)
            raise


@pytest.fixture
def running(empty_cache: Path) -> Running:
    """A scheduler with workers in this process, such as users start, by its address."""

    @contextmanager
    def started(*options: dict[str, object]) -> Iterator[Cluster]:
        workers = {
            name: {"cls": distributed.Worker, "options": {"nthreads": 1} | each}
            for name, each in zip("abcdef", options, strict=False)
        }
        scheduler = {
            "cls": distributed.Scheduler,
            "options": {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1", "port": 0},
        }
        with distributed.SpecCluster(workers, scheduler) as here:
            named = workers_named(here.scheduler_address)
            assert isinstance(named, Cluster)
            yield named

    return started


def test_needs_come_first_and_failures_stay_with_their_unit(running: Running) -> None:
    first, bad = Piece("first"), Fails("bad")
    second, never = Piece("second", needs=(first,)), Piece("never", needs=(bad,))
    events: list[Event] = []
    with running({}, {}) as workers:
        failures = complete([second, never], workers, events.append)
        assert complete([second], workers, events.append) == {}
    assert failures == {"bad": "piece bad cannot be done."}
    told = [(e["what"], e["unit"].key) for e in events]
    assert told.index(("done", "first")) < told.index(("started", "second"))
    assert told.count(("started", "second")) == 1
    assert ("started", "never") not in told
    assert ("progress", "first") in told
    progress = next(e for e in events if e["what"] == "progress")
    assert (progress["done"], progress["accuracy"]) == (0.5, 0.25)
    assert not any(product(first).parents[3].glob(".seen-by-*"))


def test_what_computes_on_a_gpu_goes_where_one_is(running: Running) -> None:
    units = [Piece(str(i), ON_GPU) for i in range(4)]
    with running({}, {"resources": GPU}, {}) as workers:
        assert complete(units, workers, lambda event: None) == {}
    assert {product(unit).read_text() for unit in units} == {"b"}


def test_an_interrupt_stops_the_work_elsewhere(running: Running) -> None:
    def interrupt(event: Event) -> None:
        if event["what"] == "progress":
            raise KeyboardInterrupt

    endless = Endless("endless")
    with running({}) as workers:
        with pytest.raises(KeyboardInterrupt):
            complete([endless], workers, interrupt)
        end = time.monotonic() + 30
        while not is_complete(endless) and time.monotonic() < end:
            time.sleep(0.02)
    assert product(endless).read_text() == "Abandoned"


def test_commands_that_take_turns_at_a_worker_find_what_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the worker was started with: keys name the engine, and stores are apart."""
    monkeypatch.setattr(remote, "inspected", lambda site, worker: False)
    monkeypatch.setattr(distributed, "get_worker", lambda: None)
    monkeypatch.setenv("BLINDSPOTS_ENGINE", "plain")
    monkeypatch.setenv("BLINDSPOTS_CACHE", "elsewhere")
    monkeypatch.chdir(tmp_path)
    sites = []
    for name, engine in (("one", "compiled"), ("other", "plain")):
        (tmp_path / name).mkdir()
        sites.append(remote.Site(tmp_path / "store" / name, "", tmp_path / name, (), engine, name))
    for site in (*sites, *sites):
        remote._settle_in(site)
        assert os.environ["BLINDSPOTS_CACHE"] == str(site.store)
        assert os.environ["BLINDSPOTS_ENGINE"] == site.engine
        assert Path.cwd() == site.directory


# What cannot work is one sentence


def refusal(workers: Cluster, *units: Unit) -> str:
    with pytest.raises(BlindspotsError) as error:
        complete(units or [Piece("a")], workers, lambda event: None)
    return str(error.value)


def test_workers_that_differ_are_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with running({}, {"nthreads": 3}) as workers:
        assert "has 3 threads" in refusal(workers)
    with running({}) as workers:
        assert "says that it has a GPU" in refusal(workers, Piece("a", ON_GPU))
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "software", lambda: (("torch", "1.0"),))
            assert "has torch 2" in refusal(workers)
        monkeypatch.setattr(Path, "touch", lambda path: None)
        assert "does not see" in refusal(workers)
    with running() as workers:
        assert "has no workers; start some with" in refusal(workers)


def test_a_scheduler_that_is_not_there_is_one_sentence(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    assert refusal(Cluster("running", address="127.0.0.1:1")).startswith("No scheduler answers at")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("7", 7),
        ("local", Cluster("local")),
        ("slurm:12", Cluster("slurm", 12)),
        ("node7:8786", Cluster("running", address="node7:8786")),
        ("tcp://10.0.0.7:8786", Cluster("running", address="tcp://10.0.0.7:8786")),
        ("tcp://[fe80::1]:8786", Cluster("running", address="tcp://[fe80::1]:8786")),
    ],
)
def test_workers_by_name(text: str, named: int | Cluster) -> None:
    assert workers_named(text) == named


@pytest.mark.parametrize("text", ["", "0", "local:0", "local:two", "slurm:-1", "cloud", "node7"])
def test_nobody_by_that_name(text: str) -> None:
    with pytest.raises(BlindspotsError, match=f"Nobody is called '{text}'; write"):
        workers_named(text)


# Worker processes


class Killer:
    """Told of the work; kills a worker in the middle of a training."""

    def __init__(self) -> None:
        self.killed, self.done = 0, list[str]()

    def __call__(self, event: Event) -> None:
        if event["what"] == "done":
            self.done.append(event["unit"].key)
        if event["what"] == "progress" and event["done"] > 0.2 and not self.killed:
            (self.killed, *_) = worker_processes()
            os.kill(self.killed, signal.SIGKILL)


def worker_processes() -> list[int]:
    """Python processes that this one has started, but for the helper of multiprocessing."""
    psutil = pytest.importorskip("psutil")
    children = psutil.Process().children()
    return [c.pid for c in children if any("spawn_main" in word for word in c.cmdline())]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_worker_changes_nothing(
    empty_cache: Path, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = [
        Train(wiring_named(name), Recipe(epochs=8, batch=50, rate=1e-3), 1, bench)
        for name in ("fc-blt", "fc-blt-spiking")
    ]
    sets = [Craft(each, "fgsm", (0.1,), 20, 5, bench) for each in trained]
    asked = [Score(each, craft, 20, bench) for each, craft in zip(trained, sets, strict=True)]
    units, killer = [*trained, *sets, *asked], Killer()
    assert complete(asked, Cluster("local", 2), killer) == {}
    assert killer.killed
    assert sorted(killer.done) == sorted(unit.key for unit in units)
    there = [product(unit).read_bytes() for unit in units]
    assert not worker_processes()

    monkeypatch.setenv("BLINDSPOTS_CACHE", str(tmp_path / "cache-of-processes"))
    assert complete(asked, 2, lambda event: None) == {}
    assert [product(unit).read_bytes() for unit in units] == there


DEADLY = """
import os, signal

class Deadly:
    stage, product, key, label, needs = "score", "never", "deadly", "what is deadly", ()

    def run(self, report):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_kills_every_worker_is_given_up(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system kills a process where memory is short."""
    dask = pytest.importorskip("dask")
    (tmp_path / "deadly.py").write_text(DEADLY)  # a module that other processes can import
    monkeypatch.syspath_prepend(tmp_path)
    deadly = importlib.import_module("deadly").Deadly()
    told = "^what is deadly was given up after 2 workers died at it"
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        pytest.raises(Crash, match=told),
    ):
        complete([deadly], Cluster("local", 1), lambda event: None)


SBATCH = """#!/bin/sh
cp "$1" {here}/job.sh
setsid bash {here}/job.sh > {here}/said 2>&1 &
echo $! > {here}/pid
echo Submitted batch job 42
"""
SCANCEL = "#!/bin/sh\nkill -- -$(cat {here}/pid)\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_jobs_of_slurm_do_the_work(
    empty_cache: Path, tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm's two programs are played by scripts that start and end the job here."""
    pytest.importorskip("dask_jobqueue")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        (programs / name).write_text(text.format(here=tmp_path))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    unit = Train(wiring_named("FC10"), Recipe(epochs=1, batch=200, rate=1e-3), 1, bench)
    assert complete([unit], Cluster("slurm", 1), lambda event: None) == {}
    assert is_complete(unit)
    assert "--nthreads 1" in (tmp_path / "job.sh").read_text()
