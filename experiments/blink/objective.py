"""How far an observer is from people: what the parameters of attention are fitted to."""

from dataclasses import dataclass

import numpy as np

from experiments.blink.humans import fit, sample
from experiments.blink.streams import Floats
from networks.errors import BlindspotsError

BOUNDS: dict[str, tuple[float, float]] = {
    "mask_ms": (20, 90),
    "encoding_spread": (0, 0.3),
    "leak": (0, 0.2),
    "gate_ms": (15, 70),
    "gate_input": (4, 22),
    "gate_bias": (-6, 0),
    "gate_self": (0, 4),
    "gate_gain": (1, 5),
    "refractoriness": (3, 20),
    "refractory_ms": (40, 140),
    "memory_ms": (15, 80),
    "rivalry": (0, 1.5),
    "noise": (0.2, 1.2),
    "threshold": (0.8, 2.6),
    "consolidation_per_s": (2.5, 8),
    "consolidation_spread": (0, 0.6),
    "sharing": (0, 0.8),
}
"""Parameters that are fitted, and where they are sought. Those of chance in the order of reports,
of iconic persistence and of the rise of types are not: nothing that is fitted tells them."""

BY_GATE: dict[str, dict[str, tuple[float, float]]] = {
    "transient": BOUNDS,
    "fatigue": {
        "gate_input": (2, 20),
        "gate_bias": (-6, 1),
        "gate_self": (0, 6),
        "gate_gain": (1, 6),
        "refractoriness": (3, 40),
        "refractory_ms": (40, 400),
    },
    "coincidence": {
        "gate_input": (1, 20),
        "gate_bias": (-1, 6),
        "gate_self": (0, 4),
        "gate_gain": (1, 6),
        "refractoriness": (3, 25),
        "refractory_ms": (40, 180),
    },
}
"""Of other gates than the usual one their own parameters alone: all else is as fitted with that."""

T1, T3, DIFFERENCE, GATE = 0.85, 0.55, 0.18, 0.3
"""The least T1 and T3|T1 (TTT) and TTT less TDT, and the highest gate among distractors."""


def bounds_of(gate: str) -> dict[str, tuple[float, float]]:
    """What is fitted of a kind of gate, and where it is sought; BlindspotsError for "open"."""
    if gate not in BY_GATE:
        raise BlindspotsError(
            f"attention.gate: '{gate}' has no parameters to fit; take one of {', '.join(BY_GATE)}."
        )
    return BY_GATE[gate]


@dataclass(frozen=True)
class Outcome:
    """What counts of an observer: shares of trials.

    Attributes:
        ms: lags of "dual" in ms.
        last: T2|T1 there.
        t1: T1 reported in "dual"; single: a single target.
        ttt, tdt: T3|T1 of triplets without and with a distractor in the middle.
        gate: mean before T1 comes, among distractors.
    """

    ms: Floats
    last: Floats
    t1: float
    single: float
    ttt: float
    tdt: float
    gate: float


def terms(found: Outcome, level: float) -> dict[str, float]:
    """The parts of the loss, which is their sum; ``level`` is what single targets are set to.

    - curve: mean squared difference of T2|T1 from the Berkeley sample, at its lags.
    - late: the same beyond its last lag, from its last accuracy.
    - t1, triplets, gate: squares of what is missing to, or is above, what is wanted.
    - single: squared difference from the level to which the noise on pixels was set, so that
      setting it again changes little.
    """
    human = sample()
    after = found.last[found.ms > human.lag_ms[-1]]
    missing = max(0.0, T3 - found.ttt), max(0.0, DIFFERENCE - (found.ttt - found.tdt))
    return {
        "curve": fit(found.last, found.ms).rmse ** 2,
        "late": 0.3 * float(((after - human.accuracy[-1]) ** 2).mean()) if len(after) else 0.0,
        "t1": 2 * max(0.0, T1 - found.t1) ** 2,
        "single": 2 * (found.single - level) ** 2,
        "triplets": 0.3 * missing[0] ** 2 + 0.5 * missing[1] ** 2,
        "gate": max(0.0, found.gate - GATE) ** 2,
    }


def loss(found: list[Outcome], level: float) -> float:
    """The mean over observers of the sum of the terms."""
    return float(np.mean([sum(terms(each, level).values()) for each in found]))
