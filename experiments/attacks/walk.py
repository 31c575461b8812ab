"""Where the next step of Auto-PGD goes, image by image (Croce and Hein 2020 and 2021).

Each image has a step size of its own, which follows from how its loss has grown; nothing here
asks the model.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from experiments.attacks.ascent import steepest
from experiments.attacks.threat import TOLERANCE, Threat, per_image, project

MOMENTUM = 0.75  # share of the new direction, alpha in the paper; the rest goes on as before
RISING = 0.75  # of the steps between checkpoints: with fewer that raise the loss, a step is halved


@dataclass
class Walk(ABC):
    """Where n images stand in one run; the fields below are changed in place.

    Attributes:
        points: (n, ...), where each stands.
        before: (n, ...), where it stood one step ago.
        gradient: (n, ...), of the loss at the points.
        loss: (n,), at the points.
        summit: (n, ...), the points of highest loss so far.
        slope: (n, ...), the gradient there.
        height: (n,), the loss there.
        size: (n,), the step size in units of epsilon.
    """

    points: Tensor
    before: Tensor
    gradient: Tensor
    loss: Tensor
    summit: Tensor
    slope: Tensor
    height: Tensor
    size: Tensor

    def at(self, rows: Tensor) -> Self:
        """That of the given rows, (k,) or a mask (n,)."""
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def see(self, loss: Tensor, gradient: Tensor) -> None:
        """Takes note of the loss (n,) and its gradient (n, ...) at the points."""
        self.loss, self.gradient = loss, gradient
        higher = loss > self.height
        self.height = torch.where(higher, loss, self.height)
        higher = per_image(higher, gradient)
        self.summit = torch.where(higher, self.points, self.summit)
        self.slope = torch.where(higher, gradient, self.slope)

    def back(self, chosen: Tensor) -> None:
        """Puts the chosen images, bool (n,), back to their summit."""
        chosen = per_image(chosen, self.points)
        self.points = torch.where(chosen, self.summit, self.points)
        self.gradient = torch.where(chosen, self.slope, self.gradient)

    @staticmethod
    @abstractmethod
    def checkpoints(steps: int) -> Sequence[int]:
        """The steps, counted from 0 and ascending, before which step sizes are looked at anew."""

    @abstractmethod
    def adapt(self, clean: Tensor, passed: int) -> None:
        """Looks at the step sizes anew, `passed` steps after the last checkpoint."""

    @abstractmethod
    def advance(self, clean: Tensor, threat: Threat) -> None:
        """One step from the points along the gradient, within the threat."""


@dataclass
class Halving(Walk):
    """Steps with momentum, whose size is halved where they no longer help (2020, algorithm 1).

    Attributes:
        rises: (n,), how many steps raised the loss since the last checkpoint.
        level: (n,), the highest loss at the last checkpoint.
        halved: bool (n,), whether the step was halved there.
        begun: bool (n,), whether a step was taken, so that there is momentum.
    """

    rises: Tensor
    level: Tensor
    halved: Tensor
    begun: Tensor

    @classmethod
    def begin(cls, points: Tensor) -> "Halving":
        """At points (n, ...) of which nothing is known, with steps of twice epsilon."""
        known = _nothing_known(points)
        never = known["height"]
        zero, no = torch.zeros_like(never), torch.zeros_like(never, dtype=torch.bool)
        return cls(**known, size=zero + 2, rises=zero, level=never, halved=no, begun=no)

    @staticmethod
    def checkpoints(steps: int) -> Sequence[int]:
        """At shares 0.22, 0.41, ... of all steps, ever closer, down to 0.06 apart (section 3)."""
        shares = [0.0, 0.22]
        while shares[-1] < 1:
            shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
        at = {math.ceil(round(share * steps, 6)) for share in shares[1:]}
        return sorted(step for step in at if step < steps)

    def see(self, loss: Tensor, gradient: Tensor) -> None:
        """As `Walk.see`; counts the rises."""
        self.level = torch.where(self.begun, self.level, loss)
        self.rises = self.rises + (self.begun & (loss > self.loss))
        super().see(loss, gradient)

    def adapt(self, clean: Tensor, passed: int) -> None:
        """Halves the step, from the summit, by conditions 1 and 2 of section 3."""
        stuck = ~self.halved & (self.height <= self.level)
        self.halved = (self.rises < RISING * passed) | stuck
        self.size = torch.where(self.halved, self.size / 2, self.size)
        self.level, self.rises = self.height, torch.zeros_like(self.rises)
        self.back(self.halved)

    def advance(self, clean: Tensor, threat: Threat) -> None:
        """A step along the gradient, projected, then mixed with the last and projected again."""
        length = per_image(self.size * threat.epsilon, clean)
        ahead = project(clean, self.points + length * steepest(self.gradient, threat.norm), threat)
        mixed = self.points + MOMENTUM * (ahead - self.points)
        mixed = project(clean, mixed + (1 - MOMENTUM) * (self.points - self.before), threat)
        begun = per_image(self.begun, clean)
        self.before, self.points = self.points, torch.where(begun, mixed, ahead)
        self.begun = torch.ones_like(self.begun)


@dataclass
class Sparse(Walk):
    """Steps along ever fewer pixels (2021, section 3 and algorithm 1), without momentum.

    Attributes:
        count: (n,), how many pixels a step moves.
    """

    count: Tensor

    @classmethod
    def begin(cls, points: Tensor) -> "Sparse":
        """At points (n, ...) of which nothing is known, with steps of epsilon on a fifth of all."""
        known = _nothing_known(points)
        one = torch.ones_like(known["height"])
        return cls(**known, size=one, count=(one * points[:1].numel() / 5).ceil())

    @staticmethod
    def checkpoints(steps: int) -> Sequence[int]:
        """Every 4 % of all steps."""
        apart = max(math.ceil(0.04 * steps), 1)
        return range(apart, steps, apart)

    def adapt(self, clean: Tensor, passed: int) -> None:
        """Follows how many pixels the best input so far has changed.

        A step moves two thirds as many. Where that has fallen, steps are large again, from the
        summit; elsewhere they shrink, down to a tenth of epsilon.
        """
        changed = ((self.summit - clean).abs() > TOLERANCE).flatten(1).sum(1)
        count = (changed.to(self.count.dtype) / 1.5).floor().clamp_min(1)
        fewer = count < 0.95 * self.count
        self.size = torch.where(fewer, 1.0, (self.size / 1.5).clamp_min(0.1))
        self.count = count
        self.back(fewer)

    def advance(self, clean: Tensor, threat: Threat) -> None:
        """A step along the pixels of steepest gradient that the box lets move."""
        total = self.size * threat.epsilon * clean[:1].numel()
        step = per_image(total, clean) * sparsest(self.points, self.gradient, self.count)
        self.before = self.points
        self.points = project(clean, self.points + step, threat)


def sparsest(points: Tensor, gradient: Tensor, count: Tensor) -> Tensor:
    """The step of absolute sum 1 along the `count` (n,) steepest pixels, all moved alike.

    Pixels that stand at 0 or 1 and would leave the box are passed over; the paper's algorithm
    counts them in, and on images with a black ground loses most of its step to them.
    """
    free = torch.where(gradient > 0, points < 1, points > 0)
    size = torch.where(free, gradient.abs(), 0).flatten(1)
    least = size.sort(1, descending=True).values.gather(1, count.long()[:, None] - 1)
    chosen = (size >= least) & (size > 0)
    step = gradient.flatten(1).sign() * chosen / chosen.sum(1, keepdim=True).clamp_min(1)
    return step.reshape(gradient.shape)


def _nothing_known(points: Tensor) -> dict[str, Tensor]:
    """The fields of `Walk` but the step size, at points (n, ...) not looked at yet."""
    never = torch.full_like(points.flatten(1)[:, 0], -torch.inf)
    known = dict.fromkeys(("points", "before", "summit"), points)
    flat = torch.zeros_like(points)
    return {**known, "gradient": flat, "slope": flat, "loss": never, "height": never}
