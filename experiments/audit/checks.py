"""All checks, by name, in the order in which they are told."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from experiments.audit import (
    budgets,
    chance,
    codes,
    effort,
    elsewhere,
    gradients,
    outputs,
    record,
    spikes,
    strongest,
)
from experiments.audit.finding import Finding
from experiments.audit.subject import Subject

Check = Callable[[Subject], Finding]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "determinism": outputs.determinism,
        "outputs": outputs.outputs,
        "dynamic inference": outputs.dynamic_inference,
        "zero gradient": gradients.zero_gradient,
        "gradient correctness": gradients.gradient_correctness,
        "budget": budgets.budget_validity,
        "monotone": budgets.monotone,
        "reaches chance": budgets.reaches_chance,
        "single step": effort.single_step,
        "more steps": effort.more_steps,
        "plateau": effort.plateau,
        "more restarts": effort.more_restarts,
        "square": elsewhere.square,
        "noise": elsewhere.noise,
        "transfer": elsewhere.transfer,
        "hard label": elsewhere.hard_label,
        "strongest": strongest.strongest,
        "random draws": chance.random_draws,
        "codes": codes.codes,
        "surrogates": spikes.surrogates,
        "time axis": spikes.time_axis,
        "feedback off": spikes.feedback_off,
        "controls": record.controls,
        "certificate": record.certificate,
        "individuals": record.individuals,
        "fairness": record.fairness,
        "corruptions": record.corruptions,
        "provenance": record.provenance,
    }
)


def audited(
    subject: Subject, report: Callable[[float], None] = lambda done: None
) -> tuple[list[Finding], dict[str, float]]:
    """What every check finds, and how many seconds it took."""
    findings, seconds = [], {}
    for at, (name, check) in enumerate(CHECKS.items(), 1):
        began = time.monotonic()
        findings.append(check(subject))
        seconds[name] = time.monotonic() - began
        report(at / len(CHECKS))
    return findings, seconds
