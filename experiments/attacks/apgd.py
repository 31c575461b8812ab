"""Auto-PGD: projected gradient ascent that finds its own step sizes (Croce and Hein 2020, 2021)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experiments.attacks.ascent import random_offsets
from experiments.attacks.curve import BATCH, clean_start, curve, threats
from experiments.attacks.goal import Detour, Goal, Loss
from experiments.attacks.names import Norm
from experiments.attacks.sources import Source
from experiments.attacks.threat import Threat, project
from experiments.attacks.victim import Found, Guide, Model, Victim, under_attack
from experiments.attacks.walk import Halving, Sparse
from networks.errors import BlindspotsError

WIDER = ((3.0, 0.3), (2.0, 0.3))  # l1: balls to begin in, and the share of the steps in each


@dataclass(frozen=True)
class Settings:
    """How Auto-PGD proceeds; fields as in `apgd_linf`.

    Raises:
        BlindspotsError: steps or restarts below 1, targets below 0, or both kinds of target.
    """

    steps: int
    restarts: int
    targets: int
    goal: Goal
    keep_going: bool

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1 or self.targets < 0:
            raise BlindspotsError(
                f"Auto-PGD was asked for {self.steps} steps, {self.restarts} restarts and "
                f"{self.targets} targets; steps and restarts must be positive, targets 0 or more."
            )
        if self.targets and self.goal.targeted:
            raise BlindspotsError(
                f"Auto-PGD was asked to reach the labels and to try {self.targets} targets of its "
                "own; give targets = 0 where the labels are to be reached."
            )

    def balls(self, threat: Threat) -> list[tuple[Threat, int]]:
        """The threats to climb within, one after the other, and the steps for each."""
        wider = WIDER if threat.norm == "l1" else ()
        shares = [(factor, int(share * self.steps)) for factor, share in wider]
        last = self.steps - sum(steps for _, steps in shares)
        return [
            *(
                (replace(threat, epsilon=min(factor * threat.epsilon, 1.0)), steps)
                for factor, steps in shares
                if steps
            ),
            (threat, last),
        ]


def apgd_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 100,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    targets: int = 0,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Auto-PGD within the largest change of a pixel (Croce and Hein 2020, algorithm 1).

    Steps along the sign of the gradient, with momentum, begin at twice epsilon. Each image's step
    is halved, and the image put back to its input of highest loss, where at a checkpoint fewer
    than three in four steps raised the loss, or neither loss nor step has changed since the last.

    Args:
        model: images to logits, differentiable by its input.
        inputs: (N, ...), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1].
        generator: source of chance: the random starts, drawn once per restart for all images and
            scaled to each budget, so that neither the model nor `batch_size` changes them; of a
            `crowd.Crowd` one for each individual.
        keep_going: False: an image stops at its first fooled iterate and keeps it at larger
            budgets. True: every step of every run at every budget, each budget on its own, and of
            the fooled iterates that of highest loss, as inputs for transfer need. Either way an
            image fooled at one budget is fooled at every larger one.
        steps: gradient steps per run, >= 1; each costs a forward and a backward pass, and one
            forward pass more judges the last iterate.
        restarts: how often to start anew, >= 1.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        targets: 0: one run per restart, away from the label. Else one towards each of so many
            wrong classes, the likeliest on the clean image first, see `Detour`; any wrong answer
            counts. All there are where there are fewer. 9 with "dlr" is APGD-T of AutoAttack.
        guide: whose gradient is followed, see `victim.Guide`; None: the model's own.
        batch_size: images per forward pass.

    Returns:
        (E, N, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, a model that is not differentiable, or answers or
            gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before the image was fooled.
    """
    settings = Settings(steps, restarts, targets, Goal(loss, targeted), keep_going)
    with under_attack(model, inputs, labels, settings.goal, guide) as victim:
        return climbed(victim, "linf", epsilons, settings, generator, batch_size)


