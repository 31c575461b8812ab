"""A unit of work that trains a population at once, where a GPU would be left idle by one of it."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from experiments.bench import Bench
from experiments.individuals import Train
from experiments.recipe import Recipe
from experiments.store import fresh_unit, key_of, unit_path
from experiments.units import Report, Unit, is_complete
from networks import Wiring

MOST = 64  # individuals of one unit; how many fit into memory shows when they run


def one_of(wiring: Wiring, recipe: Recipe, seeds: Sequence[int], index: int, bench: Bench) -> Train:
    """Individual ``index`` of the population of ``seeds``, trained with the others if it can be."""
    alone = Train(wiring, recipe, seeds[index], bench)
    if len(seeds) == 1 or not alone.is_stacked:
        return alone
    first = index - index % MOST
    others = tuple(replace(alone, seed=seed) for seed in seeds[first : first + MOST])
    return replace(alone, together=Together(others))


@dataclass(frozen=True)
class Together:
    """Individuals of one wiring and recipe, trained along one tensor axis.

    Each is left where it would be had it been trained alone, on the same axis. One that meets a
    loss that is no number is left out: trained alone, it says so.
    """

    stage: ClassVar[str] = "train-together"
    product: ClassVar[str] = "seeds.json"
    individuals: tuple[Train, ...]

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.individuals[0].wiring.name} ({len(self.individuals)} individuals)"

    @cached_property
    def key(self) -> str:
        """Of all individuals."""
        return key_of(together=[each.key for each in self.individuals])

    @property
    def bench(self) -> Bench:
        """That of all individuals."""
        return self.individuals[0].bench

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Nothing must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Train those that are not there yet, as many at a time as memory holds."""
        _train(tuple(each for each in self.individuals if not is_complete(each)), report)
        with fresh_unit(self.stage, self.key) as directory:
            seeds = [each.seed for each in self.individuals if is_complete(each)]
            (directory / self.product).write_text(json.dumps(seeds))


def _train(individuals: tuple[Train, ...], report: Report) -> None:
    import torch

    from experiments.population import train_together

    if not individuals:
        return
    one, began = individuals[0], time.monotonic()
    checkpoint = unit_path("training", Together(individuals).key)
    try:
        made = train_together(
            *(one.wiring, one.recipe, one.bench.load(), [each.seed for each in individuals]),
            checkpoint=checkpoint,
            device=torch.device(one.bench.device),
            report=report,
        )
    except torch.OutOfMemoryError:
        if len(individuals) == 1:
            raise
        made = []
        shutil.rmtree(checkpoint, ignore_errors=True)
    if not made:  # outside of the handler, which keeps hold of what filled the memory
        half = len(individuals) // 2
        _train(individuals[:half], lambda done, score: report(done / 2, score))
        _train(individuals[half:], lambda done, score: report((1 + done) / 2, score))
        return
    seconds = (time.monotonic() - began) / len(individuals)
    for each, individual in zip(individuals, made, strict=True):
        if individual:
            network, facts = individual
            each.leave(network, facts | {"seconds": seconds})
    shutil.rmtree(checkpoint, ignore_errors=True)
