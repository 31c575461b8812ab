"""The descriptive function of the blink with four parameters, and its fit.

Cousineau, Charbonneau & Jolicoeur (2006), Can. J. Exp. Psychol. 60:175, in the form of their
published programs: p(lag) = d (1 - exp(-(ln(lag - 1 + l e^b) - b)^2)) + c.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import minimize

from experiments.blink.streams import Floats
from networks.errors import BlindspotsError

NARROWEST = 0.75  # of e^b, in lags
STARTS = tuple(product((0.2, 0.6), (0.0, 0.8), (0.2,), (0.5,)))
SURE = 1e-6  # probabilities are kept this far from 0 and 1


@dataclass(frozen=True)
class Cousineau:
    """The parameters.

    Attributes:
        sparing: l, from 0 to 1; at 1 lag 1 is at the minimum's opposite end.
        width: b, ln of the lag (from 1) near which the minimum lies.
        floor: c, the accuracy at the minimum.
        depth: d, from there to the accuracy at long lags.
    """

    sparing: float
    width: float
    floor: float
    depth: float

    def __call__(self, lag: Floats) -> Floats:
        """The accuracy at lags in items, from 1."""
        inner = np.maximum(lag - 1 + self.sparing * np.exp(self.width), 1e-12)
        far = (np.log(inner) - self.width) ** 2
        return self.depth * (1 - np.exp(-far)) + self.floor


def fit(lag: Floats, accuracy: Floats, trials: Floats | None = None) -> Cousineau:
    """The parameters of the largest likelihood, lags weighing as their trials, or equally.

    Raises:
        BlindspotsError: fewer than four lags are known.
    """
    weight = np.ones_like(accuracy) if trials is None else trials.astype(float)
    there = np.isfinite(accuracy) & (weight > 0)
    if there.sum() < 4:
        raise BlindspotsError(
            f"Four parameters cannot be fitted to {there.sum()} lags; give at least four."
        )
    lag, accuracy, weight = lag[there], accuracy[there], weight[there] / weight[there].sum()

    def cost(values: Floats) -> float:
        p = np.clip(Cousineau(*values)(lag), SURE, 1 - SURE)
        return -float(weight @ (accuracy * np.log(p) + (1 - accuracy) * np.log(1 - p)))

    limits = [(1e-3, 1.0), (np.log(NARROWEST), 2.5), (0.0, 1.0), (0.0, 1.0)]
    whole = {"type": "ineq", "fun": lambda values: 1 - values[2] - values[3]}
    found = [
        minimize(cost, start, method="SLSQP", bounds=limits, constraints=whole) for start in STARTS
    ]
    best = min(found, key=lambda each: each.fun if np.isfinite(each.fun) else np.inf)
    return Cousineau(*(float(value) for value in best.x))
