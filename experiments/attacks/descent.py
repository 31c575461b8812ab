"""Box-constrained L-BFGS for many images at once, each with its own memory and step length."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.threat import TINY

SLOPE = 1e-4  # fraction of the promised decrease that a step must keep (Armijo)
ROUNDING = 1e-6  # relative; a rise below it may be float32's
BEND = 1e-3  # of the penalty's curvature; pairs that bend less would make the steps explode

Loss = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From points (n, D) to the loss of each, (n,), and its gradient (n, D)."""


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products along the last axis."""
    return (a * b).sum(-1)


@dataclass
class Descent:
    """Lowers loss(x) + weight / 2 * |x - clean|^2 for n images, x within [0, 1].

    The two-loop recursion of L-BFGS over the pixels that are free to move, with the projected
    line search of Bertsekas 1982. The memory holds how the loss's gradient changed; the penalty's
    share, weight times the change of x, is known and added at use, so that what was learnt at one
    weight serves at the next. One evaluation moves all images: those whose step does not pay
    shorten it, the others go on.

    Attributes:
        loss: what is lowered, besides the distance.
        clean: (n, D), in [0, 1].
        weight: (n,), above 0, how much distance costs; may be changed between evaluations.
        points: (n, D), where the images are.
        value: (n,), the loss there.
        gradient: (n, D), of the loss there.
        step: (n,), length of the next step along the quasi-Newton direction.
        changes: (m, n, D), past changes of the points, the newest last; 0 where there is none.
        bends: (m, n, D), the changes of the loss's gradient that went with them.
    """

    loss: Loss
    clean: Tensor
    weight: Tensor
    points: Tensor
    value: Tensor
    gradient: Tensor
    step: Tensor
    changes: Tensor
    bends: Tensor

    @classmethod
    def begin(cls, loss: Loss, clean: Tensor, weight: Tensor, memory: int) -> "Descent":
        """At the clean images, with nothing remembered; one evaluation."""
        value, gradient = loss(clean)
        empty = clean.new_zeros((memory, *clean.shape))
        return cls(
            *(loss, clean, weight, clean, value, gradient),
            *(torch.ones_like(value), empty, empty.clone()),
        )

    def slope(self) -> Tensor:
        """The gradient (n, D) of loss and penalty together."""
        return self.gradient + self.weight[:, None] * (self.points - self.clean)

    def total(self, points: Tensor, value: Tensor) -> Tensor:
        """Loss and penalty together, (n,), of points whose loss is known."""
        return value + self.weight / 2 * (points - self.clean).square().sum(1)

    def direction(self, slope: Tensor) -> Tensor:
        """Where to go, (n, D): the two-loop recursion over the pixels that are free to move.

        Without memory the curvature is the penalty's alone, its weight.
        """
        outward = ((self.points <= 0) & (slope > 0)) | ((self.points >= 1) & (slope < 0))
        free = (~outward).to(slope.dtype)
        downhill, weight = -slope * free, self.weight[:, None]
        changes = self.changes * free
        bends = self.bends * free + weight * changes
        curvature = dot(changes, bends)
        sound = curvature > BEND * self.weight * dot(changes, changes)
        inverse = torch.where(sound, 1 / curvature.clamp_min(TINY), 0)
        wanted, taken = downhill.clone(), torch.zeros_like(curvature)
        for i in reversed(range(len(changes))):
            taken[i] = inverse[i] * dot(changes[i], wanted)
            wanted -= taken[i][:, None] * bends[i]
        wanted /= weight
        for i in range(len(changes)):
            back = inverse[i] * dot(bends[i], wanted)
            wanted += (taken[i] - back)[:, None] * changes[i]
        descends = dot(wanted, downhill) > 0
        return torch.where(descends[:, None], wanted, downhill / weight)

    def advance(self) -> None:
        """One evaluation: each image tries its step, and keeps it if the objective falls."""
        slope = self.slope()
        trial = (self.points + self.step[:, None] * self.direction(slope)).clamp(0, 1)
        value, gradient = self.loss(trial)
        before, after = self.total(self.points, self.value), self.total(trial, value)
        promised = dot(slope, trial - self.points)
        pays = after <= before + SLOPE * promised + ROUNDING * before.abs()
        self.remember(pays, trial - self.points, gradient - self.gradient)
        self.points = torch.where(pays[:, None], trial, self.points)
        self.value = torch.where(pays, value, self.value)
        self.gradient = torch.where(pays[:, None], gradient, self.gradient)
        # the parabola through both values and the slope says where the step would have paid
        lowest = -promised / (2 * (after - before - promised)).clamp_min(TINY)
        self.step = torch.where(pays, torch.ones_like(lowest), self.step * lowest.clamp(0.1, 0.5))

    def remember(self, rows: Tensor, change: Tensor, bend: Tensor) -> None:
        """Puts a pair last in the memory of the given images, bool (n,), and drops the first."""
        for memory, new in ((self.changes, change), (self.bends, bend)):
            memory[:, rows] = torch.cat([memory[1:, rows], new[None, rows]])
