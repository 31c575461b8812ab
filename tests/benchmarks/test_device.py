"""What is measured on a GPU where there is one, and on the CPU by the same code."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks import crowds, field
from benchmarks.__main__ import device_of
from benchmarks.asked import under
from benchmarks.populations import engines, populations, step_of_all
from benchmarks.precisions import precisions
from benchmarks.rows import Section
from experiments.data.dataset import Dataset, Split
from networks import BlindspotsError, wiring_named
from sim import Network
from sim.population import Population

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ),
]
SIZE = field.QUICK._replace(rounds=1, batch=4, attacked=4, steps=2, learnt=8)


@pytest.mark.parametrize("device", DEVICES)
def test_individuals_take_turns_and_compute_what_one_does(device: str) -> None:
    section = populations("fc-blt-spiking", SIZE, device)
    base, *rows = section.rows
    assert base.name == "snnTorch, 1"
    expected = [f"{engine}, {count}" for engine in engines(device) for count in (1, 2)]
    assert [row.name for row in rows] == expected
    assert all(row.wall and "as alone" in row.found for row in rows)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("work", [crowds.attacks, crowds.scores])
def test_individuals_are_attacked_and_scored_as_if_alone(
    work: Callable[[str, field.Size, str], Section], device: str
) -> None:
    base, *rows = work("fc-blt-spiking", SIZE, device).rows
    assert base.name == "one alone"
    kinds = [engine for engine in engines(device) if engine != "graphs"]
    assert [row.name for row in rows] == [f"{each}, {count}" for each in kinds for count in (1, 2)]
    assert all(row.wall and "as alone but for" in row.found for row in rows)


@pytest.mark.parametrize("work", [crowds.attacks, crowds.scores])
def test_individuals_that_are_confused_are_found_out(
    work: Callable[[str, field.Size, str], Section], monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(self: Population, *given: Any) -> torch.Tensor:
        return lent(self, *given).roll(1, 0)

    lent = Population._lent
    monkeypatch.setattr(Population, "_lent", turned)
    with pytest.raises(BlindspotsError, match="Of 2 individuals of fc-b on the engine plain"):
        work("fc-b", SIZE, "cpu")


def test_individuals_that_disturb_one_another_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mixed(self: Population, images: torch.Tensor) -> torch.Tensor:
        return answer(self, images) + answer(self, images).flip(0)

    answer = Population.__call__
    monkeypatch.setattr(Population, "__call__", mixed)
    with pytest.raises(BlindspotsError, match="2 individuals of fc-b on the engine plain"):
        step_of_all("fc-b", 2, "plain", SIZE, "cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_each_precision_learns_and_is_attacked(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLINDSPOTS_PRECISION", raising=False)
    network = Network.initial(wiring_named("fc-b-spiking"), 0).to(device)
    noise = Split(*field.drawn(16, "cpu"))
    victim = field.Victim(network, "noise", *field.drawn(4, device))
    section = precisions(victim, Dataset("noise", noise, noise, noise, ""), SIZE)
    assert [row.name for row in section.rows] == ["float32", "tf32", "bf16"]
    for row in section.rows:
        accuracy, _, robust = row.found.partition("; ")
        assert 0 <= float(accuracy) <= 1
        assert len(robust.split()) == 4
    assert "BLINDSPOTS_PRECISION" not in os.environ


def test_what_is_asked_for_holds_for_the_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKED", "before")
    assert under("ASKED", "now", lambda: os.environ["ASKED"])() == "now"
    assert os.environ["ASKED"] == "before"


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        assert device_of("auto") == "cuda"
        return
    assert device_of("auto") == device_of("cpu") == "cpu"
    with pytest.raises(SystemExit, match="No CUDA device"):
        device_of("cuda")
