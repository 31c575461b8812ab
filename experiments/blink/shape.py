"""The shape of a lag curve in numbers: how deep the blink is, and when it is over.

All take accuracies (..., lag) and the lags in milliseconds (lag,), rising; the result is (...). NaN
where the curve does not reach as far as the measure needs.
"""

import warnings

import numpy as np

from experiments.blink.streams import Bools, Floats

LATE = (600.0, np.inf)
DIP = (150.0, 450.0)  # where the minimum is sought
BLINK = (180.0, 400.0)  # over which the blink's magnitude is averaged


def within(ms: Floats, window: tuple[float, float]) -> Bools:
    """Which lags lie in the window, ends included."""
    return (ms >= window[0]) & (ms <= window[1])


def mean_within(accuracy: Floats, ms: Floats, window: tuple[float, float]) -> Floats:
    """Mean over the lags of the window that are known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of an empty mean, which is NaN
        mean: Floats = np.nanmean(accuracy[..., within(ms, window)], -1)
    return mean


def late(accuracy: Floats, ms: Floats) -> Floats:
    """The level from 600 ms on."""
    return mean_within(accuracy, ms, LATE)


def minimum(accuracy: Floats, ms: Floats) -> Floats:
    """The lowest accuracy between 150 and 450 ms."""
    dip = accuracy[..., within(ms, DIP)]
    lowest = np.min(dip, -1, initial=np.inf, where=np.isfinite(dip))
    return np.where(np.isfinite(lowest), lowest, np.nan)


def minimum_ms(accuracy: Floats, ms: Floats) -> Floats:
    """The first lag at which that minimum lies."""
    lowest = minimum(accuracy, ms)
    there = within(ms, DIP) & (accuracy == lowest[..., None])
    return np.where(there.any(-1), ms[there.argmax(-1)], np.nan)


def magnitude(accuracy: Floats, ms: Floats) -> Floats:
    """The late level less the mean from 180 to 400 ms."""
    return late(accuracy, ms) - mean_within(accuracy, ms, BLINK)


def depth(accuracy: Floats, ms: Floats) -> Floats:
    """The late level less the minimum."""
    return late(accuracy, ms) - minimum(accuracy, ms)


def relative_depth(accuracy: Floats, ms: Floats) -> Floats:
    """The depth as a share of the late level; NaN where that is nought."""
    level = late(accuracy, ms)
    return depth(accuracy, ms) / np.where(level > 0, level, np.nan)


def sparing(accuracy: Floats, ms: Floats) -> Floats:
    """The accuracy at the first lag less the minimum: lag-1 sparing."""
    return accuracy[..., 0] - minimum(accuracy, ms)


def half_recovery_ms(accuracy: Floats, ms: Floats) -> Floats:
    """When, after the minimum, the curve is first half-way from there to the late level.

    Interpolated between lags; NaN where there is nothing to recover from.
    """
    half = ((late(accuracy, ms) + minimum(accuracy, ms)) / 2)[..., None]
    above = (accuracy >= half) & (ms > minimum_ms(accuracy, ms)[..., None])
    after = above.argmax(-1)[..., None]
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(accuracy, at, -1) for at in (before, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        way = (half - low) / (high - low)
        crossing = (ms[before] + way * (ms[after] - ms[before]))[..., 0]
    return np.where(above.any(-1) & (depth(accuracy, ms) > 0), crossing, np.nan)


MEASURES = {
    "late": late,
    "minimum": minimum,
    "minimum_ms": minimum_ms,
    "magnitude": magnitude,
    "depth": depth,
    "relative_depth": relative_depth,
    "sparing": sparing,
    "half_recovery_ms": half_recovery_ms,
}
