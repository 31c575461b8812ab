"""Units that dask's workers do end as those that processes here do, whatever becomes of workers."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from experiments import cluster, remote
from experiments.bench import Bench
from experiments.store import fresh_unit
from experiments.units import Report, Unit, is_complete, product
from experiments.work import Event, complete
from experiments.workers import Cluster, workers_named
from networks import BlindspotsError

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


@dataclass(frozen=True)
class Watches(Piece):
    stage: ClassVar[str] = "watch"  # of a late stage, so that the others are begun before


@dataclass(frozen=True)
class WaitsFor(Piece):
    """Ends when another unit, which it does not need, is complete."""

    other: Unit = Watches("other")

    def run(self, report: Report) -> None:
        end = time.monotonic() + 10
        while not is_complete(self.other):
            if time.monotonic() > end:
                raise BlindspotsError(f"{self.other.label} was not begun.")
            time.sleep(0.02)
        self.leave("")


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


@pytest.fixture
def gpu_in_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that say they have a GPU count as having one."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)


def test_what_computes_on_a_gpu_goes_where_one_is(running: Running, gpu_in_name: None) -> None:
    units = [Piece(str(i), ON_GPU) for i in range(4)]
    with running({}, {"resources": GPU}, {}) as workers:
        assert complete(units, workers, lambda event: None) == {}
    assert {product(unit).read_text() for unit in units} == {"b"}


def test_what_waits_for_a_gpu_keeps_nobody_else_from_work(
    running: Running, gpu_in_name: None
) -> None:
    units = [WaitsFor(str(i), ON_GPU) for i in range(6)]
    with running({"resources": GPU}, {}, {}) as workers:
        assert complete([*units, units[0].other], workers, lambda event: None) == {}


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
    """Whatever a worker was started with: keys name engine and precision, and stores are apart."""
    monkeypatch.setattr(remote, "_check", lambda site, worker: None)
    monkeypatch.setattr(distributed, "get_worker", lambda: None)
    monkeypatch.setenv("BLINDSPOTS_ENGINE", "plain")
    monkeypatch.setenv("BLINDSPOTS_CACHE", "elsewhere")
    monkeypatch.chdir(tmp_path)
    sites = []
    monkeypatch.setenv("BLINDSPOTS_PRECISION", "bf16")
    for name, *named in (("one", "compiled", "float32"), ("other", "plain", "tf32")):
        (tmp_path / name).mkdir()
        sites.append(
            remote.Site(tmp_path / "store" / name, "", tmp_path / name, (), *named, name, False)
        )
    for site in (*sites, *sites):
        remote._settle_in(site)
        assert os.environ["BLINDSPOTS_CACHE"] == str(site.store)
        assert os.environ["BLINDSPOTS_ENGINE"] == site.engine
        assert os.environ["BLINDSPOTS_PRECISION"] == site.precision
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


def test_an_engine_that_a_worker_lacks_is_noticed_at_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler() -> None:
        raise BlindspotsError("There is no compiler.")

    monkeypatch.setattr("sim.whole.build.library", no_compiler)
    with running({}) as workers:
        assert complete([Piece("plain")], workers, lambda event: None) == {}
        monkeypatch.setenv("BLINDSPOTS_ENGINE", "compiled")
        assert refusal(workers).endswith(" is not fit: There is no compiler.")


@pytest.mark.parametrize("engine", ["triton", "graphs"])
def test_a_worker_with_a_gpu_needs_what_the_engine_does(
    engine: str, running: Running, gpu_in_name: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those without one leave to the plain engine what they do."""
    monkeypatch.setenv("BLINDSPOTS_ENGINE", engine)
    monkeypatch.setitem(sys.modules, "triton", None)
    for module in ("fused", "pointwise"):
        monkeypatch.delitem(sys.modules, f"sim.whole.{module}", raising=False)
    with running({}, {"resources": GPU}) as workers:
        assert complete([Piece("a")], workers, lambda event: None) == {}
        said = refusal(workers, Piece("b", ON_GPU))
    assert re.search(f" is not fit: BLINDSPOTS_ENGINE={engine} needs triton, .* install it", said)


def test_a_worker_that_has_a_gpu_in_name_alone_is_refused(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with running({"resources": GPU}) as workers:
        assert complete([Piece("a")], workers, lambda event: None) == {}
        assert " is not fit: No CUDA device is avail" in refusal(workers, Piece("b", ON_GPU))


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers count as having come after the command began."""
    monkeypatch.setattr(cluster, "_inspect", lambda *given: None)


def test_a_late_worker_that_differs_leaves_its_units_to_the_others(
    running: Running, late: None
) -> None:
    events: list[Event] = []
    units = [Piece(str(i)) for i in range(8)]
    with running({}, {"nthreads": 3}) as workers:
        assert complete(units, workers, events.append) == {}
        with distributed.Client(workers.address, set_as_default=False) as client:
            left = [each["name"] for each in client.scheduler_info()["workers"].values()]
    assert {product(unit).read_text() for unit in units} == {"a"}
    [why] = [event["why"] for event in events if event["what"] == "refused"]
    assert "has 3 threads" in why
    assert left == ["a"]


def test_late_workers_that_all_differ_end_the_command(running: Running, late: None) -> None:
    with running({"nthreads": 2}, {"nthreads": 3}) as workers:
        said = refusal(workers, *(Piece(str(i)) for i in range(4)))
    assert said.startswith("No worker is left. The worker at ")
    assert "threads, which would disturb" in said


def test_a_late_worker_with_a_gpu_that_differs_leaves_nobody_waiting_for_one(
    running: Running, late: None, gpu_in_name: None
) -> None:
    with running({}, {"resources": GPU, "nthreads": 3}) as workers:
        said = refusal(workers, Piece("a", ON_GPU))
        assert complete([Piece("b")], workers, lambda event: None) == {}
    assert said.startswith("No worker with a GPU is left. The worker at ")
    assert "has 3 threads" in said


def test_a_scheduler_that_is_not_there_is_one_sentence(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    assert refusal(Cluster("running", address="127.0.0.1:1")).startswith("No scheduler answers at")
