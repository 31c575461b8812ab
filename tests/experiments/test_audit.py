"""Findings, grades and what is on record: the audit's arithmetic, without attacks."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from experiments.audit import Finding, verdict
from experiments.audit.finding import COMPARISON, not_applicable, outcome
from experiments.audit.grade import graded, overturning, spread_over
from experiments.audit.record import (
    Beside,
    Record,
    certificate,
    controls,
    corruptions,
    fairness,
    individuals,
    provenance,
)
from experiments.audit.saved import assembled, audit_path, joined, load_audit, verdicts
from experiments.audit.subject import Claim, Subject
from experiments.store import write_dataset
from networks import BlindspotsError


def finding(check: str = "square", outcome: str = "pass", **changes: object) -> Finding:
    return replace(Finding(check, "pass", 0.0, "points", "So it is."), outcome=outcome, **changes)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["pass", "pass"], "trusted"),
        (["pass", "not applicable"], "trusted"),
        (["pass", "warn"], "suspicious"),
        (["warn", "fail", "pass"], "void"),
        (["not applicable"], "suspicious"),
        ([], "suspicious"),
    ],
)
def test_verdict_follows_the_gravest_outcome(outcomes: list[str], expected: str) -> None:
    assert verdict(finding(outcome=each) for each in outcomes) == expected


@pytest.mark.parametrize("check", sorted(COMPARISON))
def test_what_concerns_comparisons_leaves_the_verdict_alone(check: str) -> None:
    assert verdict([finding(), finding(check, "fail")]) == "trusted"


def test_no_other_outcome_is_accepted() -> None:
    with pytest.raises(BlindspotsError, match="outcome 'passed'"):
        Finding("square", "passed", 0.0, "", "")  # type: ignore[arg-type]


def test_outcome_takes_the_graver() -> None:
    assert outcome(failed=True, doubtful=True) == "fail"
    assert outcome(failed=False, doubtful=True) == "warn"
    assert outcome(failed=False) == "pass"


def test_nothing_to_look_at_has_no_number() -> None:
    assert math.isnan(not_applicable("codes", "No code.").number)


@pytest.mark.parametrize(
    ("points", "images", "count", "expected"),
    [
        (0.0, 100, 0, "pass"),
        (1.0, 100, 1, "pass"),  # half a point is less than one image
        (2.0, 100, 2, "warn"),
        (3.0, 100, 3, "warn"),
        (4.0, 100, 4, "fail"),
        (0.5, 1000, 5, "pass"),
        (0.6, 1000, 6, "warn"),
        (8.0, 100, 1, "warn"),  # one image among a few that stand for many
    ],
)
def test_grades(points: float, images: int, count: int, expected: str) -> None:
    assert graded(points, images, count) == expected


def test_thresholds_can_be_others() -> None:
    assert graded(1.0, 1000, 10, tolerated=1.0) == "pass"
    assert graded(4.0, 100, 4, broken=5.0) == "warn"


@pytest.fixture
def subject() -> Subject:
    """Ten blank images of class 0, which the model always answers; eight are claimed to stand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    images = torch.full((10, 1, 2, 2), 0.5)
    recorded = torch.arange(10) < 8
    labels = torch.zeros(10, dtype=torch.int64)
    return Subject("blank", model, images, labels, Claim("pgd-linf", 0.1), recorded=recorded)


def test_a_few_survivors_stand_for_all(subject: Subject) -> None:
    rows, fooled = torch.tensor([0, 3, 5, 7]), torch.tensor([True, False, False, True])
    found = overturning("square", subject, rows, fooled, "Squares")
    assert found.number == pytest.approx(40)  # half of 8 survivors of 10
    assert found.overturned == (0, 7)
    assert found.outcome == "fail"
    assert found.sentence.startswith("Squares fooled 2 of 4 images")


