"""What people do: six samples of lag curves, and how close a curve comes to them.

Computed from the raw trials of N = 118 people that Goodbourn et al. (2016, Psychol. Sci. 27:790)
re-analysed; targets are cued among items of their own kind. Berkeley, at ten items per second, is
the sample to be held against.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from experiments.blink import cousineau
from experiments.blink.shape import late
from experiments.blink.streams import Floats
from networks.errors import BlindspotsError, unknown

REFERENCE = "Berkeley"
LEAST = 3  # lags for a fit
SEM = np.array([0.036, 0.039, 0.040, 0.038, 0.043, 0.034, 0.023])
"""Of Berkeley's T2|T1 at lags 1 to 7, over participants."""
HIT = np.array([0.73, 0.33, 0.55, 0.70, 0.80, 0.85, 0.88])
MISS = np.array([0.90, 0.70, 0.52, 0.59, 0.69, 0.73, 0.71])
"""Berkeley's T2 where T1 was reported or missed, pooled over trials, at lags 1 to 7."""

NORMALISED = np.array([0.74, 0.29, 0.33, 0.54, 0.83, 0.92, 0.99])
NORMALISED_SD = np.array([0.26, 0.09, 0.17, 0.16, 0.05, 0.09, 0.04])
NORMALISED_MS = np.array([100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0])
"""T2|T1 over the level from 600 ms on: mean and standard deviation of the six samples."""

REVERSALS = {
    "Berkeley": 0.17,
    "SydneyWord": 0.19,
    "SydneyObject": 0.27,
    "Western": 0.30,
    "MIT": 0.33,
    "Warwick": 0.375,
}
"""Order reversals at lag 1 as a share of both reported; they are rare (0.04) from lag 5 on."""

CEILING_RMSE = {"median": (0.023, 0.037), "95 %": (0.049, 0.071)}
"""By how much a group's curve moves when its participants are redrawn, over samples."""
MAGNITUDE_MEAN, MAGNITUDE_SD = 0.367, 0.152
MAGNITUDE_SDS = (0.074, 0.118, 0.130, 0.141, 0.153, 0.181)
"""The blink's magnitude over the 118 people, and its standard deviation in each sample."""
NON_BLINKERS = 0.068
"""Share with a magnitude below 0.10; none of them had a late level above 0.5."""


@dataclass(frozen=True)
class Sample:
    """One laboratory's curve: T2|T1 at ``lag_ms``, over its participants."""

    name: str
    soa_ms: float
    participants: int
    lag: Floats
    accuracy: Floats

    @property
    def lag_ms(self) -> Floats:
        """The lags in milliseconds."""
        return self.lag * self.soa_ms


@dataclass(frozen=True)
class Fit:
    """How close a curve comes to a sample.

    Attributes:
        rmse: root mean squared difference over the lags of both.
        r: Pearson's correlation over them; NaN for a flat curve.
        log_likelihood: of a human trial given the curve's accuracy, lags weighing equally.
        best_log_likelihood: that of the sample's own accuracies, which no curve exceeds.
        z: of the normalised curve in standard deviations between the six samples, at
            ``NORMALISED_MS``; NaN where the curve does not reach.
        normalised_rmse: of the normalised curve.
    """

    rmse: float
    r: float
    log_likelihood: float
    best_log_likelihood: float
    z: Floats
    normalised_rmse: float


@cache
def _table() -> pd.DataFrame:
    with files("experiments.blink").joinpath("human_lag_curves.csv").open() as file:
        return pd.read_csv(file, comment="#")


@cache
def sample(name: str = REFERENCE, measure: str = "T2_given_T1") -> Sample:
    """The sample of that name; ``measure`` may be "T1" for Berkeley and Warwick.

    Raises:
        BlindspotsError: there is no such sample, or it has no such measure.
    """
    table = _table()
    if name not in set(table["sample"]):
        raise unknown("sample", name, set(table["sample"]))
    rows = table[(table["sample"] == name) & (table["measure"] == measure)].sort_values("lag")
    if rows.empty:
        raise BlindspotsError(f"'{name}' has no '{measure}'; every sample has T2_given_T1.")
    first = rows.iloc[0]
    return Sample(
        name,
        float(first["soa_ms"]),
        int(first["participants"]),
        rows["lag"].to_numpy(float),
        rows["accuracy"].to_numpy(float),
    )


def samples() -> dict[str, Sample]:
    """All six, by name."""
    return {name: sample(name) for name in pd.unique(_table()["sample"])}


def fit(accuracy: Floats, lag_ms: Floats, name: str = REFERENCE) -> Fit:
    """A curve of T2|T1 (lag,) beside a sample, at the sample's lags.

    Between its lags the curve is interpolated. All is NaN where fewer than three lags of the sample
    lie within those at which the curve is known.
    """
    human = sample(name)
    curve = at(accuracy, lag_ms, human.lag_ms)
    there = np.isfinite(curve)
    if there.sum() < LEAST:
        return Fit(np.nan, np.nan, np.nan, np.nan, np.full(len(NORMALISED_MS), np.nan), np.nan)
    curve, wanted = curve[there], human.accuracy[there]
    flat = np.ptp(curve) == 0
    level = late(accuracy, lag_ms)
    scaled = accuracy / np.where(level > 0, level, np.nan)
    off: Floats = at(scaled, lag_ms, NORMALISED_MS) - NORMALISED
    reached = np.isfinite(off)
    return Fit(
        rmse=float(np.sqrt(np.mean((curve - wanted) ** 2))),
        r=float("nan") if flat else float(np.corrcoef(curve, wanted)[0, 1]),
        log_likelihood=likelihood(wanted, curve),
        best_log_likelihood=likelihood(wanted, wanted),
        z=off / NORMALISED_SD,
        normalised_rmse=float(np.sqrt(np.mean(off[reached] ** 2))) if reached.any() else np.nan,
    )


def at(accuracy: Floats, lag_ms: Floats, wanted_ms: Floats) -> Floats:
    """The curve at other lags, linear between its own; NaN beyond them."""
    there = np.isfinite(accuracy)
    if not there.any():
        return np.full(len(wanted_ms), np.nan)
    return np.interp(wanted_ms, lag_ms[there], accuracy[there], left=np.nan, right=np.nan)


def likelihood(human: Floats, model: Floats) -> float:
    """Mean log-likelihood of one human trial per lag; the model is kept 0.001 from 0 and 1."""
    p = np.clip(model, 1e-3, 1 - 1e-3)
    return float(np.mean(human * np.log(p) + (1 - human) * np.log(1 - p)))


def described(name: str = REFERENCE) -> dict[str, Floats]:
    """What a curve is held beside: the best flat line, and the function of four parameters."""
    human = sample(name)
    return {
        "flat line": np.full_like(human.accuracy, human.accuracy.mean()),
        "Cousineau": cousineau.fit(human.lag, human.accuracy)(human.lag),
    }


def references(name: str = REFERENCE) -> dict[str, Fit]:
    """How close those come."""
    lag_ms = sample(name).lag_ms
    return {each: fit(curve, lag_ms, name) for each, curve in described(name).items()}
