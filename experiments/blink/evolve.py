"""Differential evolution that can be interrupted: every generation is kept, and goes on from there.

A generation is one call of scipy's solver (Storn & Price 1997) with chance of its own, so that a
search in pieces is the search in one piece.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import differential_evolution
from scipy.stats import qmc

from experiments.blink.streams import Floats
from experiments.store import damaged, write_text

POPULATION = 32
NEAR, SPREAD = 0.75, 0.2
"""The share of the first population that is near the start, and how near (SD of the log)."""
MUTATION, RECOMBINATION = (0.4, 0.9), 0.7


class Evolution(NamedTuple):
    """``population`` (members, parameters) and its ``losses``; the best loss after each generation.

    The best member is the first.
    """

    population: Floats
    losses: Floats
    history: list[float]


Tell = Callable[[int, Evolution], None]


def evolve(
    loss: Callable[[Floats], float],
    bounds: Mapping[str, tuple[float, float]],
    start: Floats,
    *,
    generations: int,
    seed: int,
    kept: Path,
    tell: Tell = lambda generation, state: None,
    members: int | None = None,
) -> Evolution:
    """Search for ``generations`` in all, going on from the file ``kept`` where there is one.

    Args:
        loss: of a vector of parameters, in the order of ``bounds``.
        bounds: where each may lie.
        start: what the search begins with, and most of the first population is near to.
        generations: after the first population.
        seed: of all chance of the search.
        kept: the population after the last generation (JSON), written anew after each.
        tell: called after each.
        members: of the population; by default ``POPULATION``.

    Raises:
        BlindspotsError: ``kept`` cannot be read, or is of other parameters.
    """
    low, high = np.array(list(bounds.values()), float).T
    state = read(kept, list(bounds)) if kept.exists() else None
    if state is None:
        first = initial(np.clip(start, low, high), low, high, members or POPULATION, seed)
        losses = np.array([loss(each) for each in first])
        order = losses.argsort(kind="stable")
        state = Evolution(first[order], losses[order], [float(losses.min())])
        write(kept, list(bounds), state)
        tell(0, state)
    for generation in range(len(state.history), generations + 1):
        state = following(loss, list(bounds.values()), state, [seed, generation])
        write(kept, list(bounds), state)
        tell(generation, state)
    return state


def initial(start: Floats, low: Floats, high: Floats, members: int, seed: int) -> Floats:
    """The start, others near it, and the rest spread evenly (Latin hypercube)."""
    near = max(1, round(NEAR * members))
    generator = np.random.default_rng([seed, 0])
    around = start * np.exp(SPREAD * generator.standard_normal((near, len(start))))
    around[0] = start
    spread = qmc.LatinHypercube(len(start), rng=generator).random(members - near)
    return np.clip(np.vstack([around, low + spread * (high - low)]), low, high)


def following(
    loss: Callable[[Floats], float],
    bounds: list[tuple[float, float]],
    state: Evolution,
    seed: list[int],
) -> Evolution:
    """The next generation; members that stay are not tried again."""
    low, high = np.array(bounds, float).T

    def name(member: Floats) -> tuple[float, ...]:
        return tuple(np.round((member - low) / (high - low), 9).tolist())

    known = dict(zip(map(name, state.population), state.losses.tolist(), strict=True))

    def tried(member: Floats) -> float:
        found = known.get(name(member))
        return loss(member) if found is None else found

    found = differential_evolution(
        tried, bounds, init=state.population, maxiter=1, tol=0, polish=False,
        mutation=MUTATION, recombination=RECOMBINATION, rng=np.random.default_rng(seed),
    )  # fmt: skip
    order = found.population_energies.argsort(kind="stable")
    losses = found.population_energies[order]
    return Evolution(found.population[order], losses, [*state.history, float(losses[0])])


def write(path: Path, names: list[str], state: Evolution) -> None:
    """All of it or nothing."""
    facts = {
        "parameters": names,
        "population": state.population.tolist(),
        "losses": state.losses.tolist(),
        "history": state.history,
    }
    write_text(path, json.dumps(facts))


def read(path: Path, names: list[str]) -> Evolution:
    """What :func:`write` left."""
    try:
        facts = json.loads(path.read_text())
        if facts["parameters"] != names:
            raise ValueError(f"it is a search for {', '.join(facts['parameters'])}")
        return Evolution(
            np.array(facts["population"], float), np.array(facts["losses"], float), facts["history"]
        )
    except (OSError, ValueError, KeyError) as error:
        raise damaged(path, error) from None
