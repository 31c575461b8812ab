"""Ascent along gradients that are estimated from answers alone: SPSA and NES."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH, clean_start, curve, threats
from experiments.attacks.directions import ask, groups, numbers, streams
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.sources import Source, seeds
from experiments.attacks.threat import TINY, Threat, project
from experiments.attacks.victim import Found, Model, Victim, under_attack
from networks.errors import BlindspotsError, unknown

Estimator = Literal["spsa", "nes"]
Step = Literal["adam", "sign"]
MEAN, SQUARE = 0.9, 0.999  # decay of Adam's two averages (Kingma and Ba 2015)


@dataclass(frozen=True)
class Plan:
    """How the ascent proceeds; fields as in `spsa_linf`.

    Raises:
        BlindspotsError: a number that is not positive, or no such estimator or step.
    """

    steps: int
    pairs: int
    radius: float
    relative_step: float
    estimator: Estimator
    step: Step
    batch_size: int
    keep_going: bool

    def __post_init__(self) -> None:
        for kind, chosen, known in (
            ("estimator", self.estimator, get_args(Estimator)),
            ("step", self.step, get_args(Step)),
        ):
            if chosen not in known:
                raise unknown(kind, chosen, known)
        lengths = (self.radius, self.relative_step)
        if min(self.steps, self.pairs) < 1 or not all(0 < each < math.inf for each in lengths):
            raise BlindspotsError(
                f"SPSA was asked for {self.steps} steps of relative size {self.relative_step} and "
                f"{self.pairs} pairs of points within {self.radius}; each must be positive."
            )

    def step_size(self, step: int, epsilon: float) -> float:
        """Intensity moved at a step (from 0), falling towards 0."""
        fade = 1 + math.cos(math.pi * step / self.steps)
        return fade * self.relative_step * epsilon / self.steps


def spsa_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 20,
    pairs: int = 25,
    radius: float = 0.05,
    relative_step: float = 8.0,
    estimator: Estimator = "spsa",
    step: Step = "adam",
    loss: Loss = "margin",
    targeted: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """Projected ascent along a gradient that is estimated from pairs of answers.

    Each step asks about the points x + radius * u and x - radius * u for some random directions
    u, clipped to [0, 1], and follows the sum of their difference times that of their losses, each
    pixel divided by how far it was moved. "spsa" (Uesato et al. 2018, arXiv 1802.05666,
    algorithm 1) draws signs for u; "nes" (Ilyas et al. 2018, arXiv 1804.08598, algorithm 1)
    normal numbers. Steps shrink to 0 along a cosine.

    Args:
        model: inputs to logits; never asked for a gradient.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1].
        generator: source of chance: one seed per image, from which its directions are drawn
            alike for each budget, so that neither the model nor `batch_size` changes them.
        keep_going: False: an image stops at its first fooled iterate and keeps it at larger
            budgets. True: every step at every budget, each budget on its own, and of the fooled
            iterates that of highest loss. Either way an image fooled at one budget is fooled at
            every larger one.
        steps: >= 1.
        pairs: of points per step, >= 1. An image costs steps * (2 * pairs + 1) + 1 answers per
            budget.
        radius: how far the points lie away, in intensity, > 0: wide enough to see beyond the
            plateaus of a spiking network, narrow enough for the slope here. Not bound to the
            budget, for no such point is returned.
        relative_step: step size in units of epsilon / steps, > 0.
        estimator: see above.
        step: "adam" (Kingma and Ba 2015; Uesato et al.): pixels whose estimate is steady over the
            steps move most; "sign" (Ilyas et al.): along the sign of the last estimate.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        batch_size: points per forward pass, those around one image or around many.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, or logits of wrong shape or not finite.
    """
    plan = Plan(steps, pairs, radius, relative_step, estimator, step, batch_size, keep_going)
    with under_attack(model, inputs, labels, Goal(loss, targeted)) as victim:
        listed = threats("linf", epsilons, targeted)
        chance = seeds(len(inputs), generator)

        def search(part: Victim, best: Found, threat: Threat) -> Found:
            ascend(part, best, streams(chance[part.rows.to(chance.device)]), threat, plan)
            return best

        # judged even where all go on: what is wrong as it is must not count as withstanding
        start = clean_start(victim, keep_going=False, batch_size=batch_size)
        return curve(victim, listed, start, search, keep_going=keep_going, batch_size=batch_size)


def ascend(
    part: Victim, best: Found, sources: list[torch.Generator], threat: Threat, plan: Plan
) -> None:
    """One ascent; puts into `best` (n images) what it betters.

    Args:
        part: the model with n images.
        best: the best known inputs, changed in place.
        sources: of chance, one per image.
        threat: the budget.
        plan: how to proceed.
    """
    live = torch.arange(len(best.fooled), device=best.fooled.device)
    here, points = part, part.clean
    mean, square = torch.zeros_like(points), torch.zeros_like(points)
    for at in range(plan.steps):
        slope = estimated(here, points, [sources[int(i)] for i in live], plan)
        mean = MEAN * mean + (1 - MEAN) * slope
        square = SQUARE * square + (1 - SQUARE) * slope.square()
        along = slope.sign()
        if plan.step == "adam":
            spread = (square / (1 - SQUARE ** (at + 1))).sqrt().clamp_min(TINY)
            along = mean / (1 - MEAN ** (at + 1)) / spread
        moved = points + plan.step_size(at, threat.epsilon) * along
        points = project(here.clean, moved, threat)
        found = here.judge(points)
        best.keep_better(live, found)
        if not plan.keep_going and found.fooled.any():
            stay = ~found.fooled
            live, here, points = live[stay], here.at(stay), points[stay]
            mean, square = mean[stay], square[stay]
        if not len(live):
            return


def estimated(
    part: Victim, points: Tensor, sources: Sequence[torch.Generator], plan: Plan
) -> Tensor:
    """The slope of the loss at points (n, ...), estimated from pairs of answers: (n, ...).

    For a pixel that moved by d between the two points of a pair, and a loss that changed by f,
    the sum of f * d over the pairs divided by that of d * d: unbiased for a linear loss, also
    where the box cuts some of the moves short.
    """
    draw = torch.rand if plan.estimator == "spsa" else torch.randn
    slopes = []
    for rows in groups(len(points), 2 * plan.pairs, plan.batch_size):
        centre = points[rows][:, None]
        u = numbers(draw, plan.pairs, points, [sources[int(row)] for row in rows])
        if plan.estimator == "spsa":
            u = (u - 0.5).sign()
        ahead, behind = ((centre + way * plan.radius * u).clamp(0, 1) for way in (1, -1))
        loss, _ = ask(part.at(rows), torch.cat([ahead, behind], 1), plan.batch_size)
        moved = ahead - behind
        rise = loss[:, : plan.pairs] - loss[:, plan.pairs :]
        weighted = torch.einsum("np,np...->n...", rise.to(moved.dtype), moved)
        slopes.append(weighted / moved.square().sum(1).clamp_min(TINY))
    return torch.cat(slopes)
