"""What is audited: a model, its images, and the attack that its robust accuracy rests on."""

import inspect
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from experiments.attacks.names import ATTACKS, Attack, attack_named
from experiments.attacks.threat import Threat
from experiments.attacks.victim import Model
from experiments.audit.allowance import Allowance
from experiments.audit.quiet import without_warnings
from experiments.audit.record import Record
from networks import Wiring
from sim import Network

EFFORTS = ("steps", "queries", "evaluations", "effort")
"""What options are called that say how long an attack goes on."""


@dataclass(frozen=True)
class Claim:
    """The attack under which the accuracy was measured.

    Attributes:
        attack: its name in `attacks.names.ATTACKS`.
        epsilon: budget, in its norm.
        options: where they differ from its defaults.
    """

    attack: str
    epsilon: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> Attack:
        """The registered attack."""
        return attack_named(self.attack)

    @property
    def threat(self) -> Threat:
        """The budget."""
        return Threat(self.entry.norm, self.epsilon)

    @property
    def settings(self) -> dict[str, Any]:
        """Every option of the attack, as claimed or by default."""
        parameters = inspect.signature(self.entry.function).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        return {**defaults, **self.options}

    @property
    def effort(self) -> str | None:
        """The option that says how long it goes on, if there is one."""
        return next((name for name in EFFORTS if name in self.settings), None)


@dataclass(frozen=True)
class Subject:
    """A model with the claim that is audited; what several checks need is computed once.

    Attributes:
        name: of the model, for sentences.
        model: images (N, ...) in [0, 1] to logits (N, K).
        images: (N, ...).
        labels: (N,), the right classes.
        claim: the attack that the accuracy rests on.
        seed: of all chance.
        inputs: (N, ...), the inputs that the claim made, where they were kept; else made here.
        recorded: bool (N,), which of those the model was said to answer rightly; None: as judged
            here.
        transferred: by name what the model was said to answer rightly, bool (N,), of other inputs
            within the same budget.
        others: models on which inputs are made anew, by name.
        record: what is known of the run; None outside of one.
        certified: bool (N,), images for which robustness was proved; None where nothing was.
        allowance: how much to look at.
    """

    name: str
    model: Model
    images: Tensor
    labels: Tensor
    claim: Claim
    seed: int = 0
    inputs: Tensor | None = None
    recorded: Tensor | None = None
    transferred: Mapping[str, Tensor] = field(default_factory=dict)
    others: Mapping[str, Model] = field(default_factory=dict)
    record: Record | None = None
    certified: Tensor | None = None
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def wiring(self) -> Wiring | None:
        """The model's wiring, where it is a simulated network."""
        return self.model.wiring if isinstance(self.model, Network) else None

    def chance(self, what: str) -> torch.Generator:
        """A source of chance of its own for each purpose."""
        return torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {what}".encode()))

    @torch.no_grad()
    def answers(self, inputs: Tensor) -> Tensor:
        """Logits (n, K) for inputs (n, ...)."""
        return self.model(inputs).detach()

    def withstood(self, inputs: Tensor, rows: Tensor) -> Tensor:
        """Whether the model answers inputs (n, ...) made of the given rows rightly: bool (n,)."""
        return self.answers(inputs).argmax(1) == self.labels[rows]

    @property
    def everything(self) -> Tensor:
        """The rows of all images."""
        return torch.arange(len(self.labels))

    @cached_property
    def right(self) -> Tensor:
        """Which images are answered rightly when clean: bool (N,)."""
        return self.withstood(self.images, self.everything)

    @cached_property
    def claimed(self) -> Tensor:
        """The inputs of the claim, (N, ...)."""
        return self.attacked(self.everything) if self.inputs is None else self.inputs

    @cached_property
    def standing(self) -> Tensor:
        """Which images withstand the claim: bool (N,)."""
        if self.recorded is not None:
            return self.recorded
        return self.withstood(self.claimed, self.everything)

    @cached_property
    def survivors(self) -> Tensor:
        """The rows of the images that withstand the claim."""
        return self.standing.nonzero()[:, 0]

    @cached_property
    def squared(self) -> Tensor | None:
        """Which survivors withstand Square too: bool (n,); None where the norm has none."""
        name = f"square-{self.claim.entry.norm}"
        if name not in ATTACKS:
            return None
        made = self.attacked(
            self.survivors, attack=name, what="square", queries=self.allowance.queries
        )
        return self.withstood(made, self.survivors)

    @property
    def subset(self) -> Tensor:
        """Rows of images that are right when clean, at most `Allowance.images`."""
        return self.right.nonzero()[: self.allowance.images, 0]

    def attacked(
        self,
        rows: Tensor,
        *,
        attack: str | None = None,
        epsilon: float | None = None,
        model: Model | None = None,
        what: str = "claim",
        **options: Any,
    ) -> Tensor:
        """What the claimed attack, or another, makes of the given rows: inputs (n, ...).

        Args:
            rows: (n,).
            attack: the claimed one, with the claim's options; one that is named has its defaults.
            epsilon: the claimed one unless given.
            model: on which the inputs are made; default: this one.
            what: which source of chance is drawn from.
            options: over those.
        """
        if not len(rows):
            return self.images[rows]
        kept = self.claim.options if attack is None else {}
        with without_warnings():
            made: Tensor = attack_named(attack or self.claim.attack).function(
                *(model or self.model, self.images[rows], self.labels[rows]),
                epsilons=[self.claim.epsilon if epsilon is None else epsilon],
                generator=self.chance(what),
                **{**kept, **options},
            )
        return made[0]
