"""Teaching a network the whole task: to watch a stream and say both digits after it.

The controls that were built for nothing: no gate, no working memory, no attention; a recurrent
network of which nothing is fixed but the pixels and the two answers. It is shown streams of
training images in noise with every lag, and single targets, and is never told which lag it was.
A wiring may begin with features of single pictures (:mod:`experiments.blink.glances`).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.adam import Adam
from experiments.blink.baselines import ranks
from experiments.blink.glances import glanced
from experiments.blink.pictures import Noise, pictures
from experiments.blink.recipes import GRU, Rehearsal
from experiments.blink.schooling import descend
from experiments.blink.streams import Ints, Streams, streams
from experiments.blink.task import Task
from experiments.data.dataset import Split
from experiments.units import Report
from networks import wiring_named
from networks.viewing import viewing
from sim.attention import Stream
from sim.attention.reporting import CHOICES, NONE, REPORTS, Gated, Reporting, Wired

SINGLES = 4  # one batch's trial in so many has a single target
PIXELS = 28 * 28


def untaught(network: str, how: Rehearsal, seed: int) -> Reporting:
    """A wiring of the catalogue, or "gru", whose first values are drawn from ``seed``."""
    if network == GRU:
        return Gated(PIXELS, how.units, seed)
    return Wired(viewing(wiring_named(network), how.dt_ms, how.tau_ms, REPORTS * CHOICES), seed)


class Exercise(NamedTuple):
    """Frames (n, items, 1, 28, 28), and the right answers after each item (n, items, 2)."""

    frames: Tensor
    answers: Tensor


def answers_to(trials: Streams) -> Ints:
    """What there is to report once each item has been shown, (n, items, 2); 10 for nothing."""
    rank = ranks(trials)
    by_report = []
    for report in range(REPORTS):
        here = rank == report
        digit = (trials.label * here).sum(1, keepdims=True)
        by_report.append(np.where(here.cumsum(1) > 0, digit, NONE))
    return np.stack(by_report, 2)


def exercise(
    task: Task,
    split: Split,
    how: Rehearsal,
    contrast: float,
    chance: tuple[np.random.Generator, torch.Generator],
) -> Exercise:
    """One batch: pairs and single targets in one noise."""
    noise = Noise(contrast=contrast, sd=float(chance[0].uniform(0, how.noise)))
    labels = split.labels.numpy()
    alone = max(1, how.per_lag // SINGLES)
    parts = []
    for each, count in ((task, how.per_lag - alone), (task.but(single=True), alone)):
        if count:
            trials = streams(each, count, labels, chance[0])
            seen = pictures(trials, split.images, noise, chance[1])
            parts.append(Exercise(seen, torch.from_numpy(answers_to(trials))))
    return Exercise(torch.cat([p.frames for p in parts]), torch.cat([p.answers for p in parts]))


def begun(given: Exercise, task: Task, grown: float) -> Exercise:
    """The streams as they begin: of all items where ``grown`` is 1, and of few where it is 0."""
    fewest = task.first[0] + 2
    items = round(fewest + (task.items - fewest) * grown)
    return Exercise(given.frames[:, :items], given.answers[:, :items])


def loss(model: Reporting, given: Exercise, how: Rehearsal, steps: int) -> Tensor:
    """Cross-entropy of the reports after the stream, and of those after any item before."""
    logits = model(Stream(given.frames, steps))[:, steps - 1 :: steps]
    each = F.cross_entropy(logits.flatten(0, 2), given.answers.flatten(), reduction="none")
    by_item = each.view(given.answers.shape).mean((0, 2))
    return by_item[-1] + how.prefixes * by_item.mean()


def rehearse(
    network: str,
    how: Rehearsal,
    task: Task,
    split: Split,
    contrast: float,
    seed: int,
    report: Report = lambda done, score: None,
) -> Reporting:
    """The network that the exercises lead to; Diverged where the loss is not finite."""
    model = untaught(network, how, seed)
    if isinstance(model, Wired) and how.glances:
        wiring = wiring_named(network)
        model.begin_with(glanced(wiring, how.glances, how.rate, how.noise, split, seed))
    chance = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimiser = Adam(model.parameters(), weight_decay=1e-4)
    steps = round(task.soa_ms / how.dt_ms)
    for i in range(how.batches):
        given = exercise(task, split, how, contrast, chance)
        if i < how.growing * how.batches:
            given = begun(given, task, i / (how.growing * how.batches))
        lost = loss(model, given, how, steps)
        descend(model, optimiser, lost, how.rate, i / how.batches)
        if i % 20 == 0:
            report(i / how.batches, 0.0)
    return model
