"""Train individuals of one wiring together: each as if alone, with its own weights and batches."""

from collections.abc import Callable, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from experiments.adam import Adam
from experiments.checkpoint import resume, save
from experiments.data.dataset import Dataset, Split
from experiments.objective import check_decay, decay, moved, offsets
from experiments.recipe import Recipe
from experiments.training import Report, chance_of, one_cycle, stream_of
from networks import Wiring
from sim import Network
from sim.engine import engine
from sim.population import Population
from sim.replay import Replayed

Individual = tuple[Network, dict[str, Any]]


def train_together(
    wiring: Wiring,
    recipe: Recipe,
    data: Dataset,
    seeds: Sequence[int],
    *,
    checkpoint: Path,
    device: torch.device | None = None,
    report: Report = lambda done, score: None,
) -> list[Individual | None]:
    """The individuals of ``seeds``, as :func:`experiments.training.train` makes each of them.

    Equal up to the rounding of sums, whose order is another one. None stands for an individual
    whose loss was no number at some time; the others are as they would be without it. The recipe
    is to be one that :func:`experiments.recipe.trains_together` names. After each epoch all goes to
    ``checkpoint``, from which a later call goes on.
    """
    check_decay(wiring, recipe)
    device = device or torch.device("cpu")
    split = Split(data.train.images.to(device), data.train.labels.to(device))
    validation = Split(data.validation.images.to(device), data.validation.labels.to(device))
    streams = [stream_of(wiring, seed) for seed in seeds]
    population = Population([Network.initial(wiring, stream).to(device) for stream in streams])
    optimiser = Adam(population.values.values(), recipe.weight_decay)
    history, best = resume(population.values, optimiser, checkpoint)
    answer = Replayed(population) if engine() == "graphs" and device.type == "cuda" else population
    for epoch in range(len(history), recipe.epochs):
        generators = [torch.Generator().manual_seed(stream + 1 + epoch) for stream in streams]
        is_sound = _epoch(population, answer, optimiser, recipe, split, generators, epoch)
        scores = accuracies(population, validation)
        scores[~is_sound] = torch.nan  # and of all later epochs
        history.append(scores.tolist())
        improved = [recipe.keep == "last" or _best(each) == epoch for each in _by_one(history)]
        best = _kept(population, best, torch.tensor(improved, device=device))
        save(population.values, optimiser, history, best, checkpoint)
        report((epoch + 1) / recipe.epochs, float(scores.nan_to_num(0).max()))
    made: list[Individual | None] = []
    for i, (seed, scores_of_it) in enumerate(zip(seeds, _by_one(history), strict=True)):
        values = {name: value[i] for name, value in best.items()}
        made.append(_individual(wiring, recipe, seed, values, scores_of_it))
    return made


def _epoch(
    population: Population,
    answer: Callable[[Tensor], Tensor],
    optimiser: Adam,
    recipe: Recipe,
    split: Split,
    generators: Sequence[torch.Generator],
    epoch: int,
) -> Tensor:
    """Every image once for each, in its own order; whose losses were all numbers.

    ``answer`` is the population, or replays it.
    """
    count, device = len(split.labels), split.labels.device
    orders = torch.stack([torch.randperm(count, generator=each) for each in generators])
    batches = orders.to(device).split(recipe.batch, 1)
    is_sound = torch.ones(len(generators), dtype=torch.bool, device=device)
    for i, chosen in enumerate(batches):
        progress = (epoch * len(batches) + i) / (recipe.epochs * len(batches))
        images = _shown(split.images[chosen], recipe, generators)
        losses = _losses(answer(images), split.labels[chosen])
        is_sound &= losses.detach().isfinite()
        optimiser.zero_grad()
        (losses.sum() + decay(population.wiring, population.values, recipe)).backward()
        optimiser.step(recipe.rate * one_cycle(progress))
    return is_sound


def _shown(images: Tensor, recipe: Recipe, generators: Sequence[torch.Generator]) -> Tensor:
    """Images (individuals, N, *shape), moved as each individual's own generator says."""
    if not recipe.shift:
        return images
    drawn = torch.cat([offsets(images.shape[1], recipe.shift, each) for each in generators])
    return moved(images.flatten(0, 1), drawn, recipe.shift).reshape(images.shape)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Of each individual, (individuals,): the mean cross-entropy over its batch."""
    each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.reshape(labels.shape).mean(1)


@torch.no_grad()
def accuracies(population: Population, split: Split, batch: int = 1000) -> Tensor:
    """Fraction of ``split`` that each individual labels right, (individuals,)."""
    right = [
        (population.to_the_same(x).argmax(2) == y).sum(1)
        for x, y in zip(split.images.split(batch), split.labels.split(batch), strict=True)
    ]
    return torch.stack(right).sum(0).double() / len(split.labels)


def _by_one(history: list[list[float]]) -> list[list[float]]:
    """The scores of each individual, epoch by epoch."""
    return [list(each) for each in zip(*history, strict=True)]


def _best(scores: Sequence[float]) -> int:
    """The last of the best epochs."""
    return max(range(len(scores)), key=lambda epoch: (scores[epoch], epoch))


def _kept(population: Population, best: dict[str, Tensor], improved: Tensor) -> dict[str, Tensor]:
    """The best values of each: its present ones where it improved."""
    now = {name: value.detach().clone() for name, value in population.values.items()}
    for name, before in best.items():
        worse = ~improved.reshape(-1, *[1] * (before.ndim - 1))
        now[name] = torch.where(worse, before.to(now[name].device), now[name])
    return now


def _individual(
    wiring: Wiring, recipe: Recipe, seed: int, values: dict[str, Tensor], history: list[float]
) -> Individual | None:
    if any(map(isnan, history)):
        return None
    kept = recipe.epochs - 1 if recipe.keep == "last" else _best(history)
    facts = {"seed": seed, "validation": history, "best_epoch": kept + 1}
    return Network(wiring, values, chance_of(wiring, seed)), facts
