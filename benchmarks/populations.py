"""Individuals trained together: how much longer so many take than one, by each engine there is."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.asked import asked, under
from benchmarks.field import TIPPED, Size, clock_of, drawn
from benchmarks.peers.loops import Loop, SnnTorch
from benchmarks.rows import Row, Section, in_turn
from benchmarks.training_step import lively, step_of
from networks import BlindspotsError, wiring_named
from sim import Network
from sim.engine import ENVIRONMENT
from sim.population import Population
from sim.replay import Replayed
from sim.whole.answers import fused


def populations(name: str, size: Size, device: str) -> Section:
    """A step of training of so many individuals, each with images of its own."""
    wiring = wiring_named(name)
    loop = Loop(SnnTorch(), lively(wiring)).to(device)
    works: dict[str, Callable[[], object]] = {
        "snnTorch, 1": step_of(loop, *drawn(size.batch, device))
    }
    missing, told = list[Row](), dict[str, str]()
    for engine, count in product(engines(device), size.individuals):
        label = f"{engine}, {count}"
        try:
            with asked(ENVIRONMENT, engine):
                step, apart = step_of_all(name, count, engine, size, device)
        except torch.OutOfMemoryError:
            missing.append(Row(label, missing="more than memory holds"))
            continue
        works[label] = under(ENVIRONMENT, engine, step)
        told[label] = f"gradients of the last one as alone, to {apart:.0e}"
    timed = in_turn(works, size.rounds, device)
    return Section(
        f"Training step of individuals of {name} together, T = {wiring.steps}, batch {size.batch} "
        "each",
        *(clock_of(device), [*(replace(r, found=told.get(r.name, "")) for r in timed), *missing]),
        facts={"graphs": "their memory is given out when they are recorded, and not counted here"},
    )


def engines(device: str) -> list[str]:
    """Those that do something of their own there."""
    if device != "cuda":
        return ["plain"]
    try:
        fused()
    except BlindspotsError:
        return ["plain"]
    return ["plain", "triton", "graphs"]


def step_of_all(
    name: str, count: int, engine: str, size: Size, device: str
) -> tuple[Callable[[], None], float]:
    """A step of all, and how far the last one's gradients are from those it has alone.

    Raises BlindspotsError where that is too far.
    """
    networks = [lively(wiring_named(name)).to(device) for _ in range(count)]
    with torch.no_grad():
        for i, network in enumerate(networks):
            for value in network.values.values():
                value.mul_(1 + i / count)  # so that no two are the same
    images, labels = drawn(size.batch, device)
    population = Population(networks)
    values = list(population.values.values())
    answer = Replayed(population) if engine == "graphs" else population
    optimiser = torch.optim.Adam(values, lr=1e-4, fused=True)
    shown, wanted = images.repeat(count, 1, 1, 1, 1), labels.repeat(count)

    def back() -> None:
        optimiser.zero_grad(set_to_none=True)
        (cross_entropy(answer(shown).flatten(0, 1), wanted) * count).backward()

    def step() -> None:
        back()
        optimiser.step()

    back()
    last = [value.grad[-1] for value in values if value.grad is not None]
    apart = difference(last, alone(networks[-1], images, labels))
    if apart > TIPPED:
        raise BlindspotsError(
            f"{count} individuals of {name} on the engine {engine} do not compute what one does "
            f"alone: gradients differ by {apart:.2g} of their size."
        )
    optimiser.step()  # whose memory is to be there, too
    return step, apart


def alone(network: Network, images: Tensor, labels: Tensor) -> list[Tensor]:
    """The gradients of one by itself, on the plain engine."""
    with asked(ENVIRONMENT, "plain"):
        loss = cross_entropy(network(images), labels)
        return list(torch.autograd.grad(loss, list(network.values.values())))


def difference(ones: list[Tensor], others: list[Tensor]) -> float:
    """The largest of all, in relation to the largest number of its kind."""
    pairs = zip(ones, others, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)
