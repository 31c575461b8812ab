"""The check by the strongest attack at hand: how far is the claim above the worst case?"""

import torch

from experiments.attacks.names import ATTACKS
from experiments.attacks.worst import Stage, stages
from experiments.audit.finding import Finding
from experiments.audit.grade import overturning, percent
from experiments.audit.quiet import without_warnings
from experiments.audit.subject import Subject

TARGETS = 9  # other classes, each aimed at in turn


def ensemble(subject: Subject) -> list[Stage]:
    """The ensemble by which blindspots reports robust accuracy, and every other class as target."""
    norm = subject.claim.entry.norm
    with without_warnings():
        listed = stages(subject.model, norm)
    return [each for each in listed if each.attack in ATTACKS]


def strongest(subject: Subject) -> Finding:
    """13. The claim is the accuracy in the worst case over an ensemble, image by image.

    Targeted and untargeted, along several gradients and along none; an image counts as robust
    only if it withstands all (Carlini et al. 2019, section 4.3).
    """
    rows = subject.survivors
    left = torch.ones(len(rows), dtype=torch.bool)
    first = ""
    for stage in ensemble(subject):
        made = subject.attacked(
            rows[left], attack=stage.attack, what=stage.name, **stage.options
        )
        withstood = subject.withstood(made, rows[left])
        first = first or ("" if withstood.all() else stage.name)
        left[left.clone()] = withstood
    left[left.clone()] &= untargetable(subject, rows[left])
    total = len(subject.labels)
    worst = float(left.sum()) / total
    note = (
        f"Claimed {percent(len(rows) / total)}, worst case {percent(worst)}"
        + (f"; first {first}." if first else ".")
    )
    return overturning(
        "strongest", subject, rows, ~left, "The ensemble, targeted and untargeted,", note=note
    )


def untargetable(subject: Subject, rows: torch.Tensor) -> torch.Tensor:
    """Which of the given rows (n,) reach no other class, aimed at one after the other."""
    classes = subject.answers(subject.images[:1]).shape[1]
    standing = torch.ones(len(rows), dtype=torch.bool)
    for offset in range(1, min(classes, TARGETS + 1)):
        left = rows[standing]
        if not len(left):
            break
        targets = (subject.labels[left] + offset) % classes
        made = subject.towards(left, targets)
        standing[standing.clone()] = subject.withstood(made, left)
    return standing
