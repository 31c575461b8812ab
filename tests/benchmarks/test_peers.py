"""Benchmarks compare like with like, and do without what is not installed."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import field
from benchmarks.brian import layered
from benchmarks.limit import products_alone
from benchmarks.peers.loops import NEURONS, Loop, Neuron, Norse, SnnTorch, difference
from benchmarks.rows import Row, Section, in_turn, markdown, write
from benchmarks.training_step import lively
from networks import wiring_named


def apart(neuron: Neuron, slope: float) -> float:
    """By how much the library's network differs from ours of that slope."""
    wiring = layered("small", (12, 9), steps=6)
    network = lively(neuron.adapted(wiring))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (8,), generator=generator)
    loop = Loop(neuron, network)
    for area in network.wiring.spiking.values():
        assert slope in (0, area.slope)
    return difference(loop, network, images, labels)


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: neuron.name)
def test_a_librarys_neuron_does_what_ours_does(neuron: Neuron) -> None:
    pytest.importorskip(neuron.package)
    assert apart(neuron, 0) < 1e-4


def test_a_neuron_that_is_not_adapted_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("norse")
    monkeypatch.setattr(Norse, "adapted", lambda self, wiring: wiring)
    assert apart(Norse(), 2.0) > 1e-3


def test_ways_take_turns_and_the_first_run_does_not_count() -> None:
    order = list[str]()
    rows = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert "".join(order[2:6]) == "abab"
    assert [len(row.wall) for row in rows] == [2, 2]


def test_memory_is_that_of_the_work() -> None:
    (row,) = in_turn({"64 MB": lambda: torch.ones(16 * 2**20)}, 1)
    if row.megabytes is not None:
        assert 60 < row.megabytes < 80


def test_the_table_tells_ratios_and_what_is_missing(tmp_path: Path) -> None:
    rows = [Row("peer", [0.3, 0.1, 0.2]), Row("ours", [0.05], megabytes=7), Row("c", missing="no")]
    section = Section("Work", "wall", rows)
    text = markdown(section)
    assert "| peer | 200 | 100-300 | 1.00 |" in text
    assert "| ours | 50 | 50-50 | 4.00 | 7 |" in text
    assert "| c | | | | | no |" in text
    assert text in write([section], tmp_path)
    saved = json.loads((tmp_path / "benchmark.json").read_text())
    assert saved["sections"][0]["rows"][1]["wall"] == [0.05]
    assert "torch" in saved["machine"]["versions"]


def test_a_peer_that_is_not_installed_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.field.missing", lambda package: "" if package == "snntorch" else "not installed"
    )
    section = field.training("fc-blt-spiking", field.QUICK._replace(batch=4, rounds=1))
    by_name = {row.name: row for row in section.rows}
    assert by_name["Norse"].missing == "not installed"
    assert by_name["snnTorch"].wall
    assert "gradients" in by_name["snnTorch"].found


def test_the_loop_takes_grids_as_layers() -> None:
    network = lively(wiring_named("conv-blt-spiking"))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 1, 28, 28, generator=generator)
    loop = Loop(SnnTorch(), network)
    assert difference(loop, network, images, torch.arange(3)) < 1e-4


@pytest.mark.parametrize("name", ["fc-blt", "conv-bt-spiking"])
def test_the_limit_is_what_a_step_multiplies(name: str) -> None:
    """Ours leaves out the same, but for rows that all images share: products for one image."""
    network, images = lively(wiring_named(name)), torch.rand(64, 1, 28, 28)
    with FlopCounterMode(display=False) as ours:
        network(images).sum().backward()
    with FlopCounterMode(display=False) as limit:
        products_alone(network.wiring, len(images))()
    assert 1 <= ours.get_total_flops() / limit.get_total_flops() < 1.02
