"""Adversarial training: the inputs of a batch, and the score by which its best epoch is chosen."""

import warnings

import torch
from torch import Tensor

from experiments.attacks.ascent import random_offsets
from experiments.attacks.gradient import pgd_linf
from experiments.attacks.guides import ways
from experiments.attacks.threat import Threat, project
from experiments.attacks.victim import MaskedGradientWarning, Model, under_attack
from experiments.attacks.worst import STRONGEST_WAYS
from experiments.data.dataset import Split
from experiments.recipe import Recipe

JUDGED = 500  # validation images
STEPS = 10  # of each gradient that judges them


def budget(recipe: Recipe, progress: float) -> float:
    """Epsilon after a fraction of training: in a line up to the recipe's over its ``rise``.

    At a budget of 0.3 from the start, networks tend to stay at chance, or to mask their gradients.
    """
    return recipe.epsilon * min(progress / recipe.rise, 1.0) if recipe.rise else recipe.epsilon


def attacked(
    model: Model,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Inputs (N, ...) at which the loss is high: the last iterate of projected gradient ascent.

    From a random start, steps of 2.5 epsilon / ``steps`` along the sign of the model's own
    gradient (Madry et al. 2018, equation 2). One step alone is of 1.25 epsilon (Wong et al. 2020).
    Says nothing of logits that are not finite; the loss of training does.
    """
    threat, length = Threat("linf", epsilon), 1.25 if steps == 1 else 2.5
    with under_attack(model, images, labels) as victim:
        start = images + epsilon * random_offsets("linf", images, generator)
        points = project(images, start, threat)
        for _ in range(steps):
            _, gradient = victim.differentiated(points, model)
            points = project(images, points + length * epsilon / steps * gradient.sign(), threat)
    return points


def robust_accuracy(model: Model, split: Split, epsilon: float) -> float:
    """Fraction of the first images of ``split`` that short attacks of that budget leave right.

    Attacks follow the network's own gradient, then others (`attacks.guides`): the training
    surrogate alone would choose the epoch that hides its gradient best. A yardstick for epochs, not
    a result: the worst case of `attacks.worst` is lower.
    """
    images, labels = (part[:JUDGED] for part in split)
    known = ways(model)
    through = [
        known[name].through(model)  # type: ignore[arg-type]
        for name in STRONGEST_WAYS
        if name in known
    ]
    total = len(labels)
    for guide in (None, *through):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MaskedGradientWarning)
            (tried,) = pgd_linf(
                *(model, images, labels),
                epsilons=[epsilon],
                generator=torch.Generator().manual_seed(0),
                steps=STEPS,
                guide=guide,
            )
        with torch.no_grad():
            right = model(tried).argmax(1) == labels
        images, labels = images[right], labels[right]
    return len(labels) / total
