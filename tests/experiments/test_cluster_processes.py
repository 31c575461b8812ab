"""Dask workers that are processes of their own, started for the command, and may be killed."""

import importlib
import os
import signal
from pathlib import Path

import pytest

from experiments.bench import Bench
from experiments.crash import Crash
from experiments.individuals import Train
from experiments.inputs import Craft
from experiments.recipe import Recipe
from experiments.scoring import Score
from experiments.units import is_complete, product
from experiments.work import Event, complete
from experiments.workers import Cluster
from networks import wiring_named

pytest.importorskip("distributed")


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
