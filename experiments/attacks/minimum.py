"""The smallest change that fools: what every attack of that kind shares, whatever it follows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from experiments.attacks.curve import batches, clean_start, threats
from experiments.attacks.goal import Goal
from experiments.attacks.names import Norm
from experiments.attacks.threat import TINY, check, distance, per_image
from experiments.attacks.victim import Found, Guide, Model, Victim, under_attack
from networks.errors import BlindspotsError

HALVINGS = 12  # of the line to the clean image: to 1/4096 of the distance

Search = Callable[[Victim], Found]
"""From n images that are not fooled to the nearest input found for each that is, if any."""


def require_effort(attack: str, **numbers: float) -> None:
    """That all numbers are positive.

    Raises:
        BlindspotsError: one is not; the sentence names the attack and its numbers.
    """
    if not all(number > 0 for number in numbers.values()):
        asked = ", ".join(f"{name} = {number}" for name, number in numbers.items())
        raise BlindspotsError(f"{attack} was asked for {asked}; each must be positive.")


def smallest(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    search: Search,
    norm: Norm,
    *,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """The nearest input found that fools, and how far it is in intensity.

    Every input that the search finds is pulled straight back to the boundary, and judged there.

    Args:
        model: inputs to logits.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        search: called on parts of at most `batch_size` images, none of them fooled as it is.
        norm: how distance is measured, see `threat`.
        targeted: whether the labels are the targets.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        batch_size: images per part.

    Returns:
        (N, ...), each judged in a last forward pass, and (N,). An image that is fooled as it is
        comes back unchanged with 0; one for which nothing was found, unchanged with infinity.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before an image was fooled.
    """
    with under_attack(model, inputs, labels, Goal(targeted=targeted), guide) as victim:
        found = clean_start(victim, keep_going=False, batch_size=batch_size)
        for rows in batches(victim.rows[~found.fooled], batch_size):
            part = victim.at(rows)
            found.put(rows, tighten(part, search(part)))
        far = distance(victim.clean, found.inputs, norm).to(inputs.dtype)
        return found.inputs, torch.where(found.fooled, far, torch.inf)


def within(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    search: Search,
    norm: Norm,
    *,
    epsilons: Sequence[float],
    targeted: bool,
    guide: Guide | None,
    batch_size: int,
) -> Tensor:
    """At each budget the input of `smallest`, if it lies within; else the clean image.

    Args:
        epsilons: E ascending budgets in [0, 1], in the unit of the norm.

    Further arguments, errors and warnings as for `smallest`.

    Returns:
        (E, N, ...), type and device of the inputs.
    """
    listed = threats(norm, epsilons, targeted)
    found, far = smallest(
        *(model, inputs, labels, search, norm),
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )
    curve = [torch.where(per_image(far <= t.epsilon, found), found, inputs) for t in listed]
    for changed, threat in zip(curve, listed, strict=True):
        check(inputs, changed, threat)
    return torch.stack(curve)


def tighten(part: Victim, best: Found) -> Found:
    """Pulls fooled inputs straight back to just beyond the boundary; judges what it returns.

    It stays 1/4096 of the way beyond, so that rounding in another batch does not undo it.

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


def keep_nearer(part: Victim, best: Found, found: Found, norm: Norm) -> None:
    """Puts into `best`, whose loss is minus the distance, those fooled inputs that are nearer."""
    near = -distance(part.clean, found.inputs, norm).to(best.loss.dtype)
    rows = torch.arange(len(near), device=near.device)
    best.keep_better(rows, Found(found.inputs, near, found.fooled))


def target_classes(part: Victim, count: int) -> Tensor:
    """Classes to aim at, (count, n), fewer where there are fewer: the nearest, nearest first.

    Nearest by the first-order estimate: lead of the label over the class divided by the length of
    its gradient (as in DeepFool, Moosavi-Dezfooli et al. 2016).
    """
    if part.goal.targeted:
        return part.labels[None]
    first = part.at(torch.zeros_like(part.rows[:1]))
    with torch.no_grad():
        classes = first.logits(first.clean).shape[1]
    others = torch.stack([(part.labels + offset) % classes for offset in range(1, classes)])
    if count >= len(others):
        return others
    order = torch.stack([first_order(part, each)[0] for each in others]).argsort(stable=True, dim=0)
    return others.gather(0, order)[:count]


def first_order(part: Victim, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How far the targets (n,) are if the logits are linear, and the slope: two Euclidean (n,)."""
    found, gradient = against(part, targets).climb(part.clean)
    steepness = torch.linalg.vector_norm(gradient.flatten(1), dim=1).clamp_min(TINY)
    return -found.loss / steepness, steepness


def against(part: Victim, targets: Tensor) -> Victim:
    """The same images before one rival class each, (n,): what is raised is its lead.

    Where the images are to reach that very class it must lead all others; where they only are to
    leave their label, no class but the two counts, so that a third cannot hide their boundary.
    """
    margin = Goal("margin", part.goal.targeted)
    if part.goal.targeted:
        return replace(part, labels=targets, goal=margin)
    pair = torch.stack([part.labels, targets], 1)

    def only(answer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def two(points: Tensor) -> Tensor:
            logits = answer(points)
            return logits.gather(-1, pair.expand(*logits.shape[:-1], 2))

        return two

    guide = None if part.guide is None else only(part.guide)
    own = torch.zeros_like(part.labels)
    return replace(part, model=only(part.model), labels=own, goal=margin, guide=guide)
