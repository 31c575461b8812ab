"""Checks by what never follows the model's gradient: it must do no better than what does."""

import math

import torch
from torch import Tensor

from experiments.attacks.curve import step_along
from experiments.attacks.names import ATTACKS, Norm
from experiments.attacks.threat import stretch
from experiments.audit.finding import Finding, not_applicable
from experiments.audit.grade import TRANSFER, overturning, spread_over
from experiments.audit.subject import Subject

CHUNK = 500  # draws per forward pass
LABELS_ALONE: dict[Norm, str] = {"linf": "hopskipjump-linf", "l2": "hopskipjump-l2"}


def square(subject: Subject) -> Finding:
    """4. Random search by scores fools no image that the claim leaves (AutoAttack: 0.2 points)."""
    if subject.squared is None:
        return not_applicable("square", "There is no Square attack within this norm.")
    means = f"{subject.allowance.queries} queries without gradients (Square)"
    return overturning("square", subject, subject.survivors, ~subject.squared, means)


def hard_label(subject: Subject) -> Finding:
    """14. A search by labels alone fools no image that the claim leaves (HopSkipJump)."""
    name = LABELS_ALONE.get(subject.claim.entry.norm)
    if name not in ATTACKS:
        return not_applicable("hard label", "There is no attack by labels alone for this norm.")
    rows = spread_over(subject.survivors, subject.allowance.few)
    made = subject.attacked(rows, attack=name, what="hard label")
    return overturning(
        "hard label", subject, rows, ~subject.withstood(made, rows), "Labels alone (HopSkipJump)"
    )


def noise(subject: Subject) -> Finding:
    """11. Ten thousand draws of noise at the full budget fool no image that the claim leaves.

    Within the largest change of a pixel half of the draws are uniform and half at the corners;
    the same draws for every image and model.
    """
    rows = spread_over(subject.survivors, subject.allowance.handful)
    fooled = torch.zeros(len(rows), dtype=torch.bool)
    chance, epsilon = subject.chance("noise"), subject.claim.epsilon
    for at in range(-(-subject.allowance.draws // CHUNK)):
        directions = torch.randn((CHUNK, *subject.images.shape[1:]), generator=chance)
        for i, row in enumerate(rows):
            if not fooled[i]:
                clean = subject.images[row].expand_as(directions)
                points = shaken(clean, directions, epsilon, subject.claim.entry.norm, at % 2 == 0)
                answer = subject.answers(points).argmax(1)
                fooled[i] = bool((answer != subject.labels[row]).any())
    return overturning("noise", subject, rows, fooled, f"{subject.allowance.draws} draws of noise")


def shaken(
    clean: Tensor, directions: Tensor, epsilon: float, norm: Norm, at_corners: bool
) -> Tensor:
    """Noisy images from normal numbers of their shape."""
    if norm != "linf":
        return stretch(clean, directions, epsilon)
    even = directions.sign() if at_corners else torch.erf(directions / 2**0.5)  # uniform
    return step_along(clean, even, epsilon)


def transfer(subject: Subject) -> Finding:
    """12. Inputs made on other networks fool no image that the claim leaves, to one point.

    What the run scored of other sources and attacks within the same budget, and what the claimed
    attack makes on other models here.
    """
    rows, means = subject.survivors, list(subject.others)
    fooled = torch.zeros(len(rows), dtype=torch.bool)
    for withstood in subject.transferred.values():
        fooled |= ~withstood[rows]
    for name, model in subject.others.items():
        made = subject.attacked(rows, model=model, keep_going=True, what=f"on {name}")
        fooled |= ~subject.withstood(made, rows)
    sets = len(subject.transferred)
    if not sets and not means:
        sentence = "No other network is at hand, so that nothing could be transferred from one."
        return Finding("transfer", "warn", math.nan, "points", sentence)
    parts = [f"made on {', '.join(means)}"] if means else []
    parts += [f"of {sets} sets that the run has from elsewhere"] if sets else []
    return overturning(
        *("transfer", subject, rows, fooled, f"Inputs {' and '.join(parts)}"), tolerated=TRANSFER
    )
