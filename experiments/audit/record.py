"""Checks of what a run has on record: controls, certificates, individuals, fairness, hashes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.audit.finding import Finding, not_applicable, outcome

if TYPE_CHECKING:
    from experiments.audit.subject import Subject

INDIVIDUALS = 5
SIZE = 0.02  # of the parameters
CLEAN = 0.003  # accuracy when clean
NO_RUN = "The model is not audited as part of a run, so there is no record."


@dataclass(frozen=True)
class Beside:
    """What two networks of a comparison must have in common to be compared.

    Attributes:
        name: of the network.
        parameters: how many; -1 where that is not known.
        clean: accuracy on clean images, over all individuals and images of the run.
    """

    name: str
    parameters: int
    clean: float


@dataclass(frozen=True)
class Record:
    """What is known of the run.

    Attributes:
        individuals: trained of this network.
        network: this one.
        control: its matched feedforward control, if the run has one.
        corruptions: whether its accuracy under corruptions was measured.
        missed: positive controls that were not caught; None where none were run.
        hashes: whether what is on disk has the hash on record, by what it is.
        versions: whether those of the software are on record.
    """

    individuals: int
    network: Beside
    control: Beside | None = None
    corruptions: bool = False
    missed: tuple[str, ...] | None = None
    hashes: Mapping[str, bool] = field(default_factory=dict)
    versions: bool = False


def controls(subject: "Subject") -> Finding:
    """21. Known-broken models and attacks are found out, known-sound ones are not."""
    record = subject.record
    if record is None or record.missed is None:
        return not_applicable("controls", "No controls were run.")
    missed = record.missed
    sentence = (
        f"Not told apart: {', '.join(missed)}; no verdict of this audit can be relied on."
        if missed
        else "All known-broken controls were caught, and the sound one was not."
    )
    found = outcome(failed=bool(missed))
    return Finding("controls", found, len(missed), "controls", sentence)


def certificate(subject: "Subject") -> Finding:
    """22. Certified robust <= robust <= right when clean, image by image."""
    if subject.certified is None:
        return not_applicable("certificate", "No certificate was given for this network.")
    below = subject.certified & ~subject.standing
    above = subject.standing & ~subject.right
    count = int((below | above).sum())
    sentence = (
        f"{int(below.sum())} certified images were fooled, and {int(above.sum())} images withstood "
        "the attack that are wrong when clean."
    )
    return Finding("certificate", outcome(failed=count > 0), count, "images", sentence)


def individuals(subject: "Subject") -> Finding:
    """24. At least five individuals, over which a difference can be tested."""
    if subject.record is None:
        return not_applicable("individuals", NO_RUN)
    count = subject.record.individuals
    sentence = f"The run has {count} trained individuals; a comparison wants {INDIVIDUALS}."
    found = outcome(failed=False, doubtful=count < INDIVIDUALS)
    return Finding("individuals", found, count, "individuals", sentence)


def fairness(subject: "Subject") -> Finding:
    """25. Parameters within 2 %, clean accuracy within 0.3 points of the matched control."""
    if subject.record is None:
        return not_applicable("fairness", NO_RUN)
    mine, control = subject.record.network, subject.record.control
    if control is None:
        return not_applicable("fairness", "The run has no matched feedforward control for it.")
    size = abs(mine.parameters / control.parameters - 1) if control.parameters > 0 else 1.0
    clean = mine.clean - control.clean
    unfair = size > SIZE or abs(clean) > CLEAN + 1e-9
    sentence = (
        f"Beside {control.name}: parameters differ by {100 * size:.1f} %, clean accuracy by "
        f"{100 * clean:+.1f} points."
    )
    found = outcome(failed=False, doubtful=unfair)
    return Finding("fairness", found, 100 * abs(clean), "points", sentence)


def corruptions(subject: "Subject") -> Finding:
    """26. Robustness beyond small changes was measured too."""
    if subject.record is None:
        return not_applicable("corruptions", NO_RUN)
    there = subject.record.corruptions
    sentence = (
        "Accuracy under corruptions stands beside it."
        if there
        else "No corruptions were measured, so nothing is said of robustness in general."
    )
    found = outcome(failed=False, doubtful=not there)
    return Finding("corruptions", found, float(there), "", sentence)


def provenance(subject: "Subject") -> Finding:
    """27. Hashes of weights and inputs are on record and agree; versions are on record."""
    if subject.record is None:
        return not_applicable("provenance", NO_RUN)
    wrong = [what for what, agrees in subject.record.hashes.items() if not agrees]
    if wrong:
        sentence = f"Not what the run recorded: {', '.join(wrong)}."
        return Finding("provenance", "fail", len(wrong), "files", sentence)
    known = {"weights", "inputs"} <= set(subject.record.hashes) and subject.record.versions
    sentence = (
        "Weights and inputs have the hashes on record, and versions are there."
        if known
        else "Hashes of weights or of inputs, or versions, are not on record."
    )
    return Finding("provenance", outcome(failed=False, doubtful=not known), 0, "files", sentence)
