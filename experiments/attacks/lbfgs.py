"""The smallest change that fools, by box-constrained L-BFGS (Szegedy et al. 2014, section 4.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH
from experiments.attacks.descent import Descent
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.minimum import (
    first_order,
    keep_nearer,
    require_effort,
    smallest,
    target_classes,
    within,
)
from experiments.attacks.threat import TINY
from experiments.attacks.victim import Found, Guide, Model, Victim

WIDER = 3.0  # factor on the weight of distance until one weight fools and another does not
SHARP = 20.0  # lead of the label over the target at the clean image, once logits are scaled


@dataclass(frozen=True)
class Lbfgs:
    """A search for `minimum.smallest`; fields as in `minimum_distortion`.

    Raises:
        BlindspotsError: one of the numbers is below 1, or there is no such loss.
    """

    tries: int
    searches: int
    evaluations: int
    memory: int
    loss: Loss

    def __post_init__(self) -> None:
        Goal(self.loss)
        require_effort(
            *("L-BFGS",),
            tries=self.tries,
            searches=self.searches,
            evaluations=self.evaluations,
            memory=self.memory,
        )

    def __call__(self, part: Victim) -> Found:
        """The nearest fooled point of the searches for each class."""
        best = Found.unjudged(part.clean.clone())
        for targets in target_classes(part, self.tries):
            aimed = replace(part, labels=targets, goal=Goal(self.loss, targeted=True))
            search(aimed, best, self)
        return best


def minimum_distortion(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    generator: torch.Generator,
    targets: Tensor | None = None,
    tries: int = 2,
    searches: int = 8,
    evaluations: int = 8,
    memory: int = 8,
    loss: Loss = "cross-entropy",
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> tuple[Tensor, Tensor]:
    """The nearest input found that fools, and how far it is: sqrt(mean((x' - x)^2)).

    For a target class, L-BFGS lowers loss(x', target) + c / 2 * |x' - x|^2 over x' in [0, 1], for
    a series of c by bisection: the largest c whose minimiser still reaches the target. (Szegedy
    et al. write c |x' - x|; the square is smooth at 0, and since each length has its own c in
    either form, the minimisers along c are the same.) The nearest fooled iterate is then pulled
    straight back to the boundary, and 1/4096 of the way beyond it, so that rounding in another
    batch does not undo it.

    The logits of each image are scaled first, which moves no boundary: under small logits the
    cross-entropy pulls away from all classes at once rather than straight to the target, and a
    network would seem up to a third more robust for the size of its logits alone.

    The targets of an image are the classes that are nearest by the first-order estimate, lead of
    the label over the class divided by the length of its gradient (as in DeepFool,
    Moosavi-Dezfooli et al. 2016): nearer than the runner-up or a random class.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes.
        generator: unused, nothing here is left to chance.
        targets: (N,), the class to reach for each image; default: any class but the label.
        tries: how many target classes are searched per image, where they are not given.
        searches: how many values of c.
        evaluations: gradients per value of c; each search goes on from where the last one ended.
        memory: pairs of past steps from which L-BFGS knows the curvature.
        loss: what is lowered, see `Goal`.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        batch_size: images per forward pass. An image costs about tries * searches * evaluations
            gradients, and one per class to choose the targets.

    Returns:
        (N, ...), each judged in a last forward pass, and (N,). An image that is fooled as
        it is comes back unchanged with 0; one for which nothing was found, unchanged with
        infinity.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before the target was reached.
    """
    return smallest(
        *(model, inputs, labels if targets is None else targets),
        *(Lbfgs(tries, searches, evaluations, memory, loss), "l2"),
        targeted=targets is not None,
        guide=guide,
        batch_size=batch_size,
    )


def lbfgs(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    tries: int = 2,
    searches: int = 8,
    evaluations: int = 8,
    memory: int = 8,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the nearest input that fools, if it lies within; else the clean image.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1], root-mean-squared change.
        generator: unused, nothing here is left to chance.
        keep_going: makes no difference: this attack spends no more than it needs.
        tries: see `minimum_distortion`, as for all below.
        searches: values of c.
        evaluations: gradients per value of c.
        memory: pairs of past steps.
        loss: what is lowered.
        targeted: whether the labels are the targets.
        guide: whose gradient is followed.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: as `minimum_distortion`, or unsuitable epsilons.

    Warns:
        MaskedGradientWarning: as `minimum_distortion`.
    """
    return within(
        *(model, inputs, labels, Lbfgs(tries, searches, evaluations, memory, loss), "l2"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )


def search(aimed: Victim, best: Found, effort: Lbfgs) -> None:
    """Bisects the weight of distance; puts into `best` every iterate at the target that is nearer.

    Args:
        aimed: the model with n images and the class to reach for each.
        best: the nearest fooled inputs so far, changed in place; its loss is minus the distance.
        effort: how long to search.
    """
    far, steepness = first_order(aimed, aimed.labels)
    sharpness = (SHARP / (far * steepness).clamp_min(TINY)).clamp(1e-6, 1e6)

    def sharpened(answer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda points: answer(points) * sharpness[:, None]

    guide = None if aimed.guide is None else sharpened(aimed.guide)
    sharp = replace(aimed, model=sharpened(aimed.model), guide=guide)

    def lower(points: Tensor) -> tuple[Tensor, Tensor]:
        found, gradient = sharp.climb(points.reshape(aimed.clean.shape))
        keep_nearer(aimed, best, found, "l2")
        return -found.loss, -gradient.flatten(1)

    # at the boundary the penalty's slope, weight * far, equals the loss's; half of that to begin
    # with, since a weight that fools teaches more than one that does not
    weight = (sharpness * steepness / far.clamp_min(TINY) / 4).clamp(1e-8, 1e12)
    low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)
    descent = Descent.begin(lower, aimed.clean.flatten(1), weight, effort.memory)
    for _ in range(effort.searches):
        for _ in range(effort.evaluations):
            descent.advance()
        reached = aimed.judge(descent.points.reshape(aimed.clean.shape)).fooled
        low = torch.where(reached, descent.weight, low)
        high = torch.where(reached, high, descent.weight)
        between = torch.where(low > 0, (low * high).sqrt(), high / WIDER)
        descent.weight = torch.where(high.isinf(), low * WIDER, between)
        descent.step = torch.ones_like(weight)
