"""How often a changed frame makes T2 missed, and what budget it takes; intervals over individuals.

``success`` is conditional: of draws in which the clean stream gives T2 (and T1, where there is
one), the share in which the changed one gives T2 no more, and T1 still. Otherwise few targets that
are seen at a lag would pass for many lost. ``missed`` is the part of it in which a report was left
over, so that no other digit stands in T2's place: what a blink does. Who has no blink still loses a
target to false digits that fill all reports.
"""

import numpy as np
import xarray as xr

RESAMPLES = 2000


def losses(judged: xr.Dataset) -> xr.Dataset:
    """``success``, ``missed`` (condition, epsilon, lag), ``counted`` (lag), the draws they are of.

    NaN at lags where none counts.

    Args:
        judged: of :func:`experiments.blink.adversarial.judge.answered`; its attribute ``lone`` is
            true where no T1 is shown, ``slots`` is how many digits can be reported.
    """
    t1, t2 = judged["t1"] > 0, judged["t2"] > 0
    lone = bool(judged.attrs["lone"])
    counts = (t2 & (t1 | lone)).sel(condition="clean").isel(epsilon=0, drop=True)
    lost = ~t2 & (t1 | lone) & counts
    is_left = judged["t1"] + judged["t2"] + judged["others"] < judged.attrs["slots"]
    lost_by_lag, missed_by_lag, counted = (
        each.sum("draw").groupby(judged["lag"]).sum("trial").astype(float)
        for each in (lost, lost & is_left, counts.drop_vars("condition"))
    )
    some = counted.where(counted > 0)
    return xr.Dataset(
        {"success": lost_by_lag / some, "missed": missed_by_lag / some, "counted": counted}
    )


def half_budget(rates: xr.DataArray, level: float = 0.5) -> xr.DataArray:
    """The smallest budget at which a share ``level`` is lost, between budgets by interpolation.

    Infinite where none of the budgets is enough, NaN where nothing was tried. A curve may end
    before the largest budget, and has no gaps.
    """
    ordered = rates.transpose(..., "epsilon")
    values, start = ordered.to_numpy(), np.zeros((*ordered.shape[:-1], 1))
    curve = np.fmax.accumulate(np.concatenate([start, values], -1), -1)
    epsilons = np.concatenate([[0.0], rates["epsilon"].to_numpy()])
    at = np.maximum((curve >= level).argmax(-1), 1)[..., None]
    low, high = (np.take_along_axis(curve, k, -1)[..., 0] for k in (at - 1, at))
    below, above = (epsilons[k[..., 0]] for k in (at - 1, at))
    way = (level - low) / np.where(high > low, high - low, 1)
    found = np.where(high >= level, below + way * (above - below), np.inf)
    tried = np.isfinite(values).any(-1)
    return ordered.isel(epsilon=0, drop=True).copy(data=np.where(tried, found, np.nan))


def over_individuals(rates: xr.DataArray) -> xr.Dataset:
    """``mean``, ``sem``, and ``n``, the individuals that have a value, without the dimension."""
    n = rates.notnull().sum("individual")
    sem = rates.std("individual", ddof=1) / np.sqrt(n)
    return xr.Dataset({"mean": rates.mean("individual"), "sem": sem.where(n > 1), "n": n})


def interval(rates: xr.DataArray, generator: np.random.Generator) -> xr.DataArray:
    """A 95 % interval of the mean over individuals, with the dimension ``bound``: low, high.

    Individuals are drawn with replacement; NaN where fewer than two have a value.
    """
    draws = means_of_resamples(rates, generator, RESAMPLES)
    return bounds(draws).where(rates.notnull().sum("individual") > 1)


def half_budget_of_mean(rates: xr.DataArray, generator: np.random.Generator) -> xr.Dataset:
    """:func:`half_budget` of the mean curve over individuals, and its ``interval`` as above."""
    draws = half_budget(means_of_resamples(rates, generator, RESAMPLES // 5))
    enough = rates.notnull().any("epsilon").sum("individual") > 1
    return xr.Dataset(
        {
            "half_budget_of_mean": half_budget(rates.mean("individual")),
            "half_budget_interval": bounds(draws).where(enough),
        }
    )


def means_of_resamples(
    rates: xr.DataArray, generator: np.random.Generator, resamples: int
) -> xr.DataArray:
    """Means over individuals that are drawn with replacement; ``resample`` in their place."""
    count = rates.sizes["individual"]
    times = generator.multinomial(count, np.full(count, 1 / count), resamples)
    weights = xr.DataArray(times, dims=("resample", "individual"))
    given = rates.drop_vars("individual", errors="ignore")
    there = xr.dot(given.notnull().astype(float), weights, dim="individual")
    return xr.dot(given.fillna(0.0), weights, dim="individual") / there.where(there > 0)


def bounds(draws: xr.DataArray) -> xr.DataArray:
    """The 2.5th and 97.5th percentile of draws, some of which may be infinite or NaN."""
    ordered = np.sort(draws.transpose(..., "resample").to_numpy(), -1)  # NaN last
    last = np.maximum((~np.isnan(ordered)).sum(-1) - 1, 0)
    rest = draws.isel(resample=0, drop=True)
    found = []
    for share in (0.025, 0.975):
        rank = np.round(share * last).astype(int)[..., None]
        found.append(rest.copy(data=np.take_along_axis(ordered, rank, -1)[..., 0]))
    return xr.concat(found, "bound").assign_coords(bound=["low", "high"])
