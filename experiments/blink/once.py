"""Streams that sensory networks watch once, so that many parameters of attention can be tried.

The evidence does not depend on attention as long as the gate does not act back on the senses
(``contrast_gain`` = 0); what is kept here stands for every later look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.blink.pictures import pictures
from experiments.blink.reports import among
from experiments.blink.showing import BATCH, slots_of
from experiments.blink.spec import BlinkSpec
from experiments.blink.streams import Bools, Floats, Streams, streams
from experiments.blink.task import conditions
from experiments.blink.units import Titrate
from experiments.store import key_of
from networks.attention import Attention
from sim.attention import AttentionState, Crowd, Kept, Seen, Stream, remember, watched

SHOWN = {"dual": 1.0, "single": 0.25, "TTT": 1.5, "TDT": 1.5}
"""Conditions, and how many trials for each lag they have as a multiple of those of "dual"."""


@dataclass(frozen=True)
class Once:
    """Trials of one kind of observer by condition, one part for each sensory network.

    ``potentials`` (time, n, classes) are of all parts, one after the other.
    """

    parts: tuple[tuple[str, Streams], ...]
    potentials: Tensor

    @property
    def onset(self) -> Tensor:
        """The step at which T1, or a single target, comes, (n,)."""
        places = [np.where(t.t1 >= 0, t.t1, t.t2) * t.task.steps_per_item for _, t in self.parts]
        return torch.from_numpy(np.concatenate(places))


@dataclass(frozen=True)
class Told:
    """What is reported of one part: by target (T1, T2, T3), (n,), whether it is reported."""

    condition: str
    trials: Streams
    right: tuple[Bools, ...]


def shown_once(spec: BlinkSpec, titrated: Sequence[Titrate], *, per_lag: int, seed: int) -> Once:
    """Show validation images to the sensory networks of one observer, at their titrated noise.

    ``per_lag`` trials for each lag of "dual", shared among the sensory networks.
    """
    tasks, parts, potentials = conditions(spec.task), [], []
    each = per_lag / len(titrated)
    for i, unit in enumerate(titrated):
        network, split = unit.sensory.load(), unit.sensory.bench.load().validation
        noise = unit.noise()
        for condition, share in SHOWN.items():
            start = int(key_of(fit=seed, network=i, condition=condition)[:8], 16)
            trials = streams(
                tasks[condition], max(1, round(each * share)), split.labels.numpy(),
                np.random.default_rng(start),
            )  # fmt: skip
            parts.append((condition, trials))
            generator = torch.Generator().manual_seed(start)
            for at in range(0, len(trials), BATCH):
                part = trials.part(slice(at, at + BATCH))
                stream = Stream(
                    pictures(part, split.images, noise, generator), part.task.steps_per_item
                )
                steps = part.task.items * stream.steps + network.wiring.first_answer
                with torch.no_grad():
                    potentials.append(torch.stack(list(watched(network, stream, steps))))
    return Once(tuple(parts), torch.cat(potentials, 1))


def told(
    once: Once, individuals: list[Attention], *, dt_ms: float, seed: int
) -> tuple[list[Told], float]:
    """The answers of ``individuals``, who share the trials, and their mean gate before T1.

    In the rate reading. The gate counts from two items after the start, when the senses have
    settled. Chance is of ``seed``, the same for all parameters.
    """
    count = once.potentials.shape[1]
    onset, settled = once.onset, 2 * once.parts[0][1].task.steps_per_item
    open_, many = torch.zeros(()), torch.zeros(())

    def before(t: int, potential: Tensor, state: AttentionState) -> None:
        here = (onset > t) if t >= settled else onset < 0
        open_.add_(state.gate[here].sum())
        many.add_(here.sum())

    with torch.no_grad():
        seen = remember(
            Kept(once.potentials), Crowd.of(individuals, count), "category",
            torch.Generator().manual_seed(seed),
            dt_ms=dt_ms, moment=before,
        )  # fmt: skip
    return list(answers(once, seen)), float(open_ / many)


def answers(once: Once, seen: Seen) -> Iterator[Told]:
    """Which targets are reported, by part."""
    start = 0
    for condition, trials in once.parts:
        rows = slice(start, start := start + len(trials))
        reported = Seen(*(each[rows] for each in seen)).reports(slots_of(trials))[0].numpy()
        digits = (trials.at(trials.label, place) for place in (trials.t1, trials.t2, trials.t3))
        right = tuple(among(reported, digit) for digit in digits)
        yield Told(condition, trials, right)


def share(told: list[Told], condition: str, target: int, *, given: int | None = None) -> float:
    """Of the trials of a condition the share with that target reported; 0 where none counts."""
    hits, counts = 0, 0
    for each in told:
        if each.condition == condition:
            counted = np.ones(len(each.trials), bool) if given is None else each.right[given]
            hits, counts = (
                hits + int((each.right[target] & counted).sum()),
                counts + int(counted.sum()),
            )
    return hits / counts if counts else 0.0


def curve(told: list[Told]) -> Floats:
    """T2|T1 of "dual" by lag; 0 where T1 is never reported."""
    here = [each for each in told if each.condition == "dual"]
    lag, t1, t2 = (
        np.concatenate(values)
        for values in zip(*((e.trials.lag, e.right[0], e.right[1]) for e in here), strict=True)
    )
    return np.array(
        [t2[t1 & (lag == k)].mean() if (t1 & (lag == k)).any() else 0.0 for k in np.unique(lag)]
    )
