"""The smallest change that fools, by box-constrained L-BFGS (Szegedy et al. 2014, section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH, batches, clean_start, threats
from experiments.attacks.descent import Descent
from experiments.attacks.goal import Goal, Loss, require_labels
from experiments.attacks.threat import TINY, check, distance, per_image, rms
from experiments.attacks.victim import Found, Model, Victim, under_attack
from networks.errors import BlindspotsError

WIDER = 3.0  # factor on the weight of distance until one weight fools and another does not
SHARP = 20.0  # lead of the label over the target at the clean image, once logits are scaled
HALVINGS = 12  # of the line to the clean image: to 1/4096 of the distortion


@dataclass(frozen=True)
class Effort:
    """How long to search; fields as in `minimum_distortion`.

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
        numbers = (self.tries, self.searches, self.evaluations, self.memory)
        if min(numbers) < 1:
            raise BlindspotsError(
                f"L-BFGS was asked for {self.tries} tries, {self.searches} searches, "
                f"{self.evaluations} evaluations and a memory of {self.memory}; each must be "
                "1 or more."
            )


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
        inputs: (N, 1, 28, 28), float in [0, 1].
        labels: (N,), the right classes.
        generator: unused, nothing here is left to chance.
        targets: (N,), the class to reach for each image; default: any class but the label.
        tries: how many target classes are searched per image, where they are not given.
        searches: how many values of c.
        evaluations: gradients per value of c; each search goes on from where the last one ended.
        memory: pairs of past steps from which L-BFGS knows the curvature.
        loss: what is lowered, see `Goal`.
        batch_size: images per forward pass. An image costs about tries * searches * evaluations
            gradients, and one per class to choose the targets.

    Returns:
        (N, 1, 28, 28), each judged in a last forward pass, and (N,). An image that is fooled as
        it is comes back unchanged with 0; one for which nothing was found, unchanged with
        infinity.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before the target was reached.
    """
    effort = Effort(tries, searches, evaluations, memory, loss)
    if targets is not None:
        require_labels(targets, len(inputs))
    wanted, goal = (labels, Goal()) if targets is None else (targets, Goal(targeted=True))
    with under_attack(model, inputs, wanted, goal) as victim:
        found = clean_start(victim, keep_going=False, batch_size=batch_size)
        for rows in batches(victim.rows[~found.fooled], batch_size):
            found.put(rows, nearest(victim.at(rows), effort))
        far = distance(victim.clean, found.inputs, "l2").to(inputs.dtype)
        return found.inputs, torch.where(found.fooled, far, torch.inf)


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
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the nearest input that fools, if it lies within; else the clean image.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, 1, 28, 28), float in [0, 1].
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
        batch_size: images per forward pass.

    Returns:
        (E, N, 1, 28, 28), type and device of the inputs.

    Raises:
        BlindspotsError: as `minimum_distortion`, or unsuitable epsilons.

    Warns:
        MaskedGradientWarning: as `minimum_distortion`.
    """
    listed = threats("l2", epsilons, targeted)
    found, far = minimum_distortion(
        *(model, inputs, labels),
        generator=generator,
        targets=labels if targeted else None,
        tries=tries,
        searches=searches,
        evaluations=evaluations,
        memory=memory,
        loss=loss,
        batch_size=batch_size,
    )
    curve = [torch.where(per_image(far <= t.epsilon, found), found, inputs) for t in listed]
    for changed, threat in zip(curve, listed, strict=True):
        check(inputs, changed, threat)
    return torch.stack(curve)


def nearest(part: Victim, effort: Effort) -> Found:
    """For n images that are not fooled yet, the nearest input found, if any.

    Args:
        part: the model with n images; its goal says what counts as fooled in the end.
        effort: how long to search.
    """
    best = Found.unjudged(part.clean.clone())
    for targets in target_classes(part, effort.tries):
        aimed = replace(part, labels=targets, goal=Goal(effort.loss, targeted=True))
        search(aimed, best, effort)
    return tighten(part, best)


def target_classes(part: Victim, count: int) -> Tensor:
    """Classes to aim at, nearest first: (count, n), fewer where there are fewer classes."""
    if part.goal.targeted:
        return part.labels[None]
    with torch.no_grad():
        classes = part.logits(part.clean[:1]).shape[1]
    others = [(part.labels + offset) % classes for offset in range(1, classes)]
    order = torch.stack([first_order(part, each)[0] for each in others]).argsort(stable=True, dim=0)
    return torch.stack(others).gather(0, order)[:count]


def first_order(part: Victim, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How far the targets (n,) are if the logits are linear, and the slope: two Euclidean (n,)."""
    aimed = replace(part, labels=targets, goal=Goal("margin", targeted=True))
    found, gradient = aimed.climb(part.clean)
    steepness = torch.linalg.vector_norm(gradient.flatten(1), dim=1).clamp_min(TINY)
    return -found.loss / steepness, steepness


def search(aimed: Victim, best: Found, effort: Effort) -> None:
    """Bisects the weight of distance; puts into `best` every iterate at the target that is nearer.

    Args:
        aimed: the model with n images and the class to reach for each.
        best: the nearest fooled inputs so far, changed in place; its loss is minus the distance.
        effort: how long to search.
    """
    rows = torch.arange(len(aimed.labels), device=aimed.labels.device)
    far, steepness = first_order(aimed, aimed.labels)
    sharpness = (SHARP / (far * steepness).clamp_min(TINY)).clamp(1e-6, 1e3)
    sharp = replace(aimed, model=lambda points: aimed.model(points) * sharpness[:, None])

    def lower(points: Tensor) -> tuple[Tensor, Tensor]:
        found, gradient = sharp.climb(points.reshape(aimed.clean.shape))
        near = -rms(found.inputs - aimed.clean)
        best.keep_better(rows, Found(found.inputs, near, found.fooled))
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


def tighten(part: Victim, best: Found) -> Found:
    """Pulls fooled inputs straight back to just beyond the boundary; judges what it returns.

    Args:
        part: the model with n images.
        best: inputs, of which those that are fooled are pulled.

    Returns:
        What the model makes of them; the clean image where no input is fooled.
    """
    change = best.inputs - part.clean

    def part_way(share: Tensor) -> Found:
        moved = part.clean + per_image(share, change) * change
        return part.judge(moved.clamp(0, 1))

    right, wrong = torch.zeros_like(best.loss), torch.ones_like(best.loss)
    for _ in range(HALVINGS):
        middle = (right + wrong) / 2
        fooled = part_way(middle).fooled
        right, wrong = torch.where(fooled, right, middle), torch.where(fooled, middle, wrong)
    final = part.judge(part.clean.clone())
    for share in (torch.ones_like(wrong), wrong, 2 * wrong - right):
        tried = part_way(share)
        final.put(tried.fooled.nonzero()[:, 0], tried.at(tried.fooled))
    return final
