"""From finished judgements to one labelled result."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from experiments.blink.adversarial.judge import CONDITIONS, Judge
from experiments.blink.adversarial.losses import half_budget, half_budget_of_mean, interval, losses
from experiments.blink.adversarial.plan import AttackPlan, Effort
from experiments.blink.curves import lags_ms, shapes
from experiments.blink.shape import BLINK, LATE, within
from networks.errors import BlindspotsError

FRAMES: tuple[Literal["target", "distractor", "universal"], ...]
FRAMES = ("target", "distractor", "universal")
ORDERS: dict[str, tuple[str, ...]] = {
    "frame": FRAMES,
    "condition": CONDITIONS,
    "norm": ("linf", "l2"),
}


def gathered(plan: AttackPlan, effort: Effort, run: xr.Dataset) -> xr.Dataset:
    """What :mod:`experiments.blink.adversarial.losses` makes of every judgement, by individual.

    - ``success``, ``missed`` (frame, norm, network, individual, condition, epsilon, lag) by whom it
      was crafted on, and ``counted``, the draws that they are shares of; NaN where nothing was
      tried. ``success_interval`` has ``bound`` in place of ``individual``.
    - ``half_budget``, without epsilon; and ``half_budget_of_mean`` with its
      ``half_budget_interval``, of the mean curve over individuals.
    - ``alone`` (network, individual, condition, epsilon), ``alone_counted``, and
      ``alone_half_budget`` without epsilon: a lone target in its own frame;
      ``alone_half_budget_of_half`` with ``half``, from every second trial.
    - ``judged``, ``judged_missed`` (frame, network, individual, judge, condition, lag),
      ``judged_counted``: at the reference budget, what everybody makes of the frames; of
      "universal" frames too.
    - ``queried`` (network, individual, condition, lag): without gradients.
    - ``magnitude`` (network, individual): how much each blinks when nothing is attacked;
      ``magnitude_variance``: by chance of the trials; the coordinate ``senses``.

    Args:
        plan: judgements, all complete.
        effort: what the plan was made for.
        run: the result of the blink experiment.

    Raises:
        BlindspotsError: no target was reported when clean.
    """
    generator = np.random.default_rng(0)
    among = ("network", "individual")
    own = {key: unit for key, unit in plan.own.items() if key[0] != "alone"}
    found = table(own, ("frame", "norm", *among))
    if not (found["counted"] > 0).any():
        raise BlindspotsError(
            "No target was reported when clean, so that none can be lost; ask for more trials with "
            "--per-lag."
        )
    rates = found["success"]
    parts: list[xr.DataArray | xr.Dataset] = [
        found,
        interval(rates, generator).rename("success_interval"),
        xr.concat([half_budgets(each, generator) for _, each in rates.groupby("frame")], "frame"),
    ]
    lone = {key[2:]: unit for key, unit in plan.own.items() if key[0] == "alone"}
    if lone:
        alone = table(lone, among).isel(lag=0, drop=True)
        parts += [
            alone.rename(success="alone", missed="alone_missed", counted="alone_counted"),
            half_budget(alone["success"]).rename("alone_half_budget"),
            xr.concat([half_of(lone, among, k) for k in (0, 1)], "half"),
        ]
    if plan.others:
        others = table(plan.others, ("frame", *among, "judge"))
        there = xr.concat(
            [others.sel(frame=f, epsilon=effort.reference(f), drop=True) for f in FRAMES],
            xr.DataArray(list(FRAMES), dims="frame", name="frame"),
        )
        parts.append(
            there.rename(success="judged", missed="judged_missed", counted="judged_counted")
        )
    if plan.queried:
        queried = table(plan.queried, among).isel(epsilon=0, drop=True)
        parts.append(
            queried.rename(success="queried", missed="queried_missed", counted="queried_counted")
        )
    return labelled(xr.merge(parts, join="outer"), effort, run)


def half_budgets(rates: xr.DataArray, generator: np.random.Generator) -> xr.Dataset:
    """Of each individual and of their mean, of one frame's budgets."""
    tried = rates.dropna("epsilon", how="all")
    return half_budget_of_mean(tried, generator).assign(half_budget=half_budget(tried))


