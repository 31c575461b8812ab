"""Along the boundary towards the clean image, by hard labels alone: the search of HopSkipJump."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.ascent import steepest
from experiments.attacks.curve import batches
from experiments.attacks.directions import ask, groups, numbers
from experiments.attacks.names import Norm
from experiments.attacks.sources import drawn
from experiments.attacks.threat import distance, per_image, rms
from experiments.attacks.victim import Found, Victim
from networks.errors import BlindspotsError

STARTS = 100  # random images among which a start is sought, besides the other inputs
HALVINGS = 20  # of a step that leads out of the fooled region, before it is given up
BEYOND = 1e-3  # of the distance, by which a result lies beyond the boundary, against rounding


@dataclass(frozen=True)
class Plan:
    """How long to search; fields as in `hopskipjump.hop_skip_jump`.

    Raises:
        BlindspotsError: a number that is not positive, or a radius of 1 or more.
    """

    norm: Norm
    steps: int
    evaluations: int
    radius: float
    batch_size: int

    def __post_init__(self) -> None:
        if min(self.steps, self.evaluations) < 1 or not 0 < self.radius < 1:
            raise BlindspotsError(
                f"HopSkipJump was asked for {self.steps} steps from {self.evaluations} answers "
                f"within a radius of {self.radius}; give 1 or more of the former and a radius "
                "between 0 and 1."
            )

    def answers(self, step: int) -> int:
        """How many directions are tried at a step (from 1): section IV-C of the paper."""
        return int(self.evaluations * math.sqrt(step))


def starts(
    victim: Victim, norm: Norm, generator: torch.Generator, batch_size: int
) -> tuple[Tensor, Found]:
    """For each of N inputs the nearest that fools, among all inputs and some random images.

    The random images are of black and white pixels, the share of white differing among them.

    Returns:
        Which inputs are fooled as they are, bool (N,), and what was found.
    """
    clean, labels = victim.clean, victim.labels
    found = Found.unjudged(clean.clone())
    if not len(clean):
        return found.fooled, found
    like = clean[:1].expand(STARTS, *clean.shape[1:])
    white = per_image(drawn(torch.rand, like.flatten(1)[:, 0], generator), like)
    random = (drawn(torch.rand, like, generator) < white).to(like.dtype)

    def answers(points: Tensor) -> Tensor:
        parts = batches(torch.arange(len(points), device=points.device), batch_size)
        return torch.cat([victim.logits(points[rows]) for rows in parts])

    own = answers(clean)
    fooled = victim.goal.fooled(own, labels)
    found.fooled[:] = fooled
    if not fooled.all():
        pool, logits = torch.cat([clean, random]), torch.cat([own, answers(random)])
        for row in (~fooled).nonzero()[:, 0]:
            fools = victim.goal.fooled(logits, labels[row].expand(len(pool)))
            if fools.any():
                far = distance(clean[row].expand_as(pool), pool, norm)
                found.inputs[row] = pool[torch.where(fools, far, torch.inf).argmin()]
                found.fooled[row] = True
    return fooled, found


def follow(part: Victim, begin: Tensor, sources: list[torch.Generator], plan: Plan) -> Found:
    """The search from inputs (n, ...) that fool; what the model makes of the nearest it found."""
    points = to_boundary(part, begin, plan)
    nearest, least = points, distance(part.clean, points, plan.norm)
    for step in range(1, plan.steps + 1):
        away = outward(part, points, sources, step, plan)
        points = to_boundary(part, leap(part, points, away, step, plan), plan)
        far = distance(part.clean, points, plan.norm)
        nearest = torch.where(per_image(far < least, points), points, nearest)
        least = torch.minimum(far, least)
    found = part.judge(nearest)
    beyond = part.judge((nearest + BEYOND * (nearest - part.clean)).clamp(0, 1))
    found.put(beyond.fooled.nonzero()[:, 0], beyond.at(beyond.fooled))
    return found


def between(clean: Tensor, points: Tensor, share: Tensor, norm: Norm) -> Tensor:
    """The nearest to the points (n, ...) at that share (n,) of their distance from the clean."""
    change, share = points - clean, per_image(share, points)
    if norm == "l2":
        return clean + share * change
    limit = share * per_image(change.flatten(1).abs().amax(1), change)
    return clean + torch.minimum(torch.maximum(change, -limit), limit)


def to_boundary(part: Victim, points: Tensor, plan: Plan) -> Tensor:
    """Fooled points (n, ...) drawn towards the clean image until just fooled, by bisection."""
    right = torch.zeros_like(points.flatten(1)[:, 0])
    wrong = torch.ones_like(right)
    for _ in range(math.ceil(math.log2(math.sqrt(points[0].numel()) / plan.radius))):
        middle = (right + wrong) / 2
        fooled = part.judge(between(part.clean, points, middle, plan.norm)).fooled
        right, wrong = torch.where(fooled, right, middle), torch.where(fooled, middle, wrong)
    moved = between(part.clean, points, wrong, plan.norm)
    return torch.where(per_image(wrong < 1, points), moved, points)


def outward(
    part: Victim, points: Tensor, sources: Sequence[torch.Generator], step: int, plan: Plan
) -> Tensor:
    """The direction in which points (n, ...) at the boundary are fooled: a unit step (n, ...)."""
    count, found = plan.answers(step), []
    for rows in groups(len(points), count, plan.batch_size):
        centre = points[rows]
        u = numbers(torch.randn, count, points, [sources[int(row)] for row in rows])
        length = plan.radius * distance(part.clean[rows], centre, plan.norm).to(u.dtype)
        flat = u.flatten(0, 1)
        scale = length.repeat_interleave(count) / rms(flat)
        around = (centre[:, None] + (per_image(scale, flat) * flat).reshape_as(u)).clamp(0, 1)
        fools = ask(part.at(rows), around, plan.batch_size)[1].to(u.dtype)
        sign = 2 * fools - 1
        centred = sign - sign.mean(1, keepdim=True)
        alike = (centred == 0).all(1, keepdim=True)
        weight = torch.where(alike, sign, centred)
        found.append(torch.einsum("np,np...->n...", weight, around - centre[:, None]))
    return steepest(torch.cat(found), plan.norm)


def leap(part: Victim, points: Tensor, away: Tensor, step: int, plan: Plan) -> Tensor:
    """Points (n, ...) moved along unit steps, as far as distance / sqrt(step) or half as often.

    The length is halved until the point fools; where it never does, the point stays.
    """
    size = distance(part.clean, points, plan.norm).to(points.dtype) / math.sqrt(step)
    out, live = points.clone(), torch.arange(len(points), device=points.device)
    for _ in range(HALVINGS):
        moved = (points[live] + per_image(size[live], points) * away[live]).clamp(0, 1)
        fooled = part.at(live).judge(moved).fooled
        out[live[fooled]] = moved[fooled]
        live = live[~fooled]
        if not len(live):
            break
        size = size / 2
    return out
