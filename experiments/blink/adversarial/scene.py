"""Streams whose second target always stands in the same place, and the frame that is attacked.

Lags differ in where T1 stands. Drawn from one seed, the trials of all lags share their second
targets, down to the noise on their pixels, so that what is attacked at one lag is what is attacked
at another.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

import numpy as np

from experiments.blink.pictures import Noise, pictures
from experiments.blink.streams import Ints, Streams, streams
from experiments.blink.task import LONGEST, TRAILING, Task

if TYPE_CHECKING:
    from torch import Tensor

Where = Literal["target", "alone", "distractor"]
"""The frame of T2 after T1; that of a lone T2; or one ``lag`` items before a lone T2."""
PLACE = 10  # of T2, from 0; later where the longest lag needs it
LEADING = 2  # items before T1, as tasks demand
FARTHEST = LONGEST - LEADING - 1 - TRAILING  # lag for which a stream has room


@dataclass(frozen=True)
class Scene:
    """``per_lag`` trials of each lag, from ``seed``. All trials "alone" are of the same lag."""

    task: Task
    where: Where
    lags: tuple[int, ...]
    per_lag: int
    seed: int

    def trials(self, labels: Ints) -> Streams:
        """The trials, lag by lag; of the digits whose ``labels`` are those of a split."""
        return joined([streams(t, self.per_lag, labels, self._chance()) for t in self._tasks()])

    def frames(self, trials: Streams, images: "Tensor", noise: Noise) -> "Tensor":
        """Their pictures (n, items, 1, 28, 28), the same noise at each lag."""
        import torch

        parts = [trials.part(trials.lag == lag) for lag in dict.fromkeys(trials.lag.tolist())]
        chances = [torch.Generator().manual_seed(self.seed) for _ in parts]
        pairs = zip(parts, chances, strict=True)
        return torch.cat([pictures(part, images, noise, chance) for part, chance in pairs])

    def place(self, trials: Streams) -> Ints:
        """The position of the attacked frame in each trial, (n,)."""
        return trials.t2 - trials.lag if self.where == "distractor" else trials.t2

    def _tasks(self) -> list[Task]:
        lags = self.lags[:1] if self.where == "alone" else self.lags
        place = max(PLACE, max(self.lags) + LEADING)
        single, items = self.where != "target", place + 1 + TRAILING
        return [
            self.task.but(first=(place - lag,), lags=(lag,), items=items, single=single)
            for lag in lags
        ]

    def _chance(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


def joined(parts: list[Streams]) -> Streams:
    """Trials of tasks that differ in their lags alone, under the first one's name."""
    arrays = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Streams)
        if f.name != "task"
    }
    return Streams(parts[0].task, **arrays)
