"""Square: random search within the largest change of a pixel, by the model's answers alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from experiments.attacks.cost import count
from experiments.attacks.curve import BATCH, clean_start, curve, step_along, threats
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.sources import Source, drawn, seeds
from experiments.attacks.threat import Threat, per_image
from experiments.attacks.victim import Found, Model, Victim, under_attack
from networks.errors import BlindspotsError

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of the share, after so many queries
SCHEDULED = 10_000  # queries for which these are meant; they are scaled to any other number


def square_linf(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    queries: int = 1000,
    share: float = 0.8,
    answers: int = 1,
    loss: Loss = "margin",
    targeted: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """The Square attack (Andriushchenko et al. 2020, arXiv 1912.00049, algorithms 1 and 2).

    The first query moves every column of pixels by plus or minus epsilon. Each further one sets
    one random square to the clean image plus or minus epsilon, and stays if the loss rises. The
    squares shrink by the schedule of the authors' code. Two things differ from it: squares may
    touch the last row and column, and a sign that would change nothing is not drawn anew but
    turned, which is the same for one channel.

    Args:
        model: images to logits; never asked for a gradient.
        inputs: (N, 1, 28, 28), float in [0, 1].
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1].
        generator: source of chance: stripes, squares and signs, drawn once per image and query
            and scaled to each budget, so that neither the model nor `batch_size` changes them.
        keep_going: False: the search for the first success; an image that is fooled is not asked
            about again, nor at larger budgets. True: every query at every budget, each budget on
            its own, and of the fooled inputs that of highest loss, as inputs for transfer need;
            none is the clean image, unless that alone is answered wrong. It costs E * N * queries
            answers, whatever the model withstands; a slow one wants fewer of each. Either way an
            image fooled at one budget is fooled at every larger one.
        queries: inputs asked about per image and budget, >= 1, besides the clean image.
        share: of the pixels, how many the first square covers, in (0, 1]; p in the paper.
        answers: 1: the model answers the same input always alike. 2 or more, for one that does
            not: what counts is the mean of so many of its logits, and the best input so far is
            asked about anew beside every square, for else the luckiest answer would stay, and not
            the best input. Both are asked under the same chance, as far as the model draws it from
            PyTorch's global generator, which is left as it was. Such a query costs 2 * answers
            forward passes; an image counts as fooled once it was so twice in succession.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        batch_size: images per forward pass.

    Returns:
        (E, N, 1, 28, 28), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, or logits of wrong shape or not finite.
    """
    with under_attack(model, inputs, labels, Goal(loss, targeted)) as victim:
        listed = threats("linf", epsilons, targeted)
        chance = Chance.draw(victim.clean, queries, share, generator, answers)

        def search(part: Victim, best: Found, threat: Threat) -> Found:
            wander(part, best, threat, chance.at(part.rows), keep_going)
            return best

        # judged even where all go on: what is wrong as it is must not count as withstanding
        first = chance.fixed(victim, -1)
        start = clean_start(first, keep_going=False, batch_size=batch_size)
        if keep_going:  # spends the budget even where no query beats the clean image's loss
            start.loss.fill_(-torch.inf)
        return curve(victim, listed, start, search, keep_going=keep_going, batch_size=batch_size)


def side(query: int, queries: int, share: float, size: int) -> int:
    """Pixels, 1 or more, of the square's side at a query (from 1) in images of that size."""
    at = SCHEDULED * query // queries
    halved = sum(at > each for each in HALVINGS)
    return max(round(size * math.sqrt(share / 2**halved)), 1)


