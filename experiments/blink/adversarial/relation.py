"""Does who blinks more withstand less? Rank correlations over individuals."""

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
    """

    network: str
    what: str
    n: int
    rho: float
    low: float
    high: float


def relations(found: xr.Dataset, generator: np.random.Generator) -> list[Relation]:
    """Of each network that is no control.

    Args:
        found: of :func:`experiments.blink.adversarial.gather.gathered`.
        generator: of the resamples.
    """
    rows = []
    for name in found["network"].to_numpy()[(found["control"] == "").to_numpy()]:
        here = found.sel(network=name)
        others = {"share lost inside the blink less outside": weakness(here)}
        if "alone_half_budget" in here:
            budget = here["alone_half_budget"].sel(condition="attacked")
            others["budget for half, lone target"] = budget
        for what, other in others.items():
            pairs = np.stack([here["magnitude"].to_numpy(), other.to_numpy()])
            rows.append(related(str(name), what, pairs, generator))
    return rows


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


def related(network: str, what: str, pairs: Floats, generator: np.random.Generator) -> Relation:
    """The rank correlation of (2, individuals); infinite budgets rank highest, NaN are left out."""
    pairs = pairs[:, ~np.isnan(pairs).any(0)]
    count = pairs.shape[1]
    if count < FEWEST:
        return Relation(network, what, count, np.nan, np.nan, np.nan)
    rows = generator.integers(0, count, (RESAMPLES, count))
    low, high = np.nanpercentile(rhos(pairs[:, rows]), [2.5, 97.5])
    (rho,) = rhos(pairs[:, None])
    return Relation(network, what, count, float(rho), float(low), float(high))


def rhos(pairs: Floats) -> Floats:
    """Spearman's of each row of (2, rows, individuals); NaN where one side does not vary."""
    ranks = rankdata(pairs, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    sizes = (ranks**2).sum(-1).prod(0) ** 0.5
    return np.where(sizes > 0, ranks.prod(0).sum(-1) / np.where(sizes > 0, sizes, 1), np.nan)
