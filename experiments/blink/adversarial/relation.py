"""Does who blinks more withstand less? Rank correlations over individuals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from experiments.blink.shape import BLINK, LATE, within
from experiments.blink.streams import Floats

FEWEST = 8  # individuals; fewer give no correlation
RESAMPLES = 2000


@dataclass(frozen=True)
class Relation:
    """Spearman's rho of the blink's magnitude with something else, over ``n`` individuals.

    ``low`` and ``high`` are a 95 % bootstrap over individuals; NaN where n is too small.
    ``reliability`` is the root of that of both sides multiplied: what rho would be found, in ranks,
    of two things that are one and the same. NaN where it is not known.
    """

    network: str
    what: str
    n: int
    rho: float
    low: float
    high: float
    reliability: float


def relations(found: xr.Dataset, generator: np.random.Generator) -> list[Relation]:
    """Of each network that is no control.

    Args:
        found: of :func:`experiments.blink.adversarial.gather.gathered`.
        generator: of the resamples.
    """
    return [
        related(str(name), what, pairs, generator, reliability)
        for name in found["network"].to_numpy()[(found["control"] == "").to_numpy()]
        for what, pairs, reliability in paired(found.sel(network=name))
    ]


def paired(here: xr.Dataset) -> Iterator[tuple[str, Floats, float]]:
    """What the magnitude is compared with, both (2, individuals), and how reliable they are.

    Individuals with one sensory network have much in common; among them alone their attention
    tells them apart.
    """
    magnitude = here["magnitude"].to_numpy()
    lost = weakness(here).to_numpy()
    yield "share lost inside the blink less outside", np.stack([magnitude, lost]), np.nan
    if "alone_half_budget" not in here:
        return
    attacked, senses = here.sel(condition="attacked"), here["senses"].to_numpy()
    pairs = np.stack([magnitude, attacked["alone_half_budget"].to_numpy()])
    halves = attacked["alone_half_budget_of_half"].transpose("half", ...).to_numpy()
    known = reliability_of_magnitude(here)
    for what, each, by_half in (
        ("budget for half, lone target", pairs, halves),
        ("the same, among those with the same senses",
         within_groups(pairs, senses), within_groups(halves, senses)),
    ):  # fmt: skip
        yield what, each, (known * reliability_of_halves(by_half)) ** 0.5


def weakness(here: xr.Dataset) -> xr.DataArray:
    """How much more is lost of T2 at lags inside the blink than late, (individual,)."""
    epsilon = here.attrs["reference_target"]
    lost = here["success"].sel(
        frame="target", norm=here["norm"][0], condition="attacked", epsilon=epsilon
    )
    inside, outside = (
        lost.isel(lag=within(here["lag_ms"].to_numpy(), window)).mean("lag")
        for window in (BLINK, LATE)
    )
    return inside - outside


def reliability_of_magnitude(here: xr.Dataset) -> float:
    """The share of its variance over individuals that is not by chance of their trials."""
    known = here["alone_half_budget"].sel(condition="attacked").notnull()
    spread = here["magnitude"].where(known).var("individual", ddof=1)
    return max(float(1 - here["magnitude_variance"].where(known).mean() / spread), 0.0)


def reliability_of_halves(halves: Floats) -> float:
    """Of what all trials give, from ranks by either half (2, individuals) (Spearman-Brown).

    NaN where fewer than two are known.
    """
    there = halves[:, None, ~np.isnan(halves).any(0)]
    if there.shape[-1] < 2:
        return np.nan
    (rho,) = rhos(there)
    known = max(float(rho), 0.0)
    return 2 * known / (1 + known)


def within_groups(pairs: Floats, groups: Floats) -> Floats:
    """Ranks of (2, individuals) among those of one group, from 0 to 1; NaN where it has one."""
    found = np.full(pairs.shape, np.nan)
    known = ~np.isnan(pairs).any(0)
    for group in np.unique(groups):
        there = known & (groups == group)
        if there.sum() > 1:
            found[:, there] = (rankdata(pairs[:, there], axis=1) - 1) / (there.sum() - 1)
    return found


def related(
    network: str, what: str, pairs: Floats, generator: np.random.Generator, reliability: float
) -> Relation:
    """The rank correlation of (2, individuals); infinite budgets rank highest, NaN are left out."""
    pairs = pairs[:, ~np.isnan(pairs).any(0)]
    count = pairs.shape[1]
    if count < FEWEST:
        return Relation(network, what, count, *[np.nan] * 4)
    rows = generator.integers(0, count, (RESAMPLES, count))
    low, high = np.nanpercentile(rhos(pairs[:, rows]), [2.5, 97.5])
    (rho,) = rhos(pairs[:, None])
    return Relation(network, what, count, float(rho), float(low), float(high), reliability)


def rhos(pairs: Floats) -> Floats:
    """Spearman's of each row of (2, rows, individuals); NaN where one side does not vary."""
    ranks = rankdata(pairs, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    sizes = (ranks**2).sum(-1).prod(0) ** 0.5
    return np.where(sizes > 0, ranks.prod(0).sum(-1) / np.where(sizes > 0, sizes, 1), np.nan)