def apgd_l2(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 100,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    targets: int = 0,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Auto-PGD within the root-mean-squared change (Croce and Hein 2020, algorithm 1).

    As `apgd_linf`, with the same arguments, result, errors and warning, but each step follows the
    gradient scaled to a root mean square.
    """
    settings = Settings(steps, restarts, targets, Goal(loss, targeted), keep_going)
    with under_attack(model, inputs, labels, settings.goal, guide) as victim:
        return climbed(victim, "l2", epsilons, settings, generator, batch_size)


def apgd_l1(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    steps: int = 100,
    restarts: int = 1,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    targets: int = 0,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Auto-PGD within the mean absolute change (Croce and Hein 2021, arXiv 2103.01208).

    Arguments, result, errors and warning as for `apgd_linf`. Steps move the pixels of steepest
    gradient alone, ever fewer of them, see `walk.Sparse`, and are projected onto ball and box at
    once. The first three tenths of the steps climb within three times the budget, the next within
    twice (the paper's multi-epsilon form), and there no image stops early.
    """
    settings = Settings(steps, restarts, targets, Goal(loss, targeted), keep_going)
    with under_attack(model, inputs, labels, settings.goal, guide) as victim:
        return climbed(victim, "l1", epsilons, settings, generator, batch_size)


def climbed(
    victim: Victim,
    norm: Norm,
    epsilons: Sequence[float],
    settings: Settings,
    generator: Source,
    batch_size: int,
) -> Tensor:
    """The curve of Auto-PGD, see `apgd_linf`: of all runs from each start the best."""
    listed = threats(norm, epsilons, victim.goal.targeted)
    offsets = [random_offsets(norm, victim.clean, generator) for _ in range(settings.restarts)]

    def search(part: Victim, best: Found, threat: Threat) -> Found:
        aims = list(aimed(part, settings.targets))
        for offset in offsets:
            for aim in aims:
                rows = (~best.fooled | settings.keep_going).nonzero()[:, 0]
                tried = run(aim.at(rows), offset[part.rows[rows]], threat, settings)
                # runs towards different classes are compared by the loss they have in common
                best.keep_better(
                    rows, part.at(rows).judge(tried.inputs) if settings.targets else tried
                )
        return best

    # judged even where all go on: an image that is wrong as it is must not count as withstanding
    start = clean_start(victim, keep_going=False, batch_size=batch_size)
    return curve(
        *(victim, listed, start, search), keep_going=settings.keep_going, batch_size=batch_size
    )


def aimed(part: Victim, targets: int) -> Iterator[Victim]:
    """The victim as it is; or headed for each of so many wrong classes, likeliest first."""
    if not targets:
        yield part
        return
    with torch.no_grad():
        logits = part.logits(part.clean)
    wrong = logits.scatter(1, part.labels[:, None], -torch.inf)
    ranked = wrong.argsort(stable=True, dim=1, descending=True)
    for target in ranked[:, : min(targets, logits.shape[1] - 1)].T:
        yield replace(
            part,
            labels=torch.stack([part.labels, target], 1),
            goal=Detour(part.goal.loss),
        )


def run(part: Victim, offset: Tensor, threat: Threat, settings: Settings) -> Found:
    """One run from the offset (n, ...), in units of epsilon: the best input of each image."""
    best = Found.unjudged(part.clean + offset * threat.epsilon)
    for ball, steps in settings.balls(threat):
        points = project(part.clean, best.inputs, ball)
        going = settings.keep_going or ball != threat
        best = ascend(part, points, ball, steps, keep_going=going)
    return best


def ascend(part: Victim, points: Tensor, threat: Threat, steps: int, *, keep_going: bool) -> Found:
    """The best input of each image on one way up.

    Args:
        part: the model with n images.
        points: (n, ...), where to start, within the threat.
        threat: the budget.
        steps: gradients per image, >= 1.
        keep_going: whether an image goes on after it was fooled.
    """
    kind: type[Halving] | type[Sparse] = Sparse if threat.norm == "l1" else Halving
    best, walk = Found.unjudged(points.clone()), kind.begin(points)
    live, here = torch.arange(len(points), device=points.device), part
    checkpoints, last = kind.checkpoints(steps), 0
    for step in range(steps):
        if not len(live):
            return best
        found, gradient = here.climb(walk.points)
        best.keep_better(live, found)
        walk.see(found.loss, gradient)
        if not keep_going and found.fooled.any():
            stay = ~found.fooled
            live, here, walk = live[stay], here.at(stay), walk.at(stay)
        if step in checkpoints:
            walk.adapt(here.clean, step - last)
            last = step
        walk.advance(here.clean, threat)
    if len(live):
        best.keep_better(live, here.judge(walk.points))
    return best
