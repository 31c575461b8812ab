"""Train one individual: a wiring, a recipe, data and a seed in; weights and a history out."""

import json
from collections.abc import Callable
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments.adam import Adam
from experiments.adversarial import robust_accuracy
from experiments.autoencoder import first_layer, pretrain
from experiments.checkpoint import resume, save
from experiments.data.dataset import Dataset, Split, part_of
from experiments.objective import Objective, Teacher
from experiments.recipe import Recipe
from experiments.store import damaged, key_of
from networks import BlindspotsError, Wiring, from_json
from sim import Network

Report = Callable[[float, float], None]
"""Told the fraction done and the best validation score so far."""


class Diverged(BlindspotsError):
    """Training met a loss that is not a number; only this individual stops."""


def accuracy(network: Callable[[Tensor], Tensor], split: Split, batch: int = 1000) -> float:
    """Fraction of ``split`` that ``network`` labels right."""
    with torch.no_grad():
        right = [
            (network(x).argmax(1) == y).sum()
            for x, y in zip(split.images.split(batch), split.labels.split(batch), strict=True)
        ]
    return float(torch.stack(right).sum()) / len(split.labels)


def train(
    wiring: Wiring,
    recipe: Recipe,
    data: Dataset,
    seed: int,
    *,
    checkpoint: Path,
    device: torch.device | None = None,
    report: Report = lambda done, score: None,
    teacher: Teacher | None = None,
) -> tuple[Network, dict[str, Any]]:
    """The individual of ``seed``, its weights of the epoch that the recipe keeps, and its history.

    After each epoch the whole state goes to ``checkpoint``; a call that finds one goes on from
    there and ends with the same numbers. With the objective "distil" it learns from ``teacher``,
    images to logits. Raises Diverged where the loss is not finite, and BlindspotsError where the
    recipe does not fit the wiring.
    """
    objective = Objective(wiring, recipe, seed, teacher)
    device = device or torch.device("cpu")
    split = part_of(data.train, seed % recipe.parts, recipe.parts)
    split = Split(split.images.to(device), split.labels.to(device))
    validation = Split(data.validation.images.to(device), data.validation.labels.to(device))
    stream = stream_of(wiring, seed)
    network = Network.initial(wiring, stream).to(device)
    fixed = first_layer(wiring) if recipe.autoencoder else ()
    learning = [value for name, value in network.values.items() if name not in fixed]
    optimiser = Adam(learning, recipe.weight_decay)
    history, best = resume(dict(network.values.items()), optimiser, checkpoint)
    if recipe.autoencoder and not history:
        chance = torch.Generator().manual_seed(stream)
        pretrain(network, split.images, recipe.autoencoder, chance, sum(recipe.decay_per_layer[:1]))
    for epoch in range(len(history), recipe.epochs):
        generator = torch.Generator().manual_seed(stream + 1 + epoch)
        network.generator = generator  # a random code draws what it drew before an interruption
        _epoch(
            network,
            optimiser,
            objective,
            split,
            generator,
            epoch,
            lambda done: report(done, max(history, default=0.0)),
        )
        history.append(_score(network, recipe, validation))
        if recipe.keep == "last" or history[-1] == max(history):
            best = {k: v.detach().clone() for k, v in network.values.items()}
        save(dict(network.values.items()), optimiser, history, best, checkpoint)
        report((epoch + 1) / recipe.epochs, max(history))
    kept = max(range(len(history)), key=lambda epoch: (history[epoch], epoch))
    if recipe.keep == "last":
        kept = recipe.epochs - 1
    facts = {"seed": seed, "validation": history, "best_epoch": kept + 1}
    return Network(wiring, best, chance_of(wiring, seed)), facts


def _epoch(
    network: Network,
    optimiser: Adam,
    objective: Objective,
    split: Split,
    generator: torch.Generator,
    epoch: int,
    report: Callable[[float], None],
) -> None:
    """Every image of ``split`` once, in batches drawn from ``generator``."""
    recipe = objective.recipe
    order = torch.randperm(len(split.labels), generator=generator).to(split.labels.device)
    batches = order.split(recipe.batch)
    for i, chosen in enumerate(batches):
        progress = (epoch * len(batches) + i) / (recipe.epochs * len(batches))
        loss = objective.loss(network, split, chosen, generator, progress)
        if not torch.isfinite(loss):
            raise Diverged(
                f"Training {objective.label} met a loss of {loss.item()} in epoch {epoch + 1}; "
                f"lower its learning rate ({recipe.rate})."
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step(recipe.rate * one_cycle(progress))
        if i % 50 == 0:
            report(progress)


def stream_of(wiring: Wiring, seed: int) -> int:
    """Where the chance of an individual begins: its own for each network's name and seed.

    Were it the same for all networks of a seed, they would share first weights and batches, and
    individual i of one would be a twin of individual i of another, on which its inputs transfer.
    """
    return int(key_of(network=wiring.name, seed=seed)[:12], 16)


def chance_of(wiring: Wiring, seed: int) -> torch.Generator | None:
    """What a trained individual draws its code from, anew each time it is loaded; None: nothing.

    Apart from the chance of its training, which ends anywhere in its own stream.
    """
    if not wiring.is_random:
        return None
    return torch.Generator().manual_seed(int(key_of(code=wiring.name, seed=seed)[:12], 16))


def one_cycle(progress: float, warm: float = 0.3) -> float:
    """Fraction of the peak learning rate: half a cosine up over ``warm``, half a cosine down.

    From 1/25 to 1 to nought (Smith and Topin 2018, "Super-convergence").
    """
    if progress < warm:
        return 0.04 + 0.96 * (1 - cos(pi * progress / warm)) / 2
    return (1 + cos(pi * (progress - warm) / (1 - warm))) / 2


def _score(network: Network, recipe: Recipe, validation: Split) -> float:
    """What the best epoch is chosen by: accuracy, under attack where training is adversarial."""
    if recipe.objective == "adversarial":
        return robust_accuracy(network, validation, recipe.epsilon)
    return accuracy(network, validation)


def save_individual(network: Network, facts: dict[str, Any], directory: Path) -> None:
    """``weights.safetensors``, ``wiring.json`` and ``training.json`` into ``directory``."""
    values = {k: v.detach().cpu().contiguous() for k, v in network.values.items()}
    save_file(values, directory / "weights.safetensors")
    (directory / "wiring.json").write_text(network.wiring.to_json())
    (directory / "training.json").write_text(json.dumps(facts, indent=1))


def load_individual(directory: Path) -> Network:
    """The network that :func:`save_individual` wrote; BlindspotsError where it cannot be read."""
    path = directory / "weights.safetensors"
    try:
        wiring = from_json((directory / "wiring.json").read_text())
        network = Network(wiring, load_file(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BlindspotsError(f"'{directory}' holds no trained network: {error}.") from None
    except SafetensorError as error:
        raise damaged(path, error) from None
    if wiring.is_random:
        from experiments.finished import seed_of  # which needs all that a comparison needs

        network.generator = chance_of(wiring, seed_of(directory))
    return network
