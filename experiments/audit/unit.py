"""Units of work: the controls, and the audit of one individual under one claim."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.audit.allowance import Allowance
from experiments.audit.record import Record
from experiments.bench import Bench, scored
from experiments.store import damaged, fresh_unit, key_of, unit_path, write_text
from experiments.units import FORMAT, Report, Unit

if TYPE_CHECKING:
    import torch

    from experiments.attacks.victim import Model
    from experiments.audit.subject import Subject

AUDITED = 2  # raise it when checks, thresholds or controls change


@dataclass(frozen=True)
class Controls:
    """Whether the audit tells models and attacks apart whose verdict is known."""

    bench: Bench
    stage: ClassVar[str] = "audit"
    product: ClassVar[str] = "controls.json"

    @property
    def label(self) -> str:
        """For people."""
        return "controls"

    @cached_property
    def key(self) -> str:
        """Of everything that determines what is told apart."""
        return key_of(
            format=(FORMAT, AUDITED),
            what="controls",
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Train the controls, and look whether each is told rightly."""
        from experiments.audit.broken import CONTROLS, told_apart

        told = []
        for each in told_apart(self.bench.load()):
            told.append(asdict(each))
            report(len(told) / len(CONTROLS), 0.0)
        with fresh_unit(self.stage, self.key) as directory:
            write_text(directory / self.product, json.dumps(told, indent=1))


@dataclass(frozen=True)
class Place:
    """Where a model comes from: a directory of a run, or an import path."""

    name: str
    directory: Path | None
    identity: str

    def model(self) -> "Model":
        """The model, loaded."""
        from experiments.bring import imported
        from experiments.cells import load_at

        return load_at(self.directory) if self.directory else imported(self.name, "cpu")


@dataclass(frozen=True)
class Audit:
    """The audit of one individual's accuracy under one attack of a run.

    Attributes:
        place: the individual.
        attack: the claimed attack.
        epsilon: its budget.
        options: of the attack, as the run had them.
        images: the first so many of the run.
        inputs: the set that the run kept, if it did.
        inputs_sha256: on record; "" where there is none.
        recorded: which images were answered rightly under the claim.
        transferred: by source and attack, which were answered rightly of other inputs.
        others: on which inputs are made anew.
        record: what is known of the run.
        allowance: how much to look at.
        bench: the data.
    """

    stage: ClassVar[str] = "audit"
    product: ClassVar[str] = "findings.json"
    place: Place
    attack: str
    epsilon: float
    options: tuple[tuple[str, Any], ...]
    images: int
    inputs: Path | None
    inputs_sha256: str
    recorded: tuple[bool, ...]
    transferred: Mapping[str, tuple[bool, ...]]
    others: tuple[Place, ...]
    record: Record
    allowance: Allowance
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.place.name} under {self.attack} at {self.epsilon:g}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the findings."""
        return key_of(
            format=(FORMAT, AUDITED),
            network=self.place.identity,
            attack=(self.attack, self.epsilon, self.options),
            images=self.images,
            inputs=(self.inputs is not None, self.inputs_sha256),
            recorded=self.recorded,
            transferred=dict(self.transferred),
            others=[(each.name, each.identity) for each in self.others],
            record=asdict(self.record),
            allowance=asdict(self.allowance),
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The controls, whose outcome is one of the findings."""
        return (Controls(self.bench),)

    def run(self, report: Report) -> None:
        """Every check in turn; findings, and which images withstood what."""
        from experiments.audit.checks import audited
        from experiments.audit.finding import verdict

        subject = self.subject()
        findings, seconds = audited(subject, lambda done: report(done, 0.0))
        overturned = sorted({row for each in findings for row in each.overturned})
        told = {
            "network": self.place.name,
            "verdict": verdict(findings),
            "findings": [asdict(each) | {"seconds": seconds[each.check]} for each in findings],
            "clean": subject.right.tolist(),
            "claimed": subject.standing.tolist(),
            "overturned": overturned,
        }
        with fresh_unit(self.stage, self.key) as directory:
            write_text(directory / self.product, json.dumps(told, indent=1))

    def subject(self) -> "Subject":
        """What is audited, with everything loaded."""
        import torch

        from experiments.audit.subject import Claim, Subject

        split = scored(self.bench, self.images)
        inputs, agrees = self.kept()
        hashes = {**self.record.hashes, **({} if inputs is None else {"inputs": agrees})}
        return Subject(
            name=self.place.name,
            model=self.place.model(),
            images=split.images,
            labels=split.labels,
            claim=Claim(self.attack, self.epsilon, dict(self.options)),
            inputs=inputs,
            recorded=torch.tensor(self.recorded),
            transferred={k: torch.tensor(v) for k, v in self.transferred.items()},
            others={each.name: each.model() for each in self.others},
            record=replace(self.record, missed=missed(self.bench), hashes=hashes),
            allowance=self.allowance,
        )

    def kept(self) -> "tuple[torch.Tensor | None, bool]":
        """The claim's inputs (N, ...) as the run left them, and whether they have their hash."""
        from experiments.single import read_inputs
        from experiments.units import sha256_of

        if self.inputs is None:
            return None, False
        tensors, facts = read_inputs(self.inputs)
        whole = tensors["inputs"]
        mine = whole[facts["epsilons"].index(self.epsilon), : self.images]
        return mine, sha256_of(whole) == self.inputs_sha256


def read_told(unit: Unit) -> Any:
    """What a unit of this module left."""
    path = unit_path(unit.stage, unit.key) / unit.product
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def missed(bench: Bench) -> tuple[str, ...]:
    """The controls that were not told rightly."""
    return tuple(each["control"] for each in read_told(Controls(bench)) if not each["caught"])
