"""Published models of the blink as observers: they are told what is a target and see no pictures.

What stands beside them has to see; a model here answers with the digits of the targets that it
reports, and never confuses one with another.
"""

from typing import Protocol

import numpy as np
import xarray as xr

from experiments.blink.reports import Reports
from experiments.blink.streams import DIGITS, Ints, Kind, Streams, streams
from experiments.blink.task import Task
from sim.attention.boost_bounce import BoostBounce
from sim.attention.items import Answers, Items
from sim.attention.lcne import LCNE


class Baseline(Protocol):
    """Items to answers."""

    def answers(self, items: Items, generator: np.random.Generator) -> Answers:
        """What is reported of each trial."""


BASELINES: dict[str, Baseline] = {"lc-ne": LCNE(), "boost-bounce": BoostBounce()}


PER_LAG = 200  # trials that each is shown for a curve


def published(task: Task) -> xr.Dataset:
    """``published`` and ``published_t1`` (model, lag): T2|T1 and T1, of 200 trials per lag."""
    trials = streams(task, PER_LAG, np.arange(DIGITS), np.random.default_rng(0))
    first, second = (trials.at(trials.label, place) for place in (trials.t1, trials.t2))
    curves = np.full((2, len(BASELINES), len(task.lags)), np.nan)
    for k, model in enumerate(BASELINES.values()):
        said = answers(model, trials, np.random.default_rng(k))
        t1, t2 = (said.slot_of(digit) >= 0 for digit in (first, second))
        for j, lag in enumerate(task.lags):
            here = trials.lag == lag
            curves[1, k, j] = t1[here].mean()
            if (t1 & here).any():
                curves[0, k, j] = t2[t1 & here].mean()
    return xr.Dataset(
        {"published": (("model", "lag"), curves[0]), "published_t1": (("model", "lag"), curves[1])},
        {"model": list(BASELINES), "lag": list(task.lags)},
        {"trials_per_lag_of_models": PER_LAG},
    )


def answers(model: Baseline, streams: Streams, generator: np.random.Generator) -> Reports:
    """What the model reports of the streams; ``generator`` draws its noise."""
    found = model.answers(items_of(streams), generator)
    digits = np.where(streams.target, streams.label, -1)
    rank = ranks(streams)
    identity = np.full(found.target.shape, -1, np.int64)
    for slot in range(found.target.shape[1]):
        said = found.target[:, slot]
        there = (rank == said[:, None]) & (said >= 0)[:, None]
        identity[:, slot] = np.where(there.any(1), (digits * there).sum(1), -1)
    return Reports(identity, found.when_ms)


def items_of(streams: Streams) -> Items:
    """The streams as such a model takes them: an ignored target is a distractor."""
    return Items(ranks(streams), streams.kind == Kind.BLANK, streams.contrast, streams.task.soa_ms)


def ranks(streams: Streams) -> Ints:
    """Which of the targets asked for each item is, from 0; -1 for all others, (n, items)."""
    return np.where(streams.target, streams.target.cumsum(1) - 1, -1)
