"""A few spikes inserted, deleted or shifted by one step in the spike train of the input.

Where the input comes in spikes, a small change is a small number of moves (an L0 budget over time
and pixels), not a change of intensity. Trains are (N, steps, *input shape), 0 or 1; a network is
shown them as they are (`movies.Film`), past its code and its threshold.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH, batches
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.sources import drawn
from experiments.attacks.victim import Found, Guide, Model, Victim, under_attack
from networks.errors import BlindspotsError, unknown
from sim import Network

Move = Literal["insert", "delete", "shift"]
ALL: tuple[Move, ...] = get_args(Move)


def trains_of(network: Network, images: Tensor) -> Tensor:
    """What the network's input emits for images (N, ...): trains (N, steps, ...) of 0 and 1.

    Raises:
        BlindspotsError: the input shows intensities.
    """
    trains = torch.stack(list(network.frames(images))).detach().transpose(0, 1)
    require_spikes(trains)
    return trains.contiguous()


def require_spikes(trains: Tensor) -> None:
    """That all is 0 or 1.

    Raises:
        BlindspotsError: it is not.
    """
    if not ((trains == 0) | (trains == 1)).all():
        raise BlindspotsError(
            "The input shows intensities, not spikes; code it (networks.derive.coded) or binarise "
            "it, or perturb its intensities instead."
        )


def move_spikes(
    model: Model,
    trains: Tensor,
    labels: Tensor,
    *,
    budgets: Sequence[int],
    generator: torch.Generator,
    keep_going: bool = False,
    moves: Sequence[Move] = ALL,
    at_once: int = 4,
    loss: Loss = "margin",
    targeted: bool = False,
    guide: Guide | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """Greedy moves of spikes by their first-order gain, one image at a time.

    Each round takes the moves that promise the largest rise of the loss by its gradient, and then
    asks anew. What was moved is not touched again. Of all rounds up to a budget the best trains
    are returned, a fooled one if there is one, else that of highest loss: so a budget may be left
    unspent, also where no move promises a rise.

    Args:
        model: trains (N, steps, ...) to logits, differentiable by its input; see `movies.Film`.
        trains: (N, steps, ...), float, 0 or 1.
        labels: (N,), the right classes; the classes to reach if `targeted`.
        budgets: ascending numbers of moves, >= 0.
        generator: unused, nothing here is left to chance.
        keep_going: whether moves go on after an image is fooled.
        moves: which are allowed. A shift moves a spike to the step before or after, where there is
            none, and counts as one.
        at_once: moves per gradient, >= 1.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        guide: whose gradient is followed, see `victim.Guide`.
        batch_size: trains per forward pass.

    Returns:
        (E, N, steps, ...), 0 or 1. A train fooled at one budget is fooled at every larger one.

    Raises:
        BlindspotsError: bad arguments, trains that are no spikes, or a model without a gradient.
    """
    require(trains, budgets, moves, at_once)
    out = trains.new_empty((len(budgets), *trains.shape))
    with under_attack(model, trains, labels, Goal(loss, targeted), guide) as victim:
        for rows in batches(victim.rows, batch_size):
            walk = greedy(victim.at(rows), budgets, moves, at_once, keep_going)
            for at, found in enumerate(walk):
                out[at, rows] = found
    return out


def random_moves(
    trains: Tensor,
    *,
    budgets: Sequence[int],
    generator: torch.Generator,
    moves: Sequence[Move] = ALL,
) -> Tensor:
    """The control of `move_spikes`: as many moves as the budget, drawn alike from all possible.

    The moves of a smaller budget are among those of a larger one.

    Returns:
        (E, N, steps, ...), 0 or 1.
    """
    require(trains, budgets, moves, 1)
    flat = trains.flatten(2)
    kinds = len(directions(moves))
    chance = drawn(torch.rand, flat.new_empty((len(flat), kinds, *flat.shape[1:])), generator)
    points, free, rows = flat.clone(), torch.ones_like(flat, dtype=torch.bool), []
    everyone = torch.arange(len(flat), device=flat.device)
    for fewer, budget in pairwise((0, *budgets)):
        for _ in range(budget - fewer):
            take(points, free, everyone, chance, moves)
        rows.append(points.reshape(trains.shape).clone())
    return torch.stack(rows)


def require(trains: Tensor, budgets: Sequence[int], moves: Sequence[Move], at_once: int) -> None:
    """That the arguments of an attack on spike trains can be honoured."""
    require_spikes(trains)
    for move in moves:
        if move not in ALL:
            raise unknown("move", move, ALL)
    rising = all(a < b for a, b in pairwise(budgets))
    if not moves or not budgets or budgets[0] < 0 or not rising or at_once < 1:
        raise BlindspotsError(
            f"Spikes were to be moved by {list(moves)} at budgets {list(budgets)}, {at_once} at "
            "once; give a kind of move, ascending whole numbers, and 1 or more at once."
        )


def greedy(
    part: Victim, budgets: Sequence[int], moves: Sequence[Move], at_once: int, keep_going: bool
) -> Iterator[Tensor]:
    """The best trains at each budget in turn."""
    shape = part.clean.shape
    points = part.clean.flatten(2).clone()
    free, spent = torch.ones_like(points, dtype=torch.bool), 0
    live = torch.arange(len(points), device=points.device)
    best = part.judge(part.clean)
    best = Found(best.inputs.clone(), best.loss, best.fooled)
    for budget in budgets:
        while spent < budget:
            if not keep_going:
                live = live[~best.fooled[live]]
            if not len(live):
                break
            _, slope = part.at(live).climb(points[live].reshape(-1, *shape[1:]))
            gains = promised(slope.flatten(2), moves)
            for _ in range(min(at_once, budget - spent)):
                take(points, free, live, gains, moves, least=0.0)
                spent += 1
            best.keep_better(live, part.at(live).judge(points[live].reshape(-1, *shape[1:])))
        spent = budget
        yield best.inputs.clone()


def directions(moves: Sequence[Move]) -> list[str]:
    """The kinds of moves, a shift in both directions."""
    return [way for move in moves for way in (("earlier", "later") if move == "shift" else (move,))]


def promised(slope: Tensor, moves: Sequence[Move]) -> Tensor:
    """What each move would add to the loss: slope (n, steps, P) to (n, kinds, steps, P).

    A shift stands where the spike was. At the ends of time its other place is itself.
    """
    before = torch.cat([slope[:, :1], slope[:, :-1]], 1)
    after = torch.cat([slope[:, 1:], slope[:, -1:]], 1)
    gains = {"insert": slope, "delete": -slope, "earlier": before - slope, "later": after - slope}
    return torch.stack([gains[way] for way in directions(moves)], 1)


def possible(points: Tensor, free: Tensor, moves: Sequence[Move]) -> Tensor:
    """Which moves may be made: trains and untouched places (n, steps, P) to (n, kinds, ...)."""
    spike, gap = (points == 1) & free, (points == 0) & free
    never = torch.zeros_like(gap[:, :1])
    allowed = {
        "insert": gap,
        "delete": spike,
        "earlier": spike & torch.cat([never, gap[:, :-1]], 1),
        "later": spike & torch.cat([gap[:, 1:], never], 1),
    }
    return torch.stack([allowed[way] for way in directions(moves)], 1)


def take(
    points: Tensor,
    free: Tensor,
    rows: Tensor,
    gains: Tensor,
    moves: Sequence[Move],
    least: float = -torch.inf,
) -> None:
    """Makes the best possible move in each train of `rows` (n,), in place, if it gains more than
    `least`; gains are (n, kinds, steps, P).
    """
    allowed = possible(points[rows], free[rows], moves)
    value, at = torch.where(allowed, gains, -torch.inf).flatten(1).max(1)
    made = value > least
    rows, at = rows[made], at[made]
    pixels, steps = points.shape[2], points.shape[1]
    kind, step, pixel = at // (steps * pixels), at // pixels % steps, at % pixels
    points[rows, step, pixel] = 1 - points[rows, step, pixel]
    free[rows, step, pixel] = False
    shift = torch.tensor(
        [{"earlier": -1, "later": 1}.get(way, 0) for way in directions(moves)], device=rows.device
    )[kind]
    also = shift != 0
    rows, other, pixel = rows[also], (step + shift)[also], pixel[also]
    points[rows, other, pixel] = 1 - points[rows, other, pixel]
    free[rows, other, pixel] = False
