"""The smallest change that fools by a ball that shrinks and grows (FMN, Pintor et al. 2021)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.ascent import steepest
from experiments.attacks.curve import BATCH
from experiments.attacks.minimum import (
    against,
    keep_nearer,
    require_effort,
    target_classes,
    within,
)
from experiments.attacks.names import Norm
from experiments.attacks.plane import dual_length, length
from experiments.attacks.threat import TINY, per_image
from experiments.attacks.victim import Found, Guide, Model, Victim


@dataclass(frozen=True)
class Fmn:
    """A search for `minimum.smallest`; fields as in `fmn_l2`.

    Raises:
        BlindspotsError: a number is not above 0.
    """

    norm: Norm
    steps: int
    tries: int
    relative_step: float
    rate: float

    def __post_init__(self) -> None:
        require_effort(
            *("FMN",),
            steps=self.steps,
            tries=self.tries,
            relative_step=self.relative_step,
            rate=self.rate,
        )

    def __call__(self, part: Victim) -> Found:
        """The nearest fooled point of the walks towards each class."""
        best = Found.unjudged(part.clean.clone())
        for rival in target_classes(part, self.tries):
            keep_nearer(part, best, self.walk(against(part, rival)), self.norm)
        return best

    def walk(self, part: Victim) -> Found:
        """The nearest fooled iterate of each image, before one rival class."""
        best = Found.unjudged(part.clean.clone())
        points, radius = part.clean, torch.zeros_like(best.loss)
        for step in range(self.steps):
            found, gradient = part.climb(points)
            keep_nearer(part, best, found, self.norm)
            fade = (1 + math.cos(math.pi * step / self.steps)) / 2
            radius = self.resized(radius, found, best, part.clean, gradient, self.rate * fade)
            stride = per_image(self.relative_step * fade * radius, points)
            moved = points + stride * steepest(gradient, self.norm)
            points = self.pulled(part.clean, moved, radius)
        keep_nearer(part, best, part.judge(points), self.norm)
        return best

    def resized(
        self,
        radius: Tensor,
        found: Found,
        best: Found,
        clean: Tensor,
        gradient: Tensor,
        rate: float,
    ) -> Tensor:
        """The next radius of the ball: smaller where the last point fools, else larger.

        Before anything was found, it goes to where the gradient promises the boundary. There, and
        a little farther each time, for good: on a boundary that bends away, the promise alone
        would be broken for ever, and nothing found.
        """
        promised = -found.loss / dual_length(gradient, self.norm).clamp_min(TINY)
        reach = length(found.inputs - clean, self.norm) + promised
        unknown = torch.maximum(radius, reach) * (1 + self.rate)
        outward = torch.where(best.fooled, radius * (1 + rate), unknown)
        inward = torch.minimum(radius, -best.loss) * (1 - rate)
        return torch.where(found.fooled, inward, outward).clamp_max(1)

    def pulled(self, clean: Tensor, points: Tensor, radius: Tensor) -> Tensor:
        """Points in the box, straightened into the ball of each image's radius."""
        change = points.clamp(0, 1) - clean
        if self.norm == "linf":
            limit = per_image(radius, change)
            return clean + torch.minimum(torch.maximum(change, -limit), limit)
        share = (radius / length(change, self.norm).clamp_min(TINY)).clamp_max(1)
        return clean + per_image(share, change) * change


def fmn_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 30,
    tries: int = 9,
    relative_step: float = 1.0,
    rate: float = 0.1,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """At each budget the nearest input that FMN finds, if it lies within; else the clean image.

    Pintor et al. 2021, algorithm 1: steps along the gradient of the margin, each pulled back into a
    ball around the clean image that shrinks while the point fools and grows while it does not.
    Three things differ. Steps are relative to the ball rather than absolute, so that they suit
    inputs of any size; while nothing was found the ball grows for good, see `Fmn.resized`; and each
    class has a walk of its own, which finds nearer inputs than longer walks to whichever class
    is ahead on the way.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1], root-mean-squared change.
        generator: unused, nothing here is left to chance.
        keep_going: makes no difference: this attack spends no more than it needs.
        steps: gradients per image and class.
        tries: how many classes are walked to, the nearest first.
        relative_step: of a step, in radii of the ball; it fades to 0 along a cosine.
        rate: by which the radius changes from step to step; it fades alike.
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
        *(model, inputs, labels, Fmn("l2", steps, tries, relative_step, rate), "l2"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )


def fmn_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: torch.Generator,
    keep_going: bool = False,
    steps: int = 30,
    tries: int = 9,
    relative_step: float = 1.0,
    rate: float = 0.1,
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """As `fmn_l2`, by the largest change of a pixel, with steps along the sign of the gradient.

    Arguments, result and errors as for `fmn_l2`; the budgets are largest change of a pixel.
    """
    return within(
        *(model, inputs, labels, Fmn("linf", steps, tries, relative_step, rate), "linf"),
        epsilons=epsilons,
        targeted=targeted,
        guide=guide,
        batch_size=batch_size,
    )
