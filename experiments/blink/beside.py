"""Networks beside people, published models and descriptive functions: one table of curves."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from experiments.blink import humans
from experiments.blink.curves import lags_ms
from experiments.blink.figures import observers
from experiments.blink.resampled import Resampled, interval_of
from experiments.blink.streams import Floats

NEEDED = 700.0  # ms: curves that end before are not held beside people


class Curve(NamedTuple):
    """A curve at the sample's lags, and its distance; the interval is NaN where there is none."""

    name: str
    kind: str
    accuracy: Floats
    rmse: float
    low: float
    high: float
    r: float


def beside_people(result: xr.Dataset, generator: np.random.Generator) -> xr.Dataset | None:
    """Every curve of the dual task at the lags of the Berkeley sample; None where none reaches.

    ``accuracy`` (curve, lag), ``rmse``, ``rmse_low``, ``rmse_high`` and ``r`` (curve); ``kind``
    (curve) is "rate", "spiking", "published" or "fitted"; ``people``, ``people_sem`` and ``lag_ms``
    (lag). Intervals are those of :mod:`experiments.blink.resampled`.
    """
    if "dual" not in result["condition"] or np.nanmax(lags_ms(result, "dual")) < NEEDED:
        return None
    human = humans.sample()
    rows = [*networks(result, generator), *published(result), *fitted()]
    return xr.Dataset(
        {
            "accuracy": (("curve", "lag"), [each.accuracy for each in rows]),
            "rmse": ("curve", [each.rmse for each in rows]),
            "rmse_low": ("curve", [each.low for each in rows]),
            "rmse_high": ("curve", [each.high for each in rows]),
            "r": ("curve", [each.r for each in rows]),
            "people": ("lag", human.accuracy),
            "people_sem": ("lag", humans.SEM),
        },
        {
            "curve": [each.name for each in rows],
            "kind": ("curve", [each.kind for each in rows]),
            "lag": human.lag,
            "lag_ms": ("lag", human.lag_ms),
        },
        {
            "sample": human.name,
            "participants": human.participants,
            "ceiling": humans.CEILING_RMSE["median"],
        },
    )


def networks(result: xr.Dataset, generator: np.random.Generator) -> Iterator[Curve]:
    """The mean curve of each observer that is no control."""
    for name in observers(result):
        here = Resampled(result, str(name), generator)
        ms = here.lags("dual")[1]
        draws = here.mean("last", "dual")
        low, high = interval_of(np.array([humans.fit(each, ms).rmse for each in draws[1:]]))
        kind = str(result["units"].sel(network=name).item())
        yield measured(str(name), kind, draws[0], ms)._replace(low=low, high=high)


def published(result: xr.Dataset) -> Iterator[Curve]:
    """The curves of published models, where the result holds them."""
    if "published" not in result:
        return
    ms = lags_ms(result, "dual")
    there = np.isfinite(ms)
    for name in result["model"].to_numpy():
        curve = result["published"].sel(model=name).to_numpy()[there]
        yield measured(str(name), "published", curve, ms[there])


def fitted() -> Iterator[Curve]:
    """What was fitted to the sample itself."""
    ms = humans.sample().lag_ms
    for name, curve in humans.described().items():
        yield measured(name, "fitted", curve, ms)


def measured(name: str, kind: str, curve: Floats, ms: Floats) -> Curve:
    """A curve and its distance, without an interval."""
    found = humans.fit(curve, ms)
    values = humans.at(curve, ms, humans.sample().lag_ms)
    return Curve(name, kind, values, found.rmse, np.nan, np.nan, found.r)
