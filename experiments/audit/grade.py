"""How many points of accuracy a finding costs, and from where on that is too many."""

import numpy as np
import torch
from torch import Tensor

from experiments.audit.finding import Finding, Outcome
from experiments.audit.subject import Subject
from experiments.statistics.accuracies import wilson

CONVERGED = 0.5  # points of accuracy by which more effort may lower a sound number
TRANSFER = 1.0  # the same for what was not aimed at the model (Carlini et al. 2019)
BROKEN = 3.0  # from here on the number is another one


def graded(
    points: float,
    images: int,
    count: int,
    *,
    tolerated: float = CONVERGED,
    broken: float = BROKEN,
) -> Outcome:
    """Pass up to the tolerated points or one image, fail beyond `broken` points and one image.

    Of 100 images half a point is less than one, so that a single image is always tolerated; and a
    single image among a few that stand for many is a warning, however many points it stands for.

    Args:
        points: of accuracy, 0 to 100.
        images: N, which the accuracy is a share of.
        count: of images actually seen to change.
        tolerated: points.
        broken: points.
    """
    if points <= max(tolerated, 100 / images) + 1e-9:
        return "pass"
    return "fail" if points > broken and count > 1 else "warn"


def points_of(subject: Subject, count: int, looked_at: int) -> float:
    """Points of accuracy, where `count` of `looked_at` survivors stand for all survivors."""
    share = count / looked_at if looked_at else 0.0
    return 100 * share * len(subject.survivors) / max(len(subject.labels), 1)


def overturning(
    check: str,
    subject: Subject,
    rows: Tensor,
    fooled: Tensor,
    means: str,
    *,
    tolerated: float = CONVERGED,
    broken: float = BROKEN,
    note: str = "",
) -> Finding:
    """The finding of a search among the images that withstood the claim.

    Args:
        check: its name.
        subject: what is audited.
        rows: (n,), survivors of the claim that were looked at.
        fooled: bool (n,), those that were fooled within the budget.
        means: by what, as the subject of the sentence.
        tolerated: points of accuracy, see `graded`.
        broken: points of accuracy, see `graded`.
        note: a further sentence.
    """
    count, looked_at = int(fooled.sum()), len(rows)
    points = points_of(subject, count, looked_at)
    outcome = graded(points, len(subject.labels), count, tolerated=tolerated, broken=broken)
    if not looked_at:
        sentence = "No image withstands the claimed attack, so there is nothing to overturn."
    else:
        low, high = (
            100 * float(b) for b in wilson(np.array(count / looked_at), np.array(looked_at))
        )
        sentence = (
            f"{means} fooled {count} of {looked_at} images that withstood the claimed attack "
            f"({100 * count / looked_at:.0f} % [{low:.0f}, {high:.0f}]; {points:.1f} points of "
            "accuracy)."
        )
    over = tuple(int(row) for row in rows[fooled])
    return Finding(check, outcome, points, "points", f"{sentence} {note}".strip(), over)


def spread_over(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread over them."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]
