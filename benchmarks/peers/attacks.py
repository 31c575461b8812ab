"""Projected gradient ascent under linf as three libraries offer it, and as ours does.

Each is given the same images, budgets, number of steps and one random start. The libraries take
steps of 2.5 epsilon / steps, as is customary (Madry et al. 2018), on the network as written with
snnTorch; ours takes its own on our network, which has the same weights and answers.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from experiments.attacks.gradient import pgd_linf

RELATIVE_STEP = 2.5


class Sweep(NamedTuple):
    """The work: images (N, ...), labels (N,), ascending budgets, steps at each."""

    images: Tensor
    labels: Tensor
    epsilons: Sequence[float]
    steps: int


class Attack(Protocol):
    """A library's projected gradient ascent."""

    @property
    def name(self) -> str:
        """Of the library, for people."""

    @property
    def package(self) -> str:
        """That is imported."""

    def __call__(self, model: nn.Module, sweep: Sweep) -> list[Tensor]:
        """The inputs (N, ...) of each budget."""


class TorchAttacks:
    name, package = "torchattacks", "torchattacks"

    def __call__(self, model: nn.Module, sweep: Sweep) -> list[Tensor]:
        from torchattacks import PGD

        return [
            PGD(model, eps=each, alpha=RELATIVE_STEP * each / sweep.steps, steps=sweep.steps)(
                sweep.images, sweep.labels
            )
            for each in sweep.epsilons
        ]


class Foolbox:
    name, package = "Foolbox", "foolbox"

    def __call__(self, model: nn.Module, sweep: Sweep) -> list[Tensor]:
        from foolbox import PyTorchModel
        from foolbox.attacks import LinfProjectedGradientDescentAttack

        attack = LinfProjectedGradientDescentAttack(
            rel_stepsize=RELATIVE_STEP / sweep.steps, steps=sweep.steps, random_start=True
        )
        wrapped = PyTorchModel(model.eval(), bounds=(0, 1), device=sweep.images.device)
        return attack(wrapped, sweep.images, sweep.labels, epsilons=list(sweep.epsilons))[1]


class Art:
    name, package = "ART", "art"

    def __call__(self, model: nn.Module, sweep: Sweep) -> list[Tensor]:
        from art.attacks.evasion import ProjectedGradientDescentPyTorch
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            *(model, nn.CrossEntropyLoss(), tuple(sweep.images.shape[1:]), 10),
            clip_values=(0.0, 1.0),
            device_type="gpu" if sweep.images.is_cuda else "cpu",
        )
        found, given = [], (sweep.images.cpu().numpy(), sweep.labels.cpu().numpy())
        for each in sweep.epsilons:
            attack = ProjectedGradientDescentPyTorch(
                classifier,
                norm=np.inf,
                eps=each,
                eps_step=RELATIVE_STEP * each / sweep.steps,
                max_iter=sweep.steps,
                num_random_init=1,
                batch_size=len(sweep.images),
                verbose=False,
            )
            with contextlib.redirect_stdout(io.StringIO()):
                made = torch.from_numpy(attack.generate(*given))
            found.append(made.to(sweep.images.device))
        return found


class Ours:
    name, package = "blindspots", "experiments"

    def __call__(self, model: nn.Module, sweep: Sweep) -> list[Tensor]:
        chance = torch.Generator().manual_seed(0)
        found = pgd_linf(
            *(model, sweep.images, sweep.labels),
            epsilons=sweep.epsilons,
            generator=chance,
            steps=sweep.steps,
        )
        return list(found)


PEERS: tuple[Attack, ...] = (TorchAttacks(), Foolbox(), Art())
