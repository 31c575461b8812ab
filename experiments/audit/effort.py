"""Checks of how hard the claimed attack tried: would more of the same have found more?"""

from typing import Any

import torch
from torch import Tensor

from experiments.attacks.goal import cross_entropy
from experiments.audit.finding import Finding, not_applicable, outcome
from experiments.audit.grade import overturning
from experiments.audit.subject import Subject

LATE = 0.25  # of the answers, that come last
RISING = 0.1  # of the loss's whole rise, that may come as late as that
SINGLE: dict[str, Any] = {"steps": 1, "restarts": 1, "relative_step": 1, "schedule": "constant"}


def fooled_by(subject: Subject, inputs: Tensor) -> Tensor:
    """Which survivors inputs made of them (n, ...) fool: bool (n,)."""
    return ~subject.withstood(inputs, subject.survivors)


def single_step(subject: Subject) -> Finding:
    """8. Many steps fool what one step fools (Athalye et al. 2018, section 3.1)."""
    if subject.claim.effort != "steps" or subject.claim.entry.kind != "gradient":
        return not_applicable(
            "single step", f"{subject.claim.attack} follows no gradient in steps."
        )
    made = subject.attacked(
        subject.survivors, attack=f"pgd-{subject.claim.entry.norm}", random_start=False, **SINGLE
    )
    return overturning(
        "single step", subject, subject.survivors, fooled_by(subject, made), "One step"
    )


def more_steps(subject: Subject) -> Finding:
    """9. Going on as long again, at the same step size, lowers accuracy by at most half a point.

    Twice the steps, and where steps have a relative size, twice that: else they would halve, and a
    path that is too short would stay so.
    """
    effort = subject.claim.effort
    if effort is None:
        why = f"{subject.claim.attack} does not go on, so it cannot go on for longer."
        return not_applicable("more steps", why)
    settings = subject.claim.settings
    longer = {effort: 2 * settings[effort]}
    if "relative_step" in settings:
        longer["relative_step"] = 2 * settings["relative_step"]
    made = subject.attacked(subject.survivors, what="more steps", **longer)
    means = f"{effort} {longer[effort]} rather than {settings[effort]}"
    return overturning("more steps", subject, subject.survivors, fooled_by(subject, made), means)


def more_restarts(subject: Subject) -> Finding:
    """10. Twice the restarts lower accuracy by at most half a point."""
    settings = subject.claim.settings
    if "restarts" not in settings:
        why = f"{subject.claim.attack} does not start anew."
        return not_applicable("more restarts", why)
    more = {"restarts": 2 * settings["restarts"]}
    if "random_start" in settings:
        more["random_start"] = True
    made = subject.attacked(subject.survivors, what="more restarts", **more)
    means = f"{more['restarts']} random starts rather than {settings['restarts']}"
    return overturning("more restarts", subject, subject.survivors, fooled_by(subject, made), means)


def plateau(subject: Subject) -> Finding:
    """9, its other half. The loss of the images that withstand no longer rises at the end.

    A warning where the best loss so far, averaged over survivors, makes more than a tenth of its
    rise in the last quarter of the attack.
    """
    effort = subject.claim.effort
    if effort is None or subject.claim.entry.kind in ("minimum", "ensemble"):
        why = f"{subject.claim.attack} does not raise a loss from step to step."
        return not_applicable("plateau", why)
    losses = traced(subject)
    if len(losses) < 4:
        return not_applicable("plateau", "No image withstands, or the attack is too short to tell.")
    best = torch.cummax(torch.tensor(losses), 0).values
    whole = float(best[-1] - best[0])
    late = float(best[-1] - best[round((1 - LATE) * (len(best) - 1))])
    share = late / whole if whole > 0 else 0.0
    sentence = (
        f"The loss of the survivors rose from {best[0]:.3g} to {best[-1]:.3g}, "
        f"{100 * share:.0f} % of that in the last quarter of the attack."
    )
    found = outcome(failed=False, doubtful=share > RISING)
    return Finding("plateau", found, 100 * share, "%", sentence)


def traced(subject: Subject) -> list[float]:
    """The mean loss of the survivors each time that one run of the attack asks about them all."""
    rows, losses = subject.survivors, list[float]()
    labels = subject.labels[rows]

    def listening(inputs: Tensor) -> Tensor:
        logits = subject.model(inputs)
        if len(inputs) == len(rows):
            losses.append(float(cross_entropy(logits.detach(), labels).mean()))
        return logits

    once: dict[str, Any] = {"restarts": 1} if "restarts" in subject.claim.settings else {}
    subject.attacked(rows, model=listening, keep_going=True, what="plateau", **once)
    return losses[1:]  # the first is the clean image's
