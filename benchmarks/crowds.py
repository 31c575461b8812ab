"""Individuals attacked and scored at once: how much longer so many take than one."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.asked import asked, under
from benchmarks.field import Size, clock_of, drawn
from benchmarks.populations import engines
from benchmarks.rows import Row, Section, in_turn
from benchmarks.training_step import lively
from experiments.attacks.crowd import Crowd
from experiments.attacks.curve import BATCH
from experiments.attacks.gradient import pgd_linf
from experiments.scoring import predictions, predictions_of_all
from networks import BlindspotsError, wiring_named
from sim import Network
from sim.engine import ENVIRONMENT
from sim.population import Population

EPSILON = 0.02
STRAY = 0.05
"""Of pixels, or answers: rounding tips the sign of a gradient, or a spike, and what follows."""


def attacks(name: str, size: Size, device: str) -> Section:
    """Projected gradient ascent that spends its whole budget, as inputs for transfer need."""
    images, labels = drawn(size.batch, device)
    how: dict[str, Any] = {"epsilons": [EPSILON], "keep_going": True, "steps": size.steps}

    def at_once(networks: list[Network]) -> Callable[[], Tensor]:
        crowd, count = Crowd.of(networks, len(images), BATCH), len(networks)
        return lambda: pgd_linf(
            *(crowd, crowd.to_each(images), crowd.to_each(labels)),
            generator=crowd.sources(range(count)),
            batch_size=BATCH * count,
            **how,
        )[0]

    def alone(one: Network, place: int) -> Tensor:
        chance = torch.Generator().manual_seed(place)
        return pgd_linf(one, images, labels, generator=chance, **how)[0]

    return together(
        f"PGD-{size.steps} of individuals of {name} together, {size.batch} images each",
        at_once,
        lambda found, count: found[count - 1 :: count],
        alone,
        *(name, size, device),
    )


def scores(name: str, size: Size, device: str) -> Section:
    """Answers to images, each individual its own."""
    images = drawn(size.attacked, device)[0]
    return together(
        f"Answers of individuals of {name} together to {size.attacked} images each",
        lambda networks: lambda: predictions_of_all(Population(networks), [images] * len(networks)),
        lambda found, count: found[count - 1],
        lambda one, place: predictions(one, images),
        *(name, size, device),
    )


def together(
    title: str,
    all_at_once: Callable[[list[Network]], Callable[[], Tensor]],
    last_of: Callable[[Tensor, int], Tensor],
    alone: Callable[[Network, int], Tensor],
    name: str,
    size: Size,
    device: str,
) -> Section:
    """One alone on the plain engine, and so many at once by each; the last must be as if alone.

    Raises BlindspotsError where it is not.
    """
    (first,) = different(name, 1, device)
    works: dict[str, Callable[[], object]] = {
        "one alone": under(ENVIRONMENT, "plain", lambda: alone(first, 0))
    }
    missing, told = list[Row](), dict[str, str]()
    kinds = [engine for engine in engines(device) if engine != "graphs"]  # which replays training
    for engine, count in product(kinds, size.individuals):
        label, networks = f"{engine}, {count}", different(name, count, device)
        work = under(ENVIRONMENT, engine, all_at_once(networks))
        try:
            found = last_of(work(), count)
        except torch.OutOfMemoryError:
            missing.append(Row(label, missing="more than memory holds"))
            continue
        with asked(ENVIRONMENT, "plain"):
            strays = apart(found, alone(networks[-1], count - 1))
        if strays > STRAY:
            raise BlindspotsError(
                f"Of {count} individuals of {name} on the engine {engine} the last one differs "
                f"from itself alone in {strays:.2g} of what was found."
            )
        works[label], told[label] = work, f"the last one as alone but for {strays:.1g}"
    timed = in_turn(works, min(size.rounds, 3), device)
    rows = [*(replace(row, found=told.get(row.name, "")) for row in timed), *missing]
    return Section(title, clock_of(device), rows)


def different(name: str, count: int, device: str) -> list[Network]:
    """So many networks, no two of which are the same."""
    networks = [lively(wiring_named(name), seed).to(device) for seed in range(count)]
    for network in networks:
        network.requires_grad_(False)
    return networks


def apart(found: Tensor, other: Tensor) -> float:
    """The share of numbers that differ by more than rounding."""
    return float((found.double() - other.double()).abs().gt(1e-5).double().mean())
