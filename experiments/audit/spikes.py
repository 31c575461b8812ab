"""Checks of gradients through spikes, time and feedback: is any other way back more harmful?"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from experiments.attacks.guides import Way, ways
from experiments.attacks.victim import Guide
from experiments.audit.concealed import concealed
from experiments.audit.finding import Finding, not_applicable
from experiments.audit.grade import BROKEN, overturning, spread_over
from experiments.audit.subject import Subject
from experiments.verdict.wording import percent
from networks.derive import feedforward_part
from sim import Network
from sim.parameters import shapes

MEMBRANE = frozenset({"surrogate", "adaptive", "straight-through", "smooth", "space"})
SLOPES = (0.5, 2.0, 10.0)  # of those that `guides.SLOPES` holds
SPREAD = 5.0  # points between the claim and the worst case over surrogates that are too many


def out_of_reach(check: str, subject: Subject, why: str) -> Finding:
    """There is nothing to sweep, for the reason given, unless the model conceals what there is."""
    if sentence := concealed(subject):
        return Finding(check, "warn", math.nan, "points", sentence)
    return not_applicable(check, why)


def fooled_along(subject: Subject, rows: Tensor, name: str, guide: Guide | None) -> Tensor:
    """Which rows (n,) projected gradient fools along a guide, or the model's own gradient."""
    made = subject.attacked(
        rows,
        attack=f"pgd-{subject.claim.entry.norm}",
        what=name,
        guide=guide,
        loss="margin",
        steps=subject.allowance.steps,
    )
    return ~subject.withstood(made, rows)


def fooled_through(subject: Subject, rows: Tensor, known: Iterable[tuple[str, Way]]) -> Tensor:
    """Which rows (n,) each way back fools, bool (ways, n), every way on its own."""
    assert isinstance(subject.model, Network)
    network = subject.model
    return torch.stack([fooled_along(subject, rows, n, w.through(network)) for n, w in known])


def swept(check: str, subject: Subject, families: frozenset[str], broken: float) -> Finding:
    """The finding of a sweep over the ways back of some families."""
    known = [(n, w) for n, w in ways(subject.model).items() if w.family in families]
    known = [(n, w) for n, w in known if w.family != "surrogate" or float(n.split()[1]) in SLOPES]
    if not known:
        return out_of_reach(check, subject, "The model has no such ways back for the gradient.")
    rows = spread_over(subject.survivors, subject.allowance.few)
    if not len(rows):
        return overturning(check, subject, rows, torch.zeros(0, dtype=torch.bool), "")
    each = fooled_through(subject, rows, known)
    shares = each.float().mean(1)
    best = int(shares.argmax())
    own = float(fooled_along(subject, rows, "own", None).float().mean())
    note = (
        f"The most harmful alone is {known[best][0]} ({percent(float(shares[best]))}), the least "
        f"fools {percent(float(shares.min()))}, its own gradient, tried again, {percent(own)}."
    )
    return overturning(
        *(check, subject, rows, each.any(0), f"PGD along {len(known)} other ways back"),
        broken=broken,
        note=note,
    )


def surrogates(subject: Subject) -> Finding:
    """17. Surrogates of other shapes and slopes fool nothing more; five points are too many.

    Xu et al. 2022 (arXiv 2209.03358): success depends on the surrogate, so that the training
    surrogate alone says little. Image by image over all of them, on some survivors.
    """
    if subject.wiring is None or not subject.wiring.spiking:
        return out_of_reach("surrogates", subject, "The model has no spikes.")
    return swept("surrogates", subject, MEMBRANE, SPREAD)


def time_axis(subject: Subject) -> Finding:
    """18. Other moments of the answer, and shorter ways back in time, fool nothing more."""
    return swept("time axis", subject, frozenset({"time"}), BROKEN)


def feedback_off(subject: Subject) -> Finding:
    """19. Inputs made as if there were no feedback fool nothing that the claim leaves.

    Along the feedforward paths of the whole network, and on the network whose feedback is cut;
    the other direction, how the cut network withstands the claim's inputs, is told beside it.
    """
    model, wiring = subject.model, subject.wiring
    known = [(n, w) for n, w in ways(model).items() if w.family == "paths"]
    if wiring is None or not isinstance(model, Network) or not known:
        why = "The model has no lateral or top-down projections."
        return out_of_reach("feedback off", subject, why)
    rows = spread_over(subject.survivors, subject.allowance.images)
    cut = without_feedback(model)
    made = subject.attacked(rows, model=cut, keep_going=True, what="feedback off")
    fooled = ~subject.withstood(made, rows)
    if len(rows):
        fooled |= fooled_through(subject, rows, known).any(0)
    with torch.no_grad():
        clean = (cut(subject.images).argmax(1) == subject.labels).float().mean()
        under = (cut(subject.claimed).argmax(1) == subject.labels).float().mean()
    note = (
        f"The network without feedback gets {percent(float(clean))} right when clean and "
        f"{percent(float(under))} of the claim's inputs."
    )
    return overturning(
        *("feedback off", subject, rows, fooled, "Inputs made without feedback"), note=note
    )


def without_feedback(model: Network) -> Network:
    """The same weights without lateral and top-down projections."""
    wiring = feedforward_part(model.wiring)
    values = {name: model.values[name].detach() for name in shapes(wiring)}
    return Network(wiring, values, model.generator)
