"""The check by the strongest attack at hand: how far is the claim above the worst case?"""

import torch

from experiments.attacks.worst import Stage, stages
from experiments.audit.finding import Finding
from experiments.audit.grade import overturning
from experiments.audit.subject import Subject
from experiments.verdict.wording import percent


def ensemble(subject: Subject) -> list[Stage]:
    """The ensemble by which blindspots reports robust accuracy, but for Square: see `squared`."""
    listed = stages(subject.model, subject.claim.entry.norm)
    return [stage for stage in listed if not stage.attack.startswith("square")]


def strongest(subject: Subject) -> Finding:
    """13. The claim is the accuracy in the worst case over an ensemble, image by image.

    Targeted and untargeted, along several gradients and along none; an image counts as robust
    only if it withstands all (Carlini et al. 2019, section 4.3).
    """
    rows = subject.survivors
    left = torch.ones_like(rows, dtype=torch.bool) if subject.squared is None else subject.squared
    by = ["Square"] if not left.all() else []
    for stage in ensemble(subject):
        here = left.nonzero()[:, 0]
        made = subject.attacked(rows[here], attack=stage.attack, what=stage.name, **stage.options)
        withstood = subject.withstood(made, rows[here])
        by += [] if withstood.all() else [stage.name]
        left = left.index_put((here,), withstood)
    total = len(subject.labels)
    note = f"Claimed {percent(len(rows) / total)}, worst case {percent(float(left.sum()) / total)}"
    note += f", by {'; '.join(by)}." if by else "."
    return overturning(
        "strongest", subject, rows, ~left, "The ensemble, targeted and untargeted,", note=note
    )
