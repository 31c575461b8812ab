"""Does who blinks more withstand less? Rank correlations over individuals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from experiments.blink.shape import BLINK, LATE, within
from experiments.blink.streams import Floats, Ints

FEWEST = 8  # individuals; fewer give no correlation
RESAMPLES = 1000


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


@dataclass(frozen=True)
class Compared:
    """The magnitude and something else, (2, individuals), of individuals in ``groups`` or in one.

    Ranks are those among one group. ``halves`` (2, individuals) is what either half of the trials
    gives, where it is known.
    """

    what: str
    pairs: Floats
    groups: Ints
    halves: Floats | None = None


def relations(found: xr.Dataset, generator: np.random.Generator) -> list[Relation]:
    """Of each network that is no control.

    Args:
        found: of :func:`experiments.blink.adversarial.gather.gathered`.
        generator: of the resamples.
    """
    return [
        related(str(name), each, here["magnitude_variance"].to_numpy(), generator)
        for name in found["network"].to_numpy()[(found["control"] == "").to_numpy()]
        for here in [found.sel(network=name)]
        for each in compared(here)
    ]


def compared(here: xr.Dataset) -> Iterator[Compared]:
    """What the magnitude is compared with.

    Individuals with one sensory network have much in common; among them alone their attention tells
    them apart. Who loses a lone target to noise, too, or does not see it, is not weak to attacks in
    particular.
    """
    magnitude, senses = here["magnitude"].to_numpy(), here["senses"].to_numpy()
    together = np.zeros_like(senses)

    def beside(values: xr.DataArray) -> Floats:
        return np.stack([magnitude, values.to_numpy()])

    yield Compared("share lost inside the blink less outside", beside(weakness(here)), together)
    if "alone_half_budget" not in here:
        return
    attacked, noise = here.sel(condition="attacked"), here.sel(condition="noise")
    pairs = beside(attacked["alone_half_budget"])
    halves = attacked["alone_half_budget_of_half"].transpose("half", ...).to_numpy()
    yield Compared("lone target: budget for half", pairs, together, halves)
    yield Compared("the same, among those with the same senses", pairs, senses, halves)
    lost = noise["alone"].sel(epsilon=here.attrs["reference_target"])
    yield Compared("lost to noise, among these", beside(lost), senses)
    yield Compared("seen when clean, among these", beside(here["alone_counted"]), senses)


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


def reliability_of_magnitude(magnitude: Floats, by_chance: Floats, groups: Ints) -> float:
    """The share of its variance over individuals of a group that is not by chance of their trials.

    ``by_chance`` is that part of each individual's; no group has but one of them.
    """
    names, group = np.unique(groups, return_inverse=True)
    among = magnitude - (np.bincount(group, magnitude) / np.bincount(group))[group]
    spread = (among**2).sum() / (len(magnitude) - len(names))
    return max(float(1 - np.nanmean(by_chance) / spread), 0.0) if spread else np.nan


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


def within_groups(pairs: Floats, groups: Ints) -> Floats:
    """Ranks of (2, individuals) among those of one group, from 0 to 1; NaN where it has one."""
    found = np.full(pairs.shape, np.nan)
    known = ~np.isnan(pairs).any(0)
    for group in np.unique(groups):
        there = known & (groups == group)
        if there.sum() > 1:
            found[:, there] = (rankdata(pairs[:, there], axis=1) - 1) / (there.sum() - 1)
    return found


def related(
    network: str, each: Compared, by_chance: Floats, generator: np.random.Generator
) -> Relation:
    """The rank correlation; infinite budgets rank highest, NaN are left out.

    Individuals are drawn anew from their group, and ranked anew. ``by_chance``
    (individuals,) is the variance of each magnitude by chance of its trials.
    """
    ranks = within_groups(each.pairs, each.groups)
    known = ~np.isnan(ranks).any(0)
    count = int(known.sum())
    if count < FEWEST:
        return Relation(network, each.what, count, *[np.nan] * 4)
    pairs, groups = each.pairs[:, known], each.groups[known]
    draws = [drawn(groups, generator) for _ in range(RESAMPLES)]
    again = np.stack([within_groups(pairs[:, rows], groups[rows]) for rows in draws], 1)
    low, high = np.nanpercentile(rhos(again), [2.5, 97.5])
    (rho,) = rhos(ranks[:, None, known])
    reliability = np.nan
    if each.halves is not None:
        magnitude = reliability_of_magnitude(pairs[0], by_chance[known], groups)
        halves = reliability_of_halves(within_groups(each.halves, each.groups))
        reliability = (magnitude * halves) ** 0.5
    return Relation(network, each.what, count, float(rho), float(low), float(high), reliability)


def drawn(groups: Ints, generator: np.random.Generator) -> Ints:
    """As many individuals of each group, with replacement."""
    places = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    return np.concatenate([generator.choice(each, len(each)) for each in places])


def rhos(pairs: Floats) -> Floats:
    """Spearman's of each row of (2, rows, individuals); NaN where one side does not vary."""
    ranks = rankdata(pairs, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    sizes = (ranks**2).sum(-1).prod(0) ** 0.5
    return np.where(sizes > 0, ranks.prod(0).sum(-1) / np.where(sizes > 0, sizes, 1), np.nan)
