"""Mean curves of a population, and of others that might have been in its place.

Individuals share sensory networks. A resample takes sensory networks with replacement, and then as
many individuals as there are, with replacement, of those that have one of them (a bootstrap in two
stages: Davison & Hinkley 1997, section 3.8). So an interval speaks of other networks that are
trained alike and of other individuals, not of other trials; of a single sensory network, of other
individuals behind it. Of a handful of networks it is somewhat too short: the variance of m that are
drawn with replacement is (m - 1) / m of what it should be.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from experiments.blink.curves import lags_ms
from experiments.blink.streams import Floats, Ints
from networks.errors import BlindspotsError, unknown

RESAMPLES = 500
LEVEL = (0.025, 0.975)


def redrawn(groups: Ints, generator: np.random.Generator) -> Ints:
    """Resamples of individuals in ``groups`` (individual,): indices (draw, individual)."""
    members = [np.flatnonzero(groups == each) for each in np.unique(groups)]
    drawn = generator.integers(len(members), size=(RESAMPLES, len(members)))
    pools = (np.concatenate([members[i] for i in row]) for row in drawn)
    return np.stack([generator.choice(pool, size=len(groups)) for pool in pools])


def interval_of(draws: Floats) -> tuple[float, float]:
    """The 95 % interval of those draws that are known; NaN where none is."""
    known = draws[np.isfinite(draws)]
    low, high = np.quantile(known, LEVEL) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


class Resampled:
    """Mean curves of one network in the sample (first) and in resamples of its individuals.

    Attributes:
        found: the curves of the network, (individual, condition, lag).
        draws: indices of individuals, (draw, individual).

    Raises:
        BlindspotsError: there is no such network among the curves, or it has no trials.
    """

    def __init__(self, found: xr.Dataset, network: str, generator: np.random.Generator):
        known = [str(name) for name in found["network"].to_numpy()]
        if network not in known:
            raise unknown("network among the curves", network, known)
        self.found = found.sel(network=network)
        self.found = self.found.isel(
            individual=np.flatnonzero((self.found["trials"] > 0).any(["condition", "lag"]))
        )
        count = self.found.sizes["individual"]
        if not count:
            raise BlindspotsError(f"'{network}' has no trials; show it some before it is graded.")
        groups = self.found["senses"].to_numpy()
        self.draws = np.vstack([np.arange(count), redrawn(groups, generator)])

    def has(self, *conditions: str) -> bool:
        """Whether all of these conditions were run."""
        return set(conditions) <= set(self.found["condition"].to_numpy().tolist())

    def lags(self, condition: str) -> tuple[Floats, Floats]:
        """Lags in items and in milliseconds."""
        ms = lags_ms(self.found, condition)
        there = np.isfinite(ms)
        return self.found["lag"].to_numpy()[there].astype(float), ms[there]

    def mean(self, variable: str, condition: str) -> Floats:
        """The mean curves (draw, lag); of no condition that was run, one lag of NaN."""
        if not self.has(condition):
            return np.full((len(self.draws), 1), np.nan)
        curve = self.found[variable].sel(condition=condition).transpose("individual", "lag")
        values = curve.to_numpy()[:, np.isfinite(lags_ms(self.found, condition))]
        there = np.isfinite(values)
        total = np.where(there, values, 0)[self.draws].sum(1)
        with np.errstate(invalid="ignore"):
            mean: Floats = total / there[self.draws].sum(1)
        return mean

    def at(self, variable: str, condition: str, *lags: int) -> Floats:
        """Mean over those lags in items, (draw,); NaN where they were not shown."""
        curve = self.mean(variable, condition)
        if not self.has(condition):
            return curve[:, 0]
        here = np.isin(self.lags(condition)[0], lags)
        return curve[:, here].mean(1) if here.any() else np.full(len(curve), np.nan)

    def shape(self, measure: Callable[[Floats, Floats], Floats], condition: str = "dual") -> Floats:
        """A measure of the condition's curve, (draw,)."""
        if not self.has(condition):
            return np.full(len(self.draws), np.nan)
        return measure(self.mean("last", condition), self.lags(condition)[1])
