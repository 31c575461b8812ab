"""The smallest change that fools by steps to the nearest linearised boundary (DeepFool)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH
from experiments.attacks.minimum import (
    against,
    require_effort,
    target_classes,
    within,
)
from experiments.attacks.names import Norm
from experiments.attacks.plane import length, to_plane
from experiments.attacks.victim import Found, Guide, Model, Victim


@dataclass(frozen=True)
class DeepFool:
    """A search for `minimum.smallest`; fields as in `deepfool_l2`.

    Raises:
        BlindspotsError: a number is not above 0.
    """

    norm: Norm
    steps: int
    overshoot: float
    candidates: int

    def __post_init__(self) -> None:
        require_effort(
            "DeepFool",
            steps=self.steps,
            overshoot=self.overshoot,
            candidates=self.candidates,
        )

    def __call__(self, part: Victim) -> Found:
        """The first fooled point of each image's walk."""
        classes = target_classes(part, self.candidates)
        best = Found.unjudged(part.clean.clone())
        walked = torch.zeros_like(part.clean)
        for _ in range(self.steps):
            live = (~best.fooled).nonzero()[:, 0]
            if not len(live):
                break
            here = part.at(live)
            walked[live] += self.stride(here, classes[:, live], self.beyond(here, walked[live]))
            found = here.judge(self.beyond(here, walked[live]))
            best.put(live[found.fooled], found.at(found.fooled))
        return best

    def beyond(self, part: Victim, walked: Tensor) -> Tensor:
        """Where a walk has led, and the overshoot past it, in the box."""
        return (part.clean + (1 + self.overshoot) * walked).clamp(0, 1)

    def stride(self, part: Victim, classes: Tensor, points: Tensor) -> Tensor:
        """From the points to the nearest of the boundaries to k classes (k, n) if all are flat."""
        nearest = torch.full_like(points, torch.inf)
        for rival in classes:
            found, gradient = against(part, rival).climb(points)
            change = to_plane(points, gradient, -found.loss, self.norm)
            nearer = length(change, self.norm) < length(nearest, self.norm)
            nearest[nearer] = change[nearer]
        return nearest


def deepfool_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 9,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the input to which DeepFool walks, if it lies within; else the clean image.

    Moosavi-Dezfooli et al. 2016, algorithm 2: step by step to the nearest boundary as the gradients
    draw it, until the image is fooled. Each step is the smallest within [0, 1], whereas the paper
    knows no box. It stops where it first crosses a boundary, seldom at the nearest point of it.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1], root-mean-squared change.
        generator: unused, nothing here is left to chance.
        keep_going: makes no difference: this attack spends no more than it needs.
        steps: the longest walk; most images need a few.
        overshoot: how far beyond the boundary each point lies, relative to the walk.
        candidates: classes whose boundaries are weighed, nearest first by the clean image's
            gradients; a step takes one gradient for each.
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
        *(model, inputs, labels, DeepFool("l2", steps, overshoot, candidates), "l2"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )


def deepfool_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 9,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """As `deepfool_l2`, by the largest change of a pixel (section 3.3 of the paper).

    Arguments, result and errors as for `deepfool_l2`; the budgets are largest change of a pixel.
    """
    return within(
        *(model, inputs, labels, DeepFool("linf", steps, overshoot, candidates), "linf"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )
