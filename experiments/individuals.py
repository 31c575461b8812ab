"""Units of work that make one individual: trained here, in cells, or brought by the user."""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.bench import Bench
from experiments.crash import is_of_memory
from experiments.kept import Kept
from experiments.recipe import Recipe, trains_together
from experiments.store import fresh_unit, key_of, link, unit_path
from experiments.units import FORMAT, Report, Unit, is_complete, said
from networks import Physiology, Wiring
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    import torch

    from sim import Network

CALIBRATED_ON = 100  # training images
STACKED = 2  # raise it when what is trained along one axis comes to add in another order


@dataclass(frozen=True)
class Train:
    """Individual of ``wiring`` that starts from ``seed``; with a ``teacher``, distilled from it."""

    stage: ClassVar[str] = "train"
    product: ClassVar[str] = "weights.safetensors"
    wiring: Wiring
    recipe: Recipe
    seed: int
    bench: Bench
    teacher: "Train | Kept | None" = None

    @property
    def label(self) -> str:
        """For people."""
        of = f" taught by {self.teacher.label}" if self.teacher else ""
        return f"{self.wiring.name} (seed {self.seed}){of}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the weights."""
        return key_of(
            format=FORMAT,
            wiring=said(self.wiring),
            recipe=said(self.recipe),
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
            **({"teacher": self.teacher.key} if self.teacher else {}),
            **({"stacked": STACKED} if self.is_stacked else {}),
        )

    @property
    def is_stacked(self) -> bool:
        """Whether it is trained along an axis of individuals, be there one or many."""
        can_be = self.teacher is None and trains_together(self.wiring, self.recipe)
        return can_be and self.bench.stacks_individuals

    @cached_property
    def anonymous(self) -> "Train":
        """The same for all individuals."""
        return replace(self, seed=0)

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The teacher, where there is one that is made here."""
        return self.teacher.before if self.teacher else ()

    def run(self, report: Report) -> None:
        """Train, from the last checkpoint if there is one."""
        if self.is_stacked:
            self._stacked(report)
        else:
            self._alone(report)

    def _stacked(self, report: Report) -> None:
        from experiments.training import Diverged

        self.run_all([self], report)
        if not is_complete(self):
            raise Diverged(
                f"Training {self.label} met a loss that is no number; lower its learning rate "
                f"({self.recipe.rate})."
            )

    def _alone(self, report: Report) -> None:
        import torch

        from experiments.training import train

        checkpoint, began = unit_path("training", self.key), time.monotonic()
        network, facts = train(
            *(self.wiring, self.recipe, self.bench.load(), self.seed),
            checkpoint=checkpoint,
            device=torch.device(self.bench.device),
            report=report,
            teacher=self.teacher.model() if self.teacher else None,
        )
        self.leave(network, facts | {"seconds": time.monotonic() - began})
        shutil.rmtree(checkpoint, ignore_errors=True)

    @staticmethod
    def run_all(units: "Sequence[Train]", report: Report) -> None:
        """Train those of one wiring and recipe; one whose loss was no number is left out."""
        import torch

        from experiments import population

        one, began = units[0], time.monotonic()
        checkpoint = unit_path("training", key_of(together=[each.key for each in units]))
        try:
            made = population.train_together(
                *(one.wiring, one.recipe, one.bench.load(), [each.seed for each in units]),
                checkpoint=checkpoint,
                device=torch.device(one.bench.device),
                report=report,
            )
        except RuntimeError as error:
            if len(units) > 1 and is_of_memory(error):  # fewer are to try
                shutil.rmtree(checkpoint, ignore_errors=True)
            raise
        seconds = (time.monotonic() - began) / len(units)
        for each, individual in zip(units, made, strict=True):
            if individual:
                network, facts = individual
                each.leave(network, facts | {"seconds": seconds})
        shutil.rmtree(checkpoint, ignore_errors=True)

    def leave(self, network: "Network", facts: dict[str, Any]) -> None:
        """Weights and the history of training, under the key."""
        from experiments.training import save_individual

        facts = facts | {"recipe": dict(self.recipe), "data": self.bench.data, "key": self.key}
        with fresh_unit(self.stage, self.key) as directory:
            save_individual(network, facts, directory)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return (self,)

    @property
    def is_random(self) -> bool:
        """Whether it answers the same image by chance."""
        return self.wiring.is_random

    def model(self) -> "Network":
        """The trained individual."""
        from experiments.training import load_individual

        return load_individual(unit_path(self.stage, self.key)).to(self.bench.device)


@dataclass(frozen=True)
class Embody:
    """The cells of the trained ``individual``, calibrated to its rates without labels."""

    stage: ClassVar[str] = "embody"
    product: ClassVar[str] = "cells.json"
    individual: Train
    physiology: Physiology

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.individual.label} in detail"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the cells and their gains."""
        return key_of(
            format=FORMAT,
            individual=self.individual.key,
            physiology=said(self.physiology),
            images=CALIBRATED_ON,
            software=f"brian2 {version('brian2')} numpy {version('numpy')}",
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """Units that must be complete before."""
        return (self.individual,)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return (self,)

    @property
    def is_random(self) -> bool:
        """Whether its input is coded by chance; the cells' own noise is the same at every call."""
        return self.individual.is_random

    def run(self, report: Report) -> None:
        """Calibrate on training images; the weights come along."""
        from experiments.cells import embodied, save_cells

        images = self.individual.bench.load().train.images[:CALIBRATED_ON]
        trained = unit_path(self.individual.stage, self.individual.key)
        network, calibration = embodied(
            trained, self.physiology, self.individual.seed, images, report
        )
        with fresh_unit(self.stage, self.key) as directory:
            link(trained, directory)
            save_cells(network, calibration, directory)

    def model(self) -> "Callable[[torch.Tensor], torch.Tensor]":
        """The individual with its cells."""
        from experiments.cells import load_cells

        return load_cells(unit_path(self.stage, self.key))


@dataclass(frozen=True)
class Brought:
    """A callable that the user brings, by import path; ``fingerprint`` tells its versions apart."""

    stage: ClassVar[str] = "brought"
    reference: str
    fingerprint: str
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return self.reference

    @property
    def key(self) -> str:
        """Of what it answers and how it is written."""
        return key_of(reference=self.reference, fingerprint=self.fingerprint)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return ()

    @property
    def is_random(self) -> bool:
        """Never: :meth:`model` refuses what answers by chance."""
        return False

    def model(self) -> "Callable[[torch.Tensor], torch.Tensor]":
        """The callable, imported; it must answer as it did when the comparison was planned."""
        from experiments.bring import fingerprint, imported

        if fingerprint(self.reference, self.bench) != self.fingerprint:
            raise BlindspotsError(
                f"'{self.reference}' answers differently each time it is imported; load fixed "
                "weights, and leave chance out of its answer."
            )
        return imported(self.reference, self.bench.device)


Model = Train | Embody | Brought | Kept


def networks_of(models: Iterable[Model]) -> "list[Network]":
    """The individuals that were trained here, as all of the ``models`` must have been."""
    found = []
    for model in models:
        assert isinstance(model, Train)
        found.append(model.model())
    return found
