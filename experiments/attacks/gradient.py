"""Attacks that spend a budget along the gradient of the loss by the input: FGSM and PGD."""

from collections.abc import Sequence

import torch
from torch import Tensor

from experiments.attacks.ascent import Plan, Schedule, projected_ascent
from experiments.attacks.curve import BATCH, along, batches, step_along, threats
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.sources import Source
from experiments.attacks.threat import Window
from experiments.attacks.victim import Found, Guide, Model, under_attack


def fgsm(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """The fast gradient sign method: x + epsilon * sign(gradient at x), clipped to [0, 1].

    Goodfellow et al. 2015, section 4. The gradient is taken once, at the clean image, and serves
    every budget.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending linf budgets in [0, 1].
        generator: unused, nothing here is left to chance.
        keep_going: False: an image that is fooled keeps its input at larger budgets. True: the
            step of full size for every image and budget, as inputs for transfer need.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero, where the step leaves the image as it is.
    """
    with under_attack(model, inputs, labels, Goal(loss, targeted), guide) as victim:
        directions = torch.zeros_like(victim.clean)
        start = Found.unjudged(victim.clean.clone())
        for rows in batches(victim.rows, batch_size):
            judged, gradient = victim.at(rows).climb(victim.clean[rows])
            directions[rows] = gradient.sign()
            if not keep_going:
                start.put(rows, judged)
        return along(
            *(victim, directions, threats("linf", epsilons, targeted), start, step_along),
            keep_going=keep_going,
            batch_size=batch_size,
        )


def pgd_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 40,
    restarts: int = 1,
    relative_step: float = 20,
    schedule: Schedule = "cosine",
    random_start: bool = True,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    guide: Guide | None = None,
    window: Window | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Projected gradient ascent within the largest change of a pixel (Madry et al. 2018, eq. 2).

    Each step moves every pixel by `relative_step` * epsilon / steps along the sign of its
    gradient and projects onto the budget and [0, 1]. Of all iterates of all restarts the best is
    returned: a fooled one if there is one, else that of highest loss.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1].
        generator: source of chance: the random starts, drawn once per restart for all images and
            scaled to each budget, so that neither the model nor `batch_size` changes them; of a
            `crowd.Crowd` one for each individual.
        keep_going: False: an image stops at its first fooled iterate and keeps it at larger
            budgets. True: every step of every restart at every budget, each budget on its own,
            and of the fooled iterates that of highest loss. Inputs for transfer need this: one
            that only just fools the network it was made on transfers worse. Either way an image
            fooled at one budget is fooled at every larger one.
        steps: gradient steps, >= 1; each costs a forward and a backward pass, and one forward
            pass more judges the last iterate. Unless `keep_going`, an image that two steps in a row
            leave where it is takes no more of them: all that follow would do the same.
        restarts: how often to start anew, >= 1; pointless without `random_start`.
        relative_step: step size in units of epsilon / steps, > 0; the length of the path in units
            of epsilon. Small steps get stuck, on the plateaus between spikes above all, and then
            an image seems robust that is not.
        schedule: "constant", or "cosine": from twice the step size down towards 0, with (nearly)
            the same path length.
        random_start: from a point drawn at random within the budget, rather than the clean image.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        window: of movies (N, steps, ...), the only frames [first, end) that may change.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before the image was fooled.
    """
    plan = Plan(steps, restarts, relative_step, schedule, random_start, keep_going)
    with under_attack(model, inputs, labels, Goal(loss, targeted), guide) as victim:
        return projected_ascent(
            *(victim, plan, threats("linf", epsilons, targeted, window)), generator, batch_size
        )


def pgd_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 40,
    restarts: int = 1,
    relative_step: float = 20,
    schedule: Schedule = "cosine",
    random_start: bool = True,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Projected gradient ascent within the root-mean-squared change (Madry et al. 2018, eq. 2).

    As `pgd_linf`, with the same arguments (but no window), result, errors and warning, but each
    step follows the gradient scaled to a root mean square of `relative_step` * epsilon / steps.
    """
    plan = Plan(steps, restarts, relative_step, schedule, random_start, keep_going)
    with under_attack(model, inputs, labels, Goal(loss, targeted), guide) as victim:
        return projected_ascent(
            victim, plan, threats("l2", epsilons, targeted), generator, batch_size
        )
