"""Published models of the blink as observers: they are told what is a target and see no pictures.

What stands beside them has to see; a model here answers with the digits of the targets that it
reports, and never confuses one with another.
"""

from typing import Protocol

import numpy as np

from experiments.blink.reports import Reports
from experiments.blink.streams import Ints, Kind, Streams
from sim.attention.boost_bounce import BoostBounce
from sim.attention.items import Answers, Items
from sim.attention.lcne import LCNE


class Baseline(Protocol):
    """Items to answers."""

    def answers(self, items: Items, generator: np.random.Generator) -> Answers:
        """What is reported of each trial."""


BASELINES: dict[str, Baseline] = {"lc-ne": LCNE(), "boost-bounce": BoostBounce()}


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
