"""The whole curve of budgets from one attack: what is fooled early costs nothing later."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from experiments.attacks.names import Norm
from experiments.attacks.threat import Threat, Window, check, project
from experiments.attacks.victim import Found, Victim
from networks.errors import BlindspotsError

BATCH = 500  # images per forward pass, to limit memory

Search = Callable[[Victim, Found, Threat], Found]
"""From a victim of n images and the best input known for each, to the best under that threat."""

Place = Callable[[Tensor, Tensor, float], Tensor]
"""From clean images, a direction for each and epsilon, to the input of that budget."""


def threats(
    norm: Norm,
    epsilons: Sequence[float],
    targeted: bool = False,
    window: Window | None = None,
) -> list[Threat]:
    """One threat per budget.

    Raises:
        BlindspotsError: no budget, one outside [0, 1], or not in ascending order.
    """
    listed = [Threat(norm, float(epsilon), targeted, window) for epsilon in epsilons]
    rising = all(a.epsilon < b.epsilon for a, b in pairwise(listed))
    if not listed or not rising:
        raise BlindspotsError(
            f"The epsilons are {list(epsilons)}; give at least one, in ascending order."
        )
    return listed


def batches(rows: Tensor, size: int) -> list[Tensor]:
    """Rows (n,) in parts of at most `size`; no part for no rows.

    Raises:
        BlindspotsError: size is less than 1.
    """
    if size < 1:
        raise BlindspotsError(f"The batch size is {size}; give 1 or more.")
    return list(rows.split(size)) if len(rows) else []


def clean_start(victim: Victim, *, keep_going: bool, batch_size: int) -> Found:
    """The clean images as the best known inputs, judged unless every image goes on anyway."""
    start = Found.unjudged(victim.clean.clone())
    if not keep_going:
        for rows in batches(victim.rows, batch_size):
            start.put(rows, victim.at(rows).judge(victim.clean[rows]))
    return start


def curve(
    victim: Victim,
    listed: Sequence[Threat],
    start: Found,
    search: Search,
    *,
    keep_going: bool,
    batch_size: int,
) -> Tensor:
    """Runs the search at every budget on the images that still need it.

    An image that is fooled keeps its input at every larger budget, since the smaller ball lies
    within the larger, and is not shown to the model again; what is best so far is handed on to
    the search at the next budget. Only with `keep_going` every image is searched at every budget,
    each from `start`: an input that only just fools the network it was made on transfers worse
    than one that spends its whole budget. Where such a search fails although that at a smaller
    budget did not, the smaller one's input is kept: it lies within the larger ball.

    Args:
        victim: the model and all N images.
        listed: E ascending threats of one norm.
        start: the best known input per image, see `clean_start`.
        search: called on parts of at most `batch_size` images.
        keep_going: whether fooled images are searched further.
        batch_size: images per part.

    Returns:
        (E, N, ...), every input checked against its threat.

    Raises:
        BlindspotsError: an input breaks its threat.
    """
    out = torch.empty((len(listed), *victim.clean.shape)).to(victim.clean)
    best = start.at(victim.rows)
    for at, threat in enumerate(listed):
        before = best
        if keep_going:
            best = start.at(victim.rows)
        needed = victim.rows if keep_going else victim.rows[~best.fooled]
        for rows in batches(needed, batch_size):
            best.put(rows, search(victim.at(rows), best.at(rows), threat))
        lost = (before.fooled & ~best.fooled).nonzero()[:, 0]
        best.put(lost, before.at(lost))
        check(victim.clean, best.inputs, threat)
        out[at] = best.inputs
    return out


def step_along(clean: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """One linf step: clip(clean + epsilon * direction, 0, 1), for a direction in [-1, 1]."""
    return project(clean, clean + epsilon * direction, Threat("linf", epsilon))


def along(
    victim: Victim,
    directions: Tensor,
    listed: Sequence[Threat],
    start: Found,
    place: Place,
    *,
    keep_going: bool,
    batch_size: int,
) -> Tensor:
    """The curve of an attack that tries one input per image and budget, along a fixed direction.

    An image that is not fooled gets the input of that budget, whatever its loss. With
    `keep_going` the model is not asked at all.

    Args:
        directions: (N, ...).
        place: puts the input at the budget.

    Further arguments, result and errors as for `curve`.
    """

    def search(part: Victim, best: Found, threat: Threat) -> Found:
        points = place(part.clean, directions[part.rows], threat.epsilon)
        return Found.unjudged(points) if keep_going else part.judge(points)

    return curve(victim, listed, start, search, keep_going=keep_going, batch_size=batch_size)
