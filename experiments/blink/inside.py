"""What goes on inside an observer in the dual task, of seen and of missed second targets."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from experiments.blink.reports import among
from experiments.blink.streams import Bools, Floats, Ints, Streams
from experiments.blink.units import Show

Dual = Mapping[tuple[str, int], tuple[Show, Streams]]
"""The dual task of each observer and individual: the unit, and its trials."""
BEFORE, AFTER = 200.0, 1300.0  # ms around the first target's onset
OUTCOMES = ("seen", "missed")
TRACES = ("gate", "refractory", "t1_type", "t2_type", "t1_memory", "t2_memory")


def inside(dual: Dual) -> xr.Dataset:
    """Mean traces (network, lag, outcome, since) from T1's onset, of trials with T1 reported.

    ``gate``, ``refractory``, and by target the type node and memory's input of its digit.
    ``traced_trials`` counts the trials; ``_sem`` is the standard error over them. Over all
    individuals together; NaN where there are none.
    """
    names = list(dict.fromkeys(name for name, _ in dual))
    by_name = []
    for name in names:
        gathered = [aligned(*found) for (who, _), found in dual.items() if who == name]
        by_name.append(averaged(xr.concat(gathered, "trial")))
    return xr.concat(by_name, xr.DataArray(names, dims="network", name="network"))


def aligned(unit: Show, trials: Streams) -> xr.Dataset:
    """The traced trials (trial, since) from ``BEFORE`` T1's onset on, with lag and outcome."""
    found = unit.load()
    traced = found["traced"].to_numpy()
    part = trials.part(traced)
    dt = trials.task.dt_ms
    since = np.arange(-round(BEFORE / dt), round(AFTER / dt))
    onset = part.t1 * trials.task.steps_per_item
    at = np.clip(onset[:, None] + since, 0, found.sizes["time"] - 1)
    rows = np.arange(len(traced))[:, None]
    targets = {
        name: part.at(part.label, place) for name, place in (("t1", part.t1), ("t2", part.t2))
    }
    types, memory = found["types"].to_numpy(), found["memory"].to_numpy()
    values = {
        "gate": found["gate"].to_numpy()[rows, at],
        "refractory": found["refractory"].to_numpy()[rows, at],
    }
    for name, digit in targets.items():
        values[f"{name}_type"] = types[rows, at, digit[:, None]]
        values[f"{name}_memory"] = memory[rows, at, digit[:, None]]
    said = found["identity"].to_numpy()[traced]
    right = {name: among(said, digit) for name, digit in targets.items()}
    return xr.Dataset(
        {name: (("trial", "since"), each) for name, each in values.items()}
        | {
            "lag": ("trial", part.lag),
            "counts": ("trial", right["t1"]),
            "outcome": ("trial", np.where(right["t2"], *OUTCOMES)),
        },
        {"since": since * dt},
    )


def averaged(trials: xr.Dataset) -> xr.Dataset:
    """Means over trials by lag and outcome, and their standard errors."""
    lags = np.unique(trials["lag"])
    shape = (len(lags), len(OUTCOMES))
    means, errors = (
        {name: np.full((*shape, trials.sizes["since"]), np.nan) for name in TRACES}
        for _ in range(2)
    )
    count = np.zeros(shape, int)
    for place in np.ndindex(shape):
        at_lag = trials["counts"] & (trials["lag"] == lags[place[0]])
        here = (at_lag & (trials["outcome"] == OUTCOMES[place[1]])).to_numpy()
        count[place] = here.sum()
        for name in TRACES:
            values = trials[name].to_numpy()[here]
            if len(values):
                means[name][place] = values.mean(0)
            if len(values) > 1:
                errors[name][place] = values.std(0, ddof=1) / np.sqrt(len(values))
    dims = ("lag", "outcome", "since")
    return xr.Dataset(
        {name: (dims, values) for name, values in means.items()}
        | {f"{name}_sem": (dims, values) for name, values in errors.items()}
        | {"traced_trials": (dims[:2], count)},
        {"lag": lags, "outcome": list(OUTCOMES), "since": trials["since"]},
    )


def stages(dual: Dual) -> xr.Dataset:
    """How far the second target comes, where T1 is reported: by network, individual, lag.

    ``t2_sensed``: its digit has the highest mean evidence of the sensory network while it is shown;
    ``t2_sensed_missed``: the same of trials in which it is not reported. ``bimodality`` (network):
    Sarle's coefficient of the peaks of memory's input for T2, inside the blink (lags 2 and 3);
    above 5/9, that of a uniform distribution, where it is all or none.
    """
    names = list(dict.fromkeys(name for name, _ in dual))
    parts, shapes = [], []
    for name in names:
        mine = {i: found for (who, i), found in dual.items() if who == name}
        rows = [sensed(*found) for found in mine.values()]
        parts.append(
            xr.concat(rows, xr.DataArray(list(mine), dims="individual", name="individual"))
        )
        shapes.append(bimodality(np.concatenate([peaks(*found) for found in mine.values()])))
    whole = xr.concat(parts, xr.DataArray(names, dims="network", name="network"), join="outer")
    return whole.assign(bimodality=("network", shapes))


def outcome(unit: Show, trials: Streams) -> tuple[xr.Dataset, Ints, Bools, Bools]:
    """The unit's answers, T2's digit, and whether T1 and T2 are reported."""
    found = unit.load()
    said = found["identity"].to_numpy()
    first, second = (trials.at(trials.label, place) for place in (trials.t1, trials.t2))
    return found, second, (said == first[:, None]).any(1), (said == second[:, None]).any(1)


def sensed(unit: Show, trials: Streams) -> xr.Dataset:
    """``t2_sensed`` and ``t2_sensed_missed`` by lag."""
    found, second, t1, t2 = outcome(unit, trials)
    right = found["sensed"].to_numpy()[np.arange(len(second)), trials.t2] == second
    lags = np.unique(trials.lag)

    def share(of: Bools) -> Floats:
        here = [of & (trials.lag == lag) for lag in lags]
        return np.array([right[each].mean() if each.any() else np.nan for each in here])

    return xr.Dataset(
        {"t2_sensed": ("lag", share(t1)), "t2_sensed_missed": ("lag", share(t1 & ~t2))},
        {"lag": lags},
    )


def peaks(unit: Show, trials: Streams) -> Floats:
    """The peaks of memory's input for T2 in the blink, T1 reported."""
    found, second, t1, _ = outcome(unit, trials)
    here = t1 & np.isin(trials.lag, (2, 3))
    values: Floats = found["peak"].to_numpy()[np.flatnonzero(here), second[here]].astype(float)
    return values


def bimodality(values: Floats) -> float:
    """Sarle's coefficient, (skewness^2 + 1) / kurtosis, with the correction for small samples."""
    from scipy.stats import kurtosis, skew

    n = len(values)
    if n < 4:
        return float("nan")
    excess = kurtosis(values, bias=False)
    return float(
        (skew(values, bias=False) ** 2 + 1) / (excess + 3 * (n - 1) ** 2 / (n - 2) / (n - 3))
    )
