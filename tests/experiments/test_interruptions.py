"""A comparison that is interrupted, killed, and started again ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console

from experiments import load_result
from experiments.compare import compare
from experiments.spec import read_spec

SCRIPT = Path(__file__).with_name("offline_blindspots.py")
SPEC = """
title = "interrupted"
networks = ["FC10", "FC100-100-10"]
sources = ["FC10"]
individuals = 1
images = 20
attacks = ["uniform", "fgsm"]
epsilons = [0.1]
reference_attack = "fgsm"
reference_epsilon = 0.1
[training]
epochs = 20
batch = 100
rate = 5e-3
"""
WORDS = ("compare", "--spec", "spec.toml", "--out", "run", "--workers", "1")  # starts take seconds
PATIENCE = 120  # seconds until a test gives up; nothing is measured by them
OnDigits = Callable[..., AbstractContextManager[object]]


class Command:
    """``blindspots compare`` in processes of its own, in a directory and cache of its own."""

    def __init__(self, directory: Path):
        self.directory, self.cache = directory, directory / "cache"
        self.out, self.log = directory / "run", directory / "run" / "log.jsonl"
        (directory / "spec.toml").write_text(SPEC)
        hidden = ("BLINDSPOTS_DATA", "COLUMNS")
        self.environment = {k: v for k, v in os.environ.items() if k not in hidden}
        self.environment |= {
            "BLINDSPOTS_CACHE": str(self.cache),
            "PYTHONPATH": str(SCRIPT.parents[2]),
        }

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, SCRIPT, *WORDS],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def events(self) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def is_training(self) -> bool:
        """One individual is there, and of another one some epochs."""
        done = {e["key"] for e in self.events() if e["what"] == "done"}
        halves = {p.parent.name for p in self.cache.glob("units/training/*/*.safetensors")}
        return bool(done) and bool(halves - done)


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        if process.poll() is not None:
            pytest.fail(f"ended before it came to that: {process.communicate()}")
        time.sleep(0.005)


def is_gone(group: int) -> bool:
    """Whether all processes of a group end."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


class Told:
    """What the same comparison left behind that was interrupted, killed, and then left in peace.

    The last time it is called in this process, which reads what the killed processes left.
    """

    def __init__(self, command: Command, here_on_digits: OnDigits):
        self.command = command
        process = command.start()
        wait_for(lambda: bool(command.events()), process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process
        self.said = process.communicate(timeout=PATIENCE)
        self.code = process.returncode
        self.gone_after_interrupt = is_gone(process.pid)

        process = command.start()
        wait_for(command.is_training, process)
        os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers are to notice
        process.communicate(timeout=PATIENCE)
        self.gone_after_kill = is_gone(process.pid)
        self.ended_when_killed = (command.out / "result.nc").exists()
        self.half = {
            path.parent.name for path in command.cache.glob("units/training/*/check*.safetensors")
        }

        with here_on_digits(command.cache):
            spec = read_spec(command.directory / "spec.toml")
            compare(spec, command.out, device="cpu", console=Console(quiet=True))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, here_on_digits: OnDigits) -> Told:
    return Told(Command(tmp_path_factory.mktemp("interrupted")), here_on_digits)


def test_an_interrupt_is_one_sentence(told: Told) -> None:
    assert told.code == 130
    announced, sentence = told.said[1].strip().rsplit("\n", 1)
    assert sentence == "Interrupted; the same command goes on from here."
    assert announced.startswith("This is not MNIST. MNIST is not here.\n")
    assert len(announced.splitlines()) == 2
    assert told.gone_after_interrupt


def test_a_killed_comparison_leaves_no_process_and_no_result(told: Told) -> None:
    assert told.gone_after_kill
    assert not told.ended_when_killed
    assert told.half


def test_the_same_comparison_finishes(told: Told) -> None:
    assert (told.command.out / "report.html").exists()


def test_what_was_done_is_not_done_again(told: Told) -> None:
    done = Counter(e["key"] for e in told.command.events() if e["what"] == "done")
    assert set(done.values()) == {1}
    started = Counter(e["key"] for e in told.command.events() if e["what"] == "started")
    assert started.keys() == done.keys()
    assert max(started.values()) > 1


def test_no_draft_and_no_checkpoint_is_left(told: Told) -> None:
    assert list(told.command.cache.glob("units/training/*")) == []
    assert list(told.command.cache.glob("units/*/.*")) == []
    assert list(told.command.out.glob(".*")) == []


def test_the_result_is_that_of_an_undisturbed_comparison(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here_on_digits: OnDigits
) -> None:
    monkeypatch.setattr("experiments.compare.finish", lambda *args: None)
    spec = read_spec(told.command.directory / "spec.toml")
    with here_on_digits(tmp_path / "cache"):
        compare(spec, tmp_path / "run", device="cpu", console=Console(quiet=True))
    here, there = load_result(tmp_path / "run"), load_result(told.command.out)
    assert (here["correct"] >= 0).any()
    xr.testing.assert_identical(here.drop_attrs(), there.drop_attrs())
    assert here.attrs["spec"] == there.attrs["spec"]
    hashes = [
        json.loads((run / "provenance.json").read_text())["weights_sha256"]
        for run in (tmp_path / "run", told.command.out)
    ]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 3
