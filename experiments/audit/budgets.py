"""Checks of the budget: it was kept, more of it does more, and all of it does everything."""

import math

import torch
from torch import Tensor

from experiments.attacks.lbfgs import minimum_distortion
from experiments.attacks.threat import check as check_threat
from experiments.attacks.threat import distance, rms
from experiments.audit.finding import Finding, not_applicable, outcome
from experiments.audit.grade import graded
from experiments.audit.outputs import is_random
from experiments.audit.quiet import without_warnings
from experiments.audit.subject import Subject
from experiments.verdict.wording import percent
from networks.errors import BlindspotsError

MULTIPLES = (0.5, 1.0, 1.5, 2.0)
EVERYTHING = 0.5  # any image can be made grey


def budget_validity(subject: Subject) -> Finding:
    """23. Inputs within epsilon and [0, 1], finite; judged again, they are answered as recorded."""
    try:
        check_threat(subject.images, subject.claimed, subject.claim.threat)
    except BlindspotsError as error:
        return Finding("budget", "fail", float("nan"), "intensity", str(error))
    far = distance(subject.images, subject.claimed, subject.claim.threat.norm)
    most = float(far.max()) if len(far) else 0.0
    again = subject.withstood(subject.claimed, subject.everything)
    changed = int((again != subject.standing).sum())
    chance = bool(changed) and is_random(subject)
    found = outcome(failed=changed > 0 and not chance, doubtful=chance)
    sentence = (
        f"Inputs lie within {most:.6g} of the images, of {subject.claim.epsilon:g} allowed; judged "
        f"again, {changed} of {len(again)} are answered otherwise than recorded."
    )
    return Finding("budget", found, most, "intensity", sentence)


def monotone(subject: Subject) -> Finding:
    """6. A larger budget never leaves more images standing, each budget attacked on its own."""
    if subject.claim.entry.kind == "noise":
        return not_applicable("monotone", "Noise is not aimed, so more of it may do less.")
    rows, accuracies = subject.everything, []
    for multiple in MULTIPLES:
        epsilon = min(multiple * subject.claim.epsilon, 1.0)
        made = subject.attacked(rows, epsilon=epsilon)
        accuracies.append(float(subject.withstood(made, rows).float().mean()))
    lowest, rise = accuracies[0], 0.0
    for each in accuracies:
        lowest, rise = min(lowest, each), max(rise, each - lowest)
    points = 100 * rise
    found = graded(points, len(rows), round(rise * len(rows)))
    sentence = (
        f"Accuracy at {', '.join(f'{m:g}' for m in MULTIPLES)} times the budget: "
        f"{', '.join(percent(each) for each in accuracies)}."
    )
    return Finding("monotone", found, points, "points", sentence)


def reaches_chance(subject: Subject) -> Finding:
    """7. At a budget of 0.5 accuracy is at chance, and the nearest input that fools is near.

    Any image can be made grey at 0.5 (Carlini et al. 2019, section 5.2), where at most the
    commonest class is right. Likewise every image lies within a distance of one image without
    content, the mean intensity everywhere: on MNIST a median of some 9 (Euclidean); the median
    smallest change that fools must be smaller.
    """
    if subject.claim.entry.kind == "noise":
        return not_applicable("reaches chance", "Noise is not aimed, so it need not succeed.")
    rows = subject.everything
    chance = float(subject.labels.bincount().max()) / len(rows)
    made = subject.attacked(rows, epsilon=EVERYTHING)
    left = float(subject.withstood(made, rows).float().mean())
    looked_at, near, far = nearest(subject)
    median, blank = float(far.median()), blank_distance(subject, looked_at)
    norm, epsilon = subject.claim.entry.norm, subject.claim.epsilon
    inside = (distance(subject.images[looked_at], near, norm) <= epsilon) & far.isfinite()
    over = looked_at[inside & subject.standing[looked_at]]
    found = outcome(
        failed=left > chance + 1e-9 or math.isinf(median),
        doubtful=median >= blank or len(over) > 0,
    )
    where = "not found" if math.isinf(median) else f"{median:.2f} away (Euclidean)"
    sentence = (
        f"At a budget of {EVERYTHING} {percent(left)} stay right (chance: {percent(chance)}); the "
        f"median nearest input that fools is {where}, an image without content {blank:.2f}; "
        f"{len(over)} of {len(looked_at)} that withstood the claim are fooled within its budget."
    )
    return Finding(
        *("reaches chance", found, 100 * left, "% right", sentence),
        overturned=tuple(over.tolist()),
    )


def nearest(subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (n,), for each the nearest input found that fools (n, ...), and its Euclidean distance.

    Where none is found it is infinite.
    """
    rows = subject.subset[: subject.allowance.few]
    images = subject.images[rows]
    with without_warnings():
        try:
            near, far = minimum_distortion(
                *(subject.model, images, subject.labels[rows]),
                generator=subject.chance("nearest"),
                tries=1,
            )
        except BlindspotsError:  # no gradient to follow: `zero_gradient` tells
            near, far = images, torch.full((len(rows),), torch.inf)
    return rows, near, far * images[0].numel() ** 0.5


def blank_distance(subject: Subject, rows: Tensor) -> float:
    """The median Euclidean distance of the rows (n,) to one image without content."""
    images = subject.images[rows]
    return float(rms(images - subject.images.mean()).median()) * images[0].numel() ** 0.5
