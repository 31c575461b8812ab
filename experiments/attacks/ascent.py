"""Projected gradient ascent (Madry et al. 2018, equation 2), under linf and l2."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from experiments.attacks.compiled import Ascent, is_led, lead
from experiments.attacks.curve import clean_start, curve
from experiments.attacks.names import Norm
from experiments.attacks.sources import Source, drawn
from experiments.attacks.threat import TINY, Threat, check, length, per_image, project, rms
from experiments.attacks.victim import Found, Victim, picked
from networks.errors import BlindspotsError, unknown

Schedule = Literal["constant", "cosine"]

IDLE = 2
"""After so many steps in a row that lead nowhere an ascent ends: steps never grow, so all to come
would lead nowhere too. One would do but for models that answer by chance, which seldom stand still
twice; where a gradient was ever zero, which such models may repeat, an ascent takes all steps."""


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
    generator: Source,
    batch_size: int,
) -> Tensor:
    """The curve of projected gradient ascent under linf or l2, see `gradient.pgd_linf`."""
    offsets = torch.stack(
        [
            random_offsets(listed[0].norm, victim.clean, generator)
            if plan.random_start
            else torch.zeros_like(victim.clean)
            for _ in range(plan.restarts)
        ]
    )
    # judged even where all go on: an image that is wrong as it is must not count as withstanding
    start = clean_start(victim, keep_going=False, batch_size=batch_size)
    if not plan.keep_going:
        return Climbers(victim, plan, listed, offsets, start).curve(batch_size)

    def search(part: Victim, best: Found, threat: Threat) -> Found:
        Climbers(part, plan, [threat], offsets[:, part.rows], best).curve(batch_size)
        return best

    return curve(victim, listed, start, search, keep_going=True, batch_size=batch_size)


def random_offsets(norm: Norm, like: Tensor, generator: Source) -> Tensor:
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


class Climbers:
    """Images on their ways up, each at a budget, a restart and a step of its own.

    Who is fooled, or has withstood all budgets, makes room for those that wait: the model is always
    asked about as many images as there may be, those at the smallest budgets first. No image
    depends on which others are asked about with it. Where C++ can lead them (`compiled`), it does.

    Args:
        victim: the model with n images.
        plan: how each ascent proceeds.
        listed: E ascending threats of one norm.
        offsets: (restarts, n, ...), where to start, relative to the clean image and epsilon.
        best: the best known inputs, judged; changed in place.
    """

    def __init__(
        self, victim: Victim, plan: Plan, listed: Sequence[Threat], offsets: Tensor, best: Found
    ):
        self.victim, self.plan, self.listed = victim, plan, listed
        self.offsets, self.best = offsets, best
        exactly: dict[str, Any] = {"dtype": victim.clean.dtype, "device": victim.clean.device}
        self.epsilons = torch.tensor([each.epsilon for each in listed], **exactly)
        self.sizes = torch.tensor(
            [[plan.step_size(s, each.epsilon) for s in range(plan.steps)] for each in listed],
            **exactly,
        )
        self.points = torch.empty_like(victim.clean)
        self.out = victim.clean.new_empty((len(listed), *victim.clean.shape))
        self.is_linf = listed[0].norm == "linf"
        if self.is_linf:  # the least and the most of each pixel
            self.box = victim.clean.new_empty((2, *victim.clean.shape))
        self.level, self.restart, self.step, self.idle = torch.zeros(
            (4, len(victim.clean)), dtype=torch.int64, device=victim.clean.device
        )
        self.fooled_at = torch.full_like(self.level, len(listed))
        self.is_led = self.is_linf and not listed[0].window and is_led(victim)  # in C++

    def curve(self, batch_size: int) -> Tensor:
        """(E, n, ...), every input checked against its threat; asks about `batch_size` at once."""
        everyone = torch.arange(len(self.level), device=self.level.device)
        if not self.plan.keep_going and not self.is_led:
            self.retire(everyone[self.best.fooled])
        if self.is_led:
            tables = (self.epsilons, self.sizes, self.offsets, self.best, self.fooled_at, self.out)
            lead(self.victim, Ascent(*tables, IDLE, self.plan.keep_going), batch_size)
        else:
            self.set_out(everyone)
            while len(rows := self.next(batch_size)):
                is_last = self.step[rows] == self.plan.steps
                self.climb(rows[~is_last])
                self.judge(rows[is_last])
        for level, threat in enumerate(self.listed):
            past = self.fooled_at <= level  # the ball in which they were fooled lies within
            self.out[level, past] = self.best.inputs[past]
            check(self.victim.clean, self.out[level], threat)
        return self.out

    def next(self, batch_size: int) -> Tensor:
        """Whom to ask about: the rows of at most so many images, none once all are through."""
        rows = (self.level < len(self.listed)).nonzero()[:, 0]
        if len(rows) <= batch_size:
            return rows
        return rows[self.level[rows].argsort(stable=True)[:batch_size]]

    def climb(self, rows: Tensor) -> None:
        """One step of the images `rows` (k,)."""
        if not len(rows):
            return
        here = self.victim.at(rows)
        found, gradient = here.climb(self.points.index_select(0, rows))
        stays = self.advance(rows, found.inputs, gradient)  # of the fooled, too: nobody asks
        self.step[rows] += 1
        goes_on = self.keep(rows, found)
        if not self.plan.keep_going:
            is_idle = stays & ~here.masked[here.rows]
            self.idle[rows] = torch.where(is_idle, self.idle[rows] + 1, 0)
            self.turn(rows[goes_on & (self.idle[rows] == IDLE)])

    def advance(self, rows: Tensor, points: Tensor, gradient: Tensor) -> Tensor:
        """Move the images `rows` (k,) on from their points; bool (k,), which stay there."""
        size = self.sizes[self.level[rows], self.step[rows]]
        moved = steepest(gradient, self.listed[0].norm).mul_(per_image(size, points)).add_(points)
        moved = self.projected(rows, moved)
        self.points.index_copy_(0, rows, moved)
        return length(moved - points, "linf") == 0

    def judge(self, rows: Tensor) -> None:
        """The last iterates of the images `rows` (k,), after which each has to start anew."""
        if len(rows):
            found = self.victim.at(rows).judge(picked(self.points, rows))
            self.turn(rows[self.keep(rows, found)])

    def keep(self, rows: Tensor, found: Found) -> Tensor:
        """Keep what is better than all before; bool (k,), which of the images go on."""
        self.best.keep_better(rows, found)
        if self.plan.keep_going:
            return torch.ones_like(found.fooled)
        self.retire(rows[found.fooled])
        return ~found.fooled

    def retire(self, rows: Tensor) -> None:
        """Of fooled images no more is asked; they keep their input at every larger budget."""
        self.fooled_at[rows] = self.level[rows]
        self.level[rows] = len(self.listed)

    def turn(self, rows: Tensor) -> None:
        """On to the next restart, or after the last of them to the next budget."""
        if not len(rows):
            return
        self.restart[rows] += 1
        over = rows[self.restart[rows] == self.plan.restarts]
        self.out[self.level[over], over] = picked(self.best.inputs, over)
        self.level[over] += 1
        self.restart[over] = 0
        self.set_out(rows)

    def set_out(self, rows: Tensor) -> None:
        """To where an ascent starts; images that are through stay where they are."""
        rows = rows[self.level[rows] < len(self.listed)]
        clean, epsilon = picked(self.victim.clean, rows), self.epsilons[self.level[rows]]
        epsilon = per_image(epsilon, clean)
        if self.is_linf:
            for edge, far in zip(self.box, (-epsilon, epsilon), strict=True):
                edge.index_copy_(0, rows, self.listed[0].held(clean, (clean + far).clamp_(0, 1)))
        points = self.offsets[self.restart[rows], rows].mul_(epsilon).add_(clean)
        self.points.index_copy_(0, rows, self.projected(rows, points))
        self.step[rows] = 0
        self.idle[rows] = 0

    def projected(self, rows: Tensor, points: Tensor) -> Tensor:
        """The nearest points (k, ...) within the budgets that the images `rows` are at."""
        if self.is_linf:
            low, high = (picked(edge, rows) for edge in self.box)
            return torch.clamp(points, low, high, out=points)
        clean, levels = self.victim.clean[rows], self.level[rows]
        for level in levels.unique().tolist():
            here = levels == level
            if here.all():
                return project(clean, points, self.listed[level])
            points[here] = project(clean[here], points[here], self.listed[level])
        return points
