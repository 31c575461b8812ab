"""What a sensory network learns before it watches any stream of the experiment: items in noise.

It is shown short streams of training images (digits, scrambled digits, letters, empty screens, a
ring around some) and learns to say at every step what is there now. It never sees targets, lags or
tasks, nor an image of the test set.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.adam import Adam
from experiments.blink.letters import letters
from experiments.blink.pictures import ring, shuffled
from experiments.blink.recipes import Schooling
from experiments.blink.streams import LETTERS
from experiments.blink.task import PATCH
from experiments.data.dataset import Split
from experiments.training import Diverged, one_cycle
from experiments.units import Report
from networks import Wiring
from networks.viewing import CUE, DISTRACTOR, EMPTY
from sim import Network
from sim.attention import Stream, watched

STEEPEST = 1.0  # norm of a gradient, which long streams would blow up now and then
SETTLING = 2  # steps after an item can be felt in which nothing is asked of the answer


class Lesson(NamedTuple):
    """Items (n, items, 1, 28, 28), and by item what it is and whether it has a ring, (n, items)."""

    items: Tensor
    kinds: Tensor
    ringed: Tensor


def lesson(images: Tensor, labels: Tensor, how: Schooling, generator: torch.Generator) -> Lesson:
    """Streams whose items are ``images`` (n * items, 1, 28, 28) or made of them."""
    n = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    fate = uniform(0, 1, n)
    scrambled, empty = fate < how.distractors, fate > 1 - how.blanks
    maker = torch.randint(len(PATCH) + 1, (n,), generator=generator)
    shown = images.clone()
    for i, patch in enumerate(PATCH.values()):
        here = scrambled & (maker == i)
        shown[here] = shuffled(shown[here], patch, generator)
    spelled = scrambled & (maker == len(PATCH))
    if spelled.any():
        codes = torch.randint(len(LETTERS), (int(spelled.sum()),), generator=generator)
        shown[spelled] = letters(codes, images[spelled].mean((1, 2, 3)), generator)
    shown = shown * uniform(how.contrast, 1, n, 1, 1, 1) * ~empty[:, None, None, None]
    ringed = uniform(0, 1, n) < how.rings
    shown = torch.maximum(shown, ring() * (uniform(0.3, 0.9, n) * ringed)[:, None, None, None])
    noise = uniform(0, how.noise, n // how.items, 1, 1, 1, 1).expand(-1, how.items, -1, -1, -1)
    noise = noise.reshape(n, 1, 1, 1) * ~(empty & ~ringed)[:, None, None, None]
    shown = (shown + noise * torch.randn(shown.shape, generator=generator)).clamp(0, 1)
    kinds = torch.where(scrambled, DISTRACTOR, torch.where(empty, EMPTY, labels))
    streams = (n // how.items, how.items)
    return Lesson(
        shown.reshape(*streams, *images.shape[1:]), kinds.reshape(streams), ringed.reshape(streams)
    )


def loss(network: Network, taught: Lesson, duration: int) -> Tensor:
    """Cross-entropy of every step's answer, plus that of whether there is a ring.

    Each item is shown for ``duration`` steps. Those count from which it has been felt for
    ``SETTLING`` steps until the next one is.
    """
    late, items = network.wiring.first_answer, taught.items.shape[1]
    steps = items * duration + late
    potentials = list(watched(network, Stream(taught.items, duration), steps))
    total = torch.zeros(())
    for item in range(items):
        start = item * duration + late
        answers = torch.stack(potentials[start + SETTLING : start + duration])
        kinds = taught.kinds[:, item].expand(len(answers), -1)
        ringed = taught.ringed[:, item].float().expand(len(answers), -1)
        total = total + F.cross_entropy(answers[..., :CUE].flatten(0, 1), kinds.flatten())
        total = total + F.binary_cross_entropy_with_logits(answers[..., CUE], ringed)
    return total / items


def teach(
    wiring: Wiring,
    how: Schooling,
    split: Split,
    seed: int,
    report: Report = lambda done, score: None,
) -> Network:
    """The network of ``wiring`` (:func:`networks.viewing.viewing`) that the lessons lead to.

    Raises Diverged where the loss is not finite.
    """
    network = Network.initial(wiring, seed)
    generator = torch.Generator().manual_seed(seed)
    optimiser = Adam(network.parameters(), weight_decay=1e-4)
    batch = how.streams * how.items
    per_epoch = max(1, len(split.labels) // batch)
    batch = min(batch, len(split.labels) // how.items * how.items)
    for epoch in range(how.epochs):
        order = torch.randperm(len(split.labels), generator=generator)
        for i in range(per_epoch):
            progress = (epoch * per_epoch + i) / (how.epochs * per_epoch)
            chosen = order[i * batch : (i + 1) * batch]
            taught = lesson(split.images[chosen], split.labels[chosen], how, generator)
            low, high = how.durations
            duration = int(torch.randint(low, high + 1, (), generator=generator))
            descend(network, optimiser, loss(network, taught, duration), how.rate, progress)
            if i % 20 == 0:
                report(progress, 0.0)
    return network


def descend(
    model: torch.nn.Module,
    optimiser: Adam,
    lost: Tensor,
    highest: float,
    progress: float,
) -> None:
    """One step of a one-cycle schedule with steep gradients cut; Diverged where loss is not finite.

    ``highest`` is the schedule's highest rate, ``progress`` the fraction of it that is done.
    """
    if not torch.isfinite(lost):
        raise Diverged(
            f"Teaching to watch streams met a loss of {lost.item()} after {progress:.0%}; lower "
            f"the learning rate ({highest})."
        )
    optimiser.zero_grad()
    lost.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), STEEPEST)
    optimiser.step(highest * one_cycle(progress))


def told_apart(network: Network, taught: Lesson, duration: int) -> dict[str, float]:
    """Shares of digits, distractors and blanks that the mean answer to an item gets right."""
    late, items = network.wiring.first_answer, taught.items.shape[1]
    with torch.no_grad():
        stream = Stream(taught.items, duration)
        potentials = torch.stack(list(watched(network, stream, items * duration + late)))
    right = []
    for item in range(items):
        start = item * duration + late
        answer = potentials[start + SETTLING : start + duration, :, :CUE].mean(0).argmax(1)
        right.append((answer == taught.kinds[:, item]).numpy())
    right_of, kinds = np.concatenate(right), taught.kinds.T.flatten().numpy()
    groups = {
        "digits": kinds < DISTRACTOR,
        "distractors": kinds == DISTRACTOR,
        "blanks": kinds == EMPTY,
    }
    return {name: float(right_of[here].mean()) for name, here in groups.items() if here.any()}