def test_no_survivor_leaves_nothing_to_overturn(subject: Subject) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    found = overturning("square", subject, none, none.bool(), "Squares")
    assert (found.outcome, found.number) == ("pass", 0.0)
    assert "nothing to overturn" in found.sentence


def test_spread_over_keeps_both_ends() -> None:
    assert spread_over(torch.arange(10, 20), 3).tolist() == [10, 14, 19]
    assert spread_over(torch.arange(3), 5).tolist() == [0, 1, 2]


RECORD = Record(
    individuals=5,
    network=Beside("mine", 1000, 0.975),
    control=Beside("mine-control", 1019, 0.973),
    corruptions=True,
    missed=(),
    hashes={"weights": True, "inputs": True},
    versions=True,
)


@pytest.mark.parametrize(
    ("check", "changes", "expected"),
    [
        (controls, {"missed": ("feedback alignment",)}, "fail"),
        (controls, {"missed": None}, "not applicable"),
        (individuals, {"individuals": 4}, "warn"),
        (fairness, {"network": Beside("mine", 1000, 0.9695)}, "warn"),
        (fairness, {"network": Beside("mine", 998, 0.975)}, "warn"),
        (fairness, {"control": None}, "not applicable"),
        (corruptions, {"corruptions": False}, "warn"),
        (provenance, {"hashes": {"weights": False, "inputs": True}}, "fail"),
        (provenance, {"hashes": {"weights": True}}, "warn"),
        (provenance, {"versions": False}, "warn"),
    ],
)
def test_record(subject: Subject, check, changes: dict, expected: str) -> None:  # type: ignore[no-untyped-def]
    assert check(replace(subject, record=RECORD)).outcome == "pass"
    assert check(replace(subject, record=replace(RECORD, **changes))).outcome == expected
    assert check(subject).outcome == "not applicable"


def test_certificate_lies_below_the_claim_and_that_below_clean(subject: Subject) -> None:
    assert certificate(subject).outcome == "not applicable"
    below = replace(subject, certified=torch.arange(10) < 5)
    assert certificate(below).outcome == "pass"
    assert certificate(replace(subject, certified=torch.arange(10) < 9)).number == 1
    wrong = replace(below, labels=torch.ones(10, dtype=torch.int64))
    assert certificate(wrong).outcome == "fail"


def told(network: str, result: str, overturned: list[int]) -> dict:
    findings = [
        {"check": c, "outcome": "pass", "number": 0.5, "unit": "", "sentence": c, "seconds": 1.0}
        for c in ("square", "noise")
    ]
    answers = [True, True, True, False]
    return {
        **{"network": network, "verdict": result, "findings": findings, "clean": answers},
        **{"claimed": answers, "overturned": overturned},
    }


ATTRS = {"attack": "fgsm", "epsilon": 0.1, "individual": 0, "images": 4, "data_sha256": "0"}


def test_an_audit_is_saved_and_grows(tmp_path) -> None:  # type: ignore[no-untyped-def]
    audit_path(tmp_path).parent.mkdir()
    assert verdicts(tmp_path) == {}
    first = assembled([told("a", "trusted", []), told("b", "trusted", [])], ATTRS)
    write_dataset(first, audit_path(tmp_path))
    again = joined(
        assembled([told("b", "suspicious", [1]), told("a-longer", "void", [0, 1])], ATTRS), tmp_path
    )
    write_dataset(again, audit_path(tmp_path))
    assert verdicts(tmp_path) == {"a": "trusted", "b": "suspicious", "a-longer": "void"}
    saved = load_audit(tmp_path)
    assert saved["claimed"].mean("image").values.tolist() == [0.75, 0.75, 0.75]
    assert saved["withstood"].mean("image").values.tolist() == [0.75, 0.5, 0.25]
    other = assembled([told("c", "void", [])], {**ATTRS, "epsilon": 0.2})
    assert joined(other, tmp_path)["network"].values.tolist() == ["c"]


def test_no_audit_is_told(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BlindspotsError, match="was not audited"):
        load_audit(tmp_path)
