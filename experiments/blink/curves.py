"""Lag curves: what is reported at each lag, from the table of trials."""

import numpy as np
import pandas as pd
import xarray as xr

from experiments.blink.shape import MEASURES
from experiments.blink.streams import Floats

KEYS = ["network", "individual", "condition", "lag"]


def curves(table: pd.DataFrame) -> xr.Dataset:
    """Shares of trials by network, individual, condition and lag; NaN where there are none.

    ``t1``, ``t2``, ``t3`` are reported in any order, ``t1_strict`` and ``t2_strict`` in their
    places; ``t2_given_t1``, ``t2_given_t1_strict`` and ``t3_given_t1`` where T1 is, and
    ``t2_given_t1_miss`` where it is not. ``last`` is the curve that shows a blink: of the last
    target, where T1 is reported if it is asked for. ``reversals`` are shares of trials with both
    reported, ``intrusions`` of a neighbour in place of T1 or T2, ``intrusions_t2`` of T2.
    ``false_alarms`` are trials with a report of what was not asked for. ``trials`` counts them, and
    ``lag_ms`` (condition, lag) is the lag in milliseconds.
    """
    measured = shares(table)
    grouped = pd.concat([table[KEYS], measured], axis=1).groupby(KEYS, sort=True)
    frame = grouped.mean().astype(float)
    frame["trials"] = grouped.size()
    found = xr.Dataset.from_dataframe(frame)
    lag_ms = table.groupby(["condition", "lag"])["lag_ms"].first().to_xarray()
    order = {name: pd.unique(table[name]) for name in ("network", "condition")}
    return found.assign(trials=found["trials"].fillna(0).astype(int), lag_ms=lag_ms).sel(order)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """For each trial what :func:`curves` averages: 0, 1, or NaN where it does not count."""
    any_order = {t: number(table[f"{t}_correct_anyorder"]) for t in ("t1", "t2", "t3")}
    strict = {t: number(table[f"{t}_correct"]) for t in ("t1", "t2")}
    seen = any_order["t1"] == 1
    last = any_order["t3"].fillna(any_order["t2"])
    intruded = {t: number(table[f"intrusion_{t}"].notna()) for t in ("t1", "t2")}
    return pd.DataFrame(
        {
            **any_order,
            "t1_strict": strict["t1"],
            "t2_strict": strict["t2"],
            "t2_given_t1": any_order["t2"].where(seen),
            "t2_given_t1_strict": strict["t2"].where(strict["t1"] == 1),
            "t2_given_t1_miss": any_order["t2"].where(any_order["t1"] == 0),
            "t3_given_t1": any_order["t3"].where(seen),
            "last": last.where(seen | any_order["t1"].isna()),
            "reversals": number(table["order_reversed"]),
            "intrusions": np.maximum(intruded["t1"], intruded["t2"]),
            "intrusions_t2": intruded["t2"],
            "false_alarms": number(table["false_alarm"]),
        }
    )


def number(column: pd.Series) -> pd.Series:
    """Booleans as floats, NaN where they are missing; as read from CSV too."""
    return column.astype("boolean").astype("Float64").astype(float)


def over_individuals(found: xr.Dataset) -> xr.Dataset:
    """Means over individuals, with ``_sem`` their standard error and ``_n`` how many have one.

    ``trials`` are summed.
    """
    table = xr.Dataset({"lag_ms": found["lag_ms"]} if "lag_ms" in found else {})
    for name, values in found.data_vars.items():
        if name == "trials":
            table[name] = values.sum("individual")
        elif "individual" in values.dims:
            count = values.notnull().sum("individual")
            spread = values.std("individual", ddof=1)
            table[str(name)] = values.mean("individual")
            table[f"{name}_sem"] = spread / np.sqrt(count)
            table[f"{name}_n"] = count
    return table


def shapes(found: xr.Dataset, variable: str = "last") -> xr.Dataset:
    """Measures of :mod:`experiments.blink.shape`, (network, individual, condition) each."""
    return xr.concat(
        [
            shapes_of(found[variable].sel(condition=c), lags_ms(found, c))
            for c in found["condition"]
        ],
        found["condition"],
    ).transpose("network", "individual", "condition")


def lags_ms(found: xr.Dataset, condition: object) -> Floats:
    """The lags of a condition in milliseconds, NaN where it has none."""
    return found["lag_ms"].sel(condition=condition).to_numpy().astype(float)


def shapes_of(curve: xr.DataArray, ms: Floats) -> xr.Dataset:
    """The measures of one condition; ``curve`` has the dimension lag, ``ms`` its milliseconds."""
    there = np.isfinite(ms)
    values = curve.transpose(..., "lag").to_numpy()[..., there]
    dims = [dim for dim in curve.dims if dim != "lag"]
    found = {name: (dims, measure(values, ms[there])) for name, measure in MEASURES.items()}
    return xr.Dataset(found, {dim: curve[dim] for dim in dims if dim in curve.coords})
