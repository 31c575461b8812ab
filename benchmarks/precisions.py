"""Products with fewer digits: what they save, and what they change in training and under attack."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import torch

from benchmarks.asked import asked, under
from benchmarks.field import BRIEF, Size, Victim, clock_of, drawn, right
from benchmarks.rows import Section, in_turn
from benchmarks.training_step import lively, step_of
from experiments.attacks.gradient import pgd_linf
from experiments.data.dataset import Dataset, Split
from experiments.training import accuracy, train
from networks import wiring_named
from sim import Network
from sim.precision import ENVIRONMENT, Precision

EPSILONS = (0.02, 0.05, 0.1)
MOST = 250  # images that are attacked


def precisions(victim: Victim, data: Dataset, size: Size) -> Section:
    """A step of training in each precision; beside it, what becomes of accuracy and attacks."""
    name, device = victim.network.wiring.name, victim.images.device.type
    images, labels = drawn(size.batch, device)
    names = get_args(Precision)
    works = {
        each: under(
            ENVIRONMENT, each, step_of(lively(wiring_named(name)).to(device), images, labels)
        )
        for each in names
    }
    timed = in_turn(works, size.rounds, device)
    rows = []
    for row in timed:
        with asked(ENVIRONMENT, row.name):
            learnt = trained(name, data, size, device)
            robust = attacked(victim, size)
        robust_of_it = " ".join(f"{each:.3f}" for each in robust)
        rows.append(replace(row, found=f"{learnt:.3f}; {robust_of_it}"))
    return Section(
        f"Training step of {name} in each precision, batch {size.batch}",
        *(clock_of(device), rows),
        facts={
            "found": f"accuracy after one epoch of {size.learnt} images in that precision; of a "
            f"network trained in float32, run and attacked in that precision (PGD-{size.steps}, "
            f"{len(victim.images[:MOST])} images), the accuracy at epsilon 0, "
            + ", ".join(map(str, EPSILONS)),
            "tf32 on a CPU": "played by rounding, so that its time says nothing",
        },
    )


def trained(name: str, data: Dataset, size: Size, device: str) -> float:
    """The accuracy on test images of a network that is trained briefly, from the same start."""
    few = Split(data.train.images[: size.learnt], data.train.labels[: size.learnt])
    recipe = BRIEF.model_copy(update={"epochs": 1, "batch": min(BRIEF.batch, size.learnt)})
    with TemporaryDirectory() as checkpoint:
        network, _ = train(
            *(wiring_named(name), recipe, replace(data, train=few), 0),
            checkpoint=Path(checkpoint),
            device=torch.device(device),
        )
    test = Split(data.test.images[:1000].to(device), data.test.labels[:1000].to(device))
    return accuracy(network.to(device), test)


def attacked(victim: Victim, size: Size) -> list[float]:
    """Accuracy on clean images, and on adversarial ones of ascending budgets."""
    network: Network = victim.network
    images, labels = victim.images[:MOST], victim.labels[:MOST]
    chance = torch.Generator().manual_seed(0)
    found = pgd_linf(
        *(network, images, labels), epsilons=EPSILONS, generator=chance, steps=size.steps
    )
    return [float(right(network, x, labels).double().mean()) for x in (images, *found)]