def half_of(lone: Mapping[tuple[Any, ...], Judge], dims: Sequence[str], first: int) -> xr.DataArray:
    """The budget for half of a lone target from every second trial, beginning with ``first``."""
    rates = table(lone, dims, slice(first, None, 2))["success"].isel(lag=0, drop=True)
    return half_budget(rates).rename("alone_half_budget_of_half")


def table(
    units: Mapping[tuple[Any, ...], Judge], dims: Sequence[str], trials: slice = slice(None)
) -> xr.Dataset:
    """The losses of finished units, whose places in the mapping are ``dims``, in some trials."""
    by_place = {key: losses(unit.load().isel(trial=trials)) for key, unit in units.items()}
    names = ("success", "missed", "counted")
    return xr.Dataset({name: laid_out(by_place, dims, name) for name in names})


def laid_out(
    by_place: Mapping[tuple[Any, ...], xr.Dataset], dims: Sequence[str], name: str
) -> xr.DataArray:
    """One variable of all datasets, with their places as dimensions in their order."""
    rows = [
        each[name]
        .to_dataframe()[[name]]
        .reset_index()
        .assign(**dict(zip(dims, place, strict=True)))
        for place, each in by_place.items()
    ]
    frame = pd.concat(rows, ignore_index=True)
    inner = [str(dim) for dim in next(iter(by_place.values()))[name].dims]
    found = frame.set_index([*dims, *inner])[name].to_xarray()
    orders = {dim: pd.unique(frame[dim]) for dim in dims}
    for dim, order in ORDERS.items():
        if dim in found.dims:
            orders[dim] = [each for each in order if each in found[dim]]
    return found.sel(orders)


def labelled(found: xr.Dataset, effort: Effort, run: xr.Dataset) -> xr.Dataset:
    """With what stands beside each network in its run, and what was asked."""
    there = {"network": found["network"], "individual": found["individual"]}
    magnitude = xr.full_like(run["noise_sd"], np.nan)
    variance = magnitude
    if "dual" in run["condition"]:
        magnitude = shapes(run)["magnitude"].sel(condition="dual", drop=True)
        variance = magnitude_variance(run)
    control = run["control"].sel(network=found["network"])
    return found.assign(
        magnitude=magnitude.sel(there), magnitude_variance=variance.sel(there)
    ).assign_coords(
        control=("network", control.to_numpy()),
        units=("network", run["units"].sel(network=found["network"]).to_numpy()),
        senses=("individual", run["senses"].sel(individual=found["individual"]).to_numpy()),
        lag_ms=("lag", found["lag"].to_numpy() * soa_ms(run)),
    ).assign_attrs(
        data=run.attrs["data"],
        **{f"reference_{frame}": effort.reference(frame) for frame in FRAMES},
        per_lag=effort.per_lag,
    )  # fmt: skip


def magnitude_variance(run: xr.Dataset) -> xr.DataArray:
    """Of the dual task's magnitude, binomial by lag, (network, individual)."""
    dual = run.sel(condition="dual", drop=True)
    by_lag = dual["last"] * (1 - dual["last"]) / (dual["t1"] * dual["trials"])
    ms = lags_ms(run, "dual")
    there = [by_lag.isel(lag=within(ms, window)) for window in (BLINK, LATE)]
    parts = [each.sum("lag", min_count=1) / each.notnull().sum("lag") ** 2 for each in there]
    return parts[0] + parts[1]


def soa_ms(run: xr.Dataset) -> float:
    """Milliseconds from one item to the next."""
    ms = run["lag_ms"].sel(condition="dual") / run["lag"]
    return float(ms.dropna("lag")[0])
