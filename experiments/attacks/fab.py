"""The smallest change that fools by the fast adaptive boundary attack (Croce & Hein 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH
from experiments.attacks.minimum import (
    against,
    keep_nearer,
    require_effort,
    target_classes,
    within,
)
from experiments.attacks.names import Norm
from experiments.attacks.plane import length, to_plane
from experiments.attacks.threat import TINY, per_image
from experiments.attacks.victim import Found, Guide, Model, Victim

OVERSHOOT = 1.05  # eta of the paper: how far a step aims, relative to the boundary's distance
HOMEWARD = 0.1  # alpha max: largest weight of the point that is nearest to the clean image
BACK = 0.9  # beta: share of the change that is kept once a point fools


@dataclass(frozen=True)
class Fab:
    """A search for `minimum.smallest`; fields as in `fab_l2`.

    Raises:
        BlindspotsError: a number is not above 0.
    """

    norm: Norm
    steps: int
    tries: int

    def __post_init__(self) -> None:
        require_effort("FAB", steps=self.steps, tries=self.tries)

    def __call__(self, part: Victim) -> Found:
        """The nearest fooled point of the walks towards each class."""
        best = Found.unjudged(part.clean.clone())
        for rival in target_classes(part, self.tries):
            rivalry, points = against(part, rival), part.clean
            for _ in range(self.steps):
                found, gradient = rivalry.climb(points)
                moved = self.moved(part.clean, points, gradient, -found.loss)
                judged = part.judge(moved)
                keep_nearer(part, best, judged, self.norm)
                share = torch.where(judged.fooled, BACK, 1.0).to(moved.dtype)
                points = part.clean + per_image(share, moved) * (moved - part.clean)
        return best

    def moved(self, clean: Tensor, points: Tensor, gradient: Tensor, needed: Tensor) -> Tensor:
        """Onto the boundary as it is seen from the points, drawn towards the clean image.

        The biased step of the paper's section 2.

        Args:
            clean: (n, ...), where distance is measured from.
            points: (n, ...), where the gradient was taken.
            gradient: (n, ...), of the rival's lead.
            needed: (n,), how much the rival lacks at the points; below 0 beyond the boundary.
        """
        lacking = needed + (gradient * (points - clean)).flatten(1).sum(1)
        step = to_plane(points, gradient, needed, self.norm)
        fresh = to_plane(clean, gradient, lacking, self.norm)
        near, far = length(step, self.norm), length(fresh, self.norm)
        share = (near / (near + far).clamp_min(TINY)).clamp_max(HOMEWARD)
        onward, anew = points + OVERSHOOT * step, clean + OVERSHOOT * fresh
        return (onward + per_image(share, clean) * (anew - onward)).clamp(0, 1)


def fab_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 20,
    tries: int = 3,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the nearest input that FAB finds, if it lies within; else the clean image.

    Croce & Hein 2020, algorithm 1, towards one class at a time (their FAB-T of AutoAttack, 2020):
    step by step to the boundary as the gradient draws it, each point a mean of the nearest from
    here and the nearest to the clean image, pulled back whenever it fools. There are no restarts.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1], root-mean-squared change.
        generator: unused, nothing here is left to chance.
        keep_going: makes no difference: this attack spends no more than it needs.
        steps: gradients per image and class.
        tries: how many classes are walked to, the nearest first.
        targeted: whether the labels are the targets.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: as `minimum.smallest`, unsuitable epsilons, or a number not above 0.

    Warns:
        MaskedGradientWarning: as `minimum.smallest`.
    """
    return within(
        *(model, inputs, labels, Fab("l2", steps, tries), "l2"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )


def fab_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 20,
    tries: int = 3,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """As `fab_l2`, by the largest change of a pixel.

    Arguments, result and errors as for `fab_l2`; the budgets are largest change of a pixel.
    """
    return within(
        *(model, inputs, labels, Fab("linf", steps, tries), "linf"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )
