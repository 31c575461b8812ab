"""The whole machine: one single-threaded process per core, beside a peer's threads."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import torch

from benchmarks.field import EPSILONS, Size, Victim, drawn, few_first
from benchmarks.peers import missing
from benchmarks.peers.attacks import PEERS, Ours, Sweep
from benchmarks.peers.loops import Loop, SnnTorch
from benchmarks.rows import Row, Section, in_turn
from benchmarks.training_step import lively, step_of
from networks import wiring_named

CORES = os.cpu_count() or 1
STEPS = 20  # of training, of each individual
ROUNDS = 2


OURS = "blindspots, one process per core"


def training(name: str, size: Size) -> Section:
    """As many individuals as cores through some steps of training."""
    loop = Loop(SnnTorch(), lively(SnnTorch().adapted(wiring_named(name))))
    step = step_of(loop, *drawn(size.batch, "cpu"))

    def peer() -> None:
        for _ in range(CORES * STEPS):
            step()

    def ours(pool: ProcessPoolExecutor) -> None:
        list(pool.map(trained, [name] * CORES, [size.batch] * CORES))

    title = f"{STEPS} training steps of {CORES} individuals of {name} on {CORES} cores"
    return beside(title, {f"snnTorch, {CORES} threads": peer}, ours, size)


def trained(name: str, batch: int) -> None:
    """One individual through :data:`STEPS` steps."""
    step = step_of(lively(wiring_named(name)), *drawn(batch, "cpu"))
    for _ in range(STEPS):
        step()


def attack(victim: Victim, size: Size) -> Section:
    """The attack on all images."""
    network, data, images, labels = victim
    loop, sweep = Loop(SnnTorch(), network), Sweep(images, labels, EPSILONS, size.steps)
    there = [peer for peer in PEERS if not missing(peer.package)]
    peers = {f"{peer.name}, {CORES} threads": peer for peer in there}
    sweeps = {name: few_first(sweep) for name in (*peers, OURS)}

    def theirs(name: str) -> None:
        peers[name](loop, next(sweeps[name]))

    def ours(pool: ProcessPoolExecutor) -> None:
        whole = next(sweeps[OURS])
        parts = zip(whole.images.tensor_split(CORES), whole.labels.tensor_split(CORES), strict=True)
        shares = [whole._replace(images=x, labels=y) for x, y in parts]
        list(pool.map(Ours(), [network] * CORES, shares))

    title = f"The same attack on {CORES} cores, {len(images)} images of {data}"
    works = {name: partial(theirs, name) for name in peers}
    section = beside(title, works, ours, size._replace(rounds=1))
    absent = [Row(peer.name, missing=missing(peer.package)) for peer in PEERS if peer not in there]
    return replace(section, rows=[*section.rows, *absent])


def beside(
    title: str,
    peers: Mapping[str, Callable[[], object]],
    ours: Callable[[ProcessPoolExecutor], object],
    size: Size,
) -> Section:
    """Peers with a thread per core, and ours with a process for each; by the clock on the wall."""
    before = torch.get_num_threads()
    with ProcessPoolExecutor(CORES, get_context("spawn"), single_threaded) as pool:
        torch.set_num_threads(CORES)
        rows = in_turn({**peers, OURS: lambda: ours(pool)}, min(ROUNDS, size.rounds))
        torch.set_num_threads(before)
    # Memory of the processes is not seen from here.
    rows = [replace(row, megabytes=None) if row.name == OURS else row for row in rows]
    return Section(title, "wall", rows, per=1000, unit="s")


def single_threaded() -> None:
    """How a process of several begins."""
    torch.set_num_threads(1)
