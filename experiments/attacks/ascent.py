"""Projected gradient ascent (Madry et al. 2018, equation 2), under linf and l2."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from experiments.attacks.curve import clean_start, curve
from experiments.attacks.names import Norm
from experiments.attacks.noise import drawn
from experiments.attacks.threat import TINY, Threat, per_image, project, rms
from experiments.attacks.victim import Found, Victim
from networks.errors import BlindspotsError, unknown

Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Plan:
    """How projected gradient ascent proceeds; fields as in `gradient.pgd_linf`.

    Raises:
        BlindspotsError: steps or restarts below 1, a step size not above 0, no such schedule.
    """

    steps: int
    restarts: int
    relative_step: float
    schedule: Schedule
    random_start: bool
    keep_going: bool

    def __post_init__(self) -> None:
        if self.schedule not in get_args(Schedule):
            raise unknown("schedule", self.schedule, get_args(Schedule))
        if self.steps < 1 or self.restarts < 1 or not 0 < self.relative_step < math.inf:
            raise BlindspotsError(
                f"Projected gradient was asked for {self.steps} steps of relative size "
                f"{self.relative_step} and {self.restarts} restarts; each must be positive."
            )

    def step_size(self, step: int, epsilon: float) -> float:
        """Intensity moved at a step (from 0)."""
        fade = 1 + math.cos(math.pi * step / self.steps) if self.schedule == "cosine" else 1.0
        return fade * self.relative_step * epsilon / self.steps


def projected_ascent(
    victim: Victim,
    plan: Plan,
    listed: Sequence[Threat],
    generator: torch.Generator,
    batch_size: int,
) -> Tensor:
    """The curve of projected gradient ascent under linf or l2, see `gradient.pgd_linf`."""
    offsets = [
        random_offsets(listed[0].norm, victim.clean, generator)
        if plan.random_start
        else torch.zeros_like(victim.clean)
        for _ in range(plan.restarts)
    ]

    def search(part: Victim, best: Found, threat: Threat) -> Found:
        for offset in offsets:
            ascend(part, best, offset[part.rows], threat, plan)
        return best

    # judged even where all go on: an image that is wrong as it is must not count as withstanding
    start = clean_start(victim, keep_going=False, batch_size=batch_size)
    return curve(
        *(victim, listed, start, search), keep_going=plan.keep_going, batch_size=batch_size
    )


def random_offsets(norm: Norm, like: Tensor, generator: torch.Generator) -> Tensor:
    """Random points in the ball of radius 1 around 0: shape of `like` (N, ...).

    The linf ball: uniform. The l2 and l1 balls: any point of the sphere alike, with a radius
    uniform in [0, 1]; uniform in the ball itself, nearly all starts would lie at its edge, for it
    has 784 dimensions, and so far from the gradient's direction the ascent fools fewer images.
    """
    if norm == "linf":
        return 2 * drawn(torch.rand, like, generator) - 1
    if norm == "l2":
        direction = drawn(torch.randn, like, generator)
        size = rms(direction)
    else:  # Laplace's distribution is alike on all points of an l1 sphere
        share = 2 * drawn(torch.rand, like, generator) - 1
        direction = share.sign() * (-torch.log1p(-share.abs())).clamp_max(100)
        size = direction.flatten(1).abs().mean(1)
    radius = drawn(torch.rand, like.flatten(1)[:, 0], generator)
    return direction * per_image(radius / size, like)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The unit step (in that norm) that raises the loss most; 0 where the gradient is 0."""
    if norm == "linf":
        return gradient.sign()
    gradient = gradient / per_image(gradient.flatten(1).abs().amax(1), gradient).clamp_min(TINY)
    return gradient / per_image(rms(gradient), gradient).clamp_min(TINY)


def ascend(part: Victim, best: Found, offset: Tensor, threat: Threat, plan: Plan) -> None:
    """One run of projected gradient ascent; puts into `best` (n images) what it betters.

    Args:
        part: the model with n images.
        best: the best known inputs, changed in place.
        offset: (n, ...), where to start, relative to the clean image and epsilon.
        threat: the budget.
        plan: how to proceed.
    """
    live = torch.arange(len(best.fooled), device=offset.device)
    if not plan.keep_going:
        live = live[~best.fooled]
    here, points = part.at(live), offset[live] * threat.epsilon + part.clean[live]
    points = project(here.clean, points, threat)
    for step in range(plan.steps):
        if not len(live):
            return
        found, gradient = here.climb(points)
        best.keep_better(live, found)
        if not plan.keep_going and found.fooled.any():
            stay = ~found.fooled
            live, points, gradient, here = live[stay], points[stay], gradient[stay], here.at(stay)
        moved = points + plan.step_size(step, threat.epsilon) * steepest(gradient, threat.norm)
        points = project(here.clean, moved, threat)
    if len(live):
        best.keep_better(live, here.judge(points))