@dataclass(frozen=True)
class Chance:
    """All that is left to chance, for N images and every query.

    Attributes:
        stripes: (N, 1, 1, W), 1 or -1, the sign of each column at the first query.
        sides: of the squares of the further queries, in pixels; Q - 1 of them.
        corners: uint8 (Q - 1, 2, N), row and column where each square begins.
        brighter: bool (Q - 1, N), whether it adds epsilon.
        answers: of the model, whose mean counts.
        seeds: of the model's own chance, one per query, one for the last judgement and one for
            the clean images.
    """

    stripes: Tensor
    sides: Sequence[int]
    corners: Tensor
    brighter: Tensor
    answers: int
    seeds: Sequence[int]

    @classmethod
    def draw(
        cls,
        clean: Tensor,
        queries: int,
        share: float,
        generator: Source,
        answers: int = 1,
    ) -> "Chance":
        """For images (N, 1, H, W).

        Raises:
            BlindspotsError: no query, no answer, or a share outside (0, 1].
        """
        if answers < 1:
            raise BlindspotsError(f"Square was asked for {answers} answers; give 1 or more.")
        if queries < 1 or not 0 < share <= 1:
            raise BlindspotsError(
                f"Square was asked for {queries} queries and a first square over a share of "
                f"{share} of the image; give 1 query or more, and a share above 0 and up to 1."
            )
        height, width = clean.shape[-2:]
        sides = [side(query, queries, share, min(height, width)) for query in range(1, queries)]
        stripes = drawn(torch.rand, clean[:, :1, :1], generator) < 0.5
        corners = torch.empty((len(sides), 2, len(clean)), dtype=torch.uint8, device=clean.device)
        brighter = torch.empty_like(corners[:, 0], dtype=torch.bool)
        for query, each in enumerate(sides):
            numbers = drawn(torch.rand, clean.new_empty((3, len(clean))), generator, axis=1)
            corners[query, 0] = (numbers[0] * (height - each + 1)).to(torch.uint8)
            corners[query, 1] = (numbers[1] * (width - each + 1)).to(torch.uint8)
            brighter[query] = numbers[2] < 0.5
        own = []
        if answers > 1:
            if not isinstance(generator, torch.Generator):
                raise BlindspotsError(
                    f"Square was asked for {answers} answers of many individuals at once, which "
                    "draw from one chance; attack one after another."
                )
            own = seeds(queries + 2, generator).tolist()
        return cls(2 * stripes.to(clean.dtype) - 1, sides, corners, brighter, answers, own)

    def at(self, rows: Tensor) -> "Chance":
        """That of the given rows (n,)."""
        return replace(
            self,
            stripes=self.stripes[rows],
            corners=self.corners[..., rows],
            brighter=self.brighter[:, rows],
        )

    def fixed(self, part: Victim, query: int) -> Victim:
        """The model as it answers at that query (from 0)."""
        if self.answers == 1:
            return part
        return replace(part, model=averaged(part.model, self.answers, self.seeds[query]))

    def squares(self, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Per further query the pixels in the square, bool (N, 1, H, W), and its sign (N,)."""
        down, across = (torch.arange(n, device=like.device) for n in like.shape[-2:])
        for each, corners, brighter in zip(self.sides, self.corners, self.brighter, strict=True):
            top, left = corners.to(torch.int64)[..., None]
            tall = (down >= top) & (down < top + each)
            wide = (across >= left) & (across < left + each)
            yield (tall[:, None, :, None] & wide[:, None, None]), 2 * brighter.to(like.dtype) - 1


def wander(part: Victim, best: Found, threat: Threat, chance: Chance, keep_going: bool) -> None:
    """One random search; puts into `best` (n images) what it betters.

    Args:
        part: the model with n images.
        best: the best known inputs, changed in place.
        threat: the budget.
        chance: of these n images.
        keep_going: whether an image is asked about after it was fooled.
    """
    live, here = torch.arange(len(best.fooled), device=best.fooled.device), part
    run = chance.fixed(part, 0).judge(step_along(part.clean, chance.stripes, threat.epsilon))
    for query, (inside, sign) in enumerate(chance.squares(part.clean), 1):
        now = chance.fixed(here, query)
        run, done = asked_again(now, run) if chance.answers > 1 else (run, run.fooled)
        if not keep_going and done.any():
            best.keep_better(live, run)
            live, here, now, run = live[~done], here.at(~done), now.at(~done), run.at(~done)
        if not len(live):
            return
        points = painted(here.clean, run.inputs, inside[live], sign[live], threat.epsilon)
        run.keep_better(torch.arange(len(live), device=live.device), now.judge(points))
    if chance.answers > 1:
        run, _ = asked_again(chance.fixed(here, -2), run)
    best.keep_better(live, run)


def averaged(model: Model, answers: int, seed: int) -> Model:
    """The mean of so many answers of a model whose chance begins with that seed at every call."""

    def mean(points: Tensor) -> Tensor:
        count(forward=(answers - 1) * len(points))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return torch.stack([model(points) for _ in range(answers)]).mean(0)

    return mean


def asked_again(part: Victim, run: Found) -> tuple[Found, Tensor]:
    """What the model makes of the same inputs now, and whether it was fooled both times."""
    again = part.judge(run.inputs)
    return again, again.fooled & run.fooled


def painted(clean: Tensor, points: Tensor, inside: Tensor, sign: Tensor, epsilon: float) -> Tensor:
    """Points (n, 1, H, W) with the pixels inside at clean + sign * epsilon, within the box.

    Where that would change nothing, the sign is turned, so that no query is lost.
    """
    changed = torch.where(inside, step_along(clean, per_image(sign, clean), epsilon), points)
    same = (changed == points).flatten(1).all(1)
    turned = step_along(clean[same], -per_image(sign[same], clean), epsilon)
    changed[same] = torch.where(inside[same], turned, points[same])
    return changed
