"""HopSkipJump: the smallest change that fools, by hard labels alone (Chen et al. 2020)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from experiments.attacks.boundary import Plan, follow, starts
from experiments.attacks.curve import BATCH, batches, threats
from experiments.attacks.directions import streams
from experiments.attacks.goal import Goal
from experiments.attacks.names import Norm
from experiments.attacks.sources import seeds
from experiments.attacks.threat import check, distance, per_image
from experiments.attacks.victim import Model, under_attack


def hop_skip_jump(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    generator: torch.Generator,
    steps: int = 16,
    evaluations: int = 100,
    radius: float = 0.01,
    targeted: bool = False,
    batch_size: int = BATCH,
) -> tuple[Tensor, Tensor]:
    """The nearest input found that fools, and how far it is, by the model's labels alone.

    Chen et al. 2020 (arXiv 1904.02144, algorithm 2). Every step estimates the direction that
    leads away from the boundary from which of many points around one at the boundary are fooled
    (equation 16), goes that way as far as still fools, and comes back to the boundary by
    bisection towards the clean image. Three things differ from the paper. The points lie at
    `radius` times the distance (the paper: 1 / number of pixels), since float32 and the plateaus
    of spiking networks hide anything nearer; the bisection is finer than that by the square root
    of the number of pixels, as there. The search begins at the nearest among the other inputs
    and 100 random images that fools. And the result lies 1/1000 beyond the boundary.

    Args:
        model: inputs to logits, of which only the largest is looked at.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        norm: the distance that is made small.
        generator: source of chance: the random images, and one seed per image, from which its
            directions are drawn, so that neither the model nor `batch_size` changes them.
        steps: >= 1.
        evaluations: directions at the first step, >= 1; step t takes sqrt(t) times as many. An
            image costs about 2/3 * evaluations * steps**1.5 answers, and some 20 more per step:
            5000 as it is.
        radius: see above, in (0, 1).
        targeted: see `Goal`.
        batch_size: points per forward pass, those around one image or around many.

    Returns:
        (N, ...) and (N,), in intensity. An input that is fooled as it is comes back unchanged
        with 0; one for which no start was found, unchanged with infinity.

    Raises:
        BlindspotsError: bad arguments, or logits of wrong shape or not finite.
    """
    plan = Plan(norm, steps, evaluations, radius, batch_size)
    with under_attack(model, inputs, labels, Goal(targeted=targeted)) as victim, torch.no_grad():
        chance = seeds(len(inputs), generator)
        fooled, found = starts(victim, norm, generator, batch_size)
        for rows in batches((found.fooled & ~fooled).nonzero()[:, 0], batch_size):
            sources = streams(chance[rows.to(chance.device)])
            found.put(rows, follow(victim.at(rows), found.inputs[rows], sources, plan))
        far = distance(victim.clean, found.inputs, norm).to(inputs.dtype)
        return found.inputs, torch.where(found.fooled, far, torch.inf)


def hopskipjump_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 16,
    evaluations: int = 100,
    radius: float = 0.01,
    targeted: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the nearest input that fools, if it lies within; else the clean image.

    Args:
        model: inputs to logits, of which only the largest is looked at.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1], root-mean-squared change.
        generator: see `hop_skip_jump`, as for all below.
        keep_going: makes no difference: this attack spends no more than it needs.
        steps: along the boundary.
        evaluations: directions at the first step.
        radius: how far around they are tried, in units of the distance.
        targeted: whether the labels are the classes to reach.
        batch_size: points per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: as `hop_skip_jump`, or unsuitable epsilons.
    """
    return within(
        *("l2", epsilons, model, inputs, labels),
        generator=generator,
        steps=steps,
        evaluations=evaluations,
        radius=radius,
        targeted=targeted,
        batch_size=batch_size,
    )


def hopskipjump_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 16,
    evaluations: int = 100,
    radius: float = 0.01,
    targeted: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """As `hopskipjump_l2`, for the largest change of a pixel."""
    return within(
        *("linf", epsilons, model, inputs, labels),
        generator=generator,
        steps=steps,
        evaluations=evaluations,
        radius=radius,
        targeted=targeted,
        batch_size=batch_size,
    )


def within(
    norm: Norm,
    epsilons: Sequence[float],
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    targeted: bool,
    **options: Any,
) -> Tensor:
    """The curve over budgets that follows from the nearest inputs that fool."""
    listed = threats(norm, epsilons, targeted)
    found, far = hop_skip_jump(model, inputs, labels, norm=norm, targeted=targeted, **options)
    curve = [torch.where(per_image(far <= t.epsilon, found), found, inputs) for t in listed]
    for changed, threat in zip(curve, listed, strict=True):
        check(inputs, changed, threat)
    return torch.stack(curve)
