"""The smallest change that fools a network: median over individuals and images.

Distortion is the root-mean-squared change of intensity (Szegedy et al. 2014), in units of the
intensity range [0, 1]. An image for which none was found counts as infinitely far, so the median
is infinite when fewer than half were found.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.paired import resampled
from experiments.statistics.views import complete

Floats = npt.NDArray[np.float64]
CHUNK = 100  # resamples held in memory at once


def minimal_distortions(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """Median minimal distortion per network with a two-level bootstrap interval.

    Returns:
        `median_distortion`, `median_distortion_low`, `_high` and `distortion_found` (the
        fraction of images for which one was found), all float (network) and NaN where not
        measured; an empty dataset if the result holds no `minimum_distortion`.
    """
    if "minimum_distortion" not in result:
        return xr.Dataset()
    distances = result["minimum_distortion"].transpose("network", "individual", "image")
    blocks = complete(distances.notnull()).to_numpy()
    rows = []
    for values, block in zip(distances.to_numpy().astype(float), blocks, strict=True):
        inside = values[block.any(1)][:, block.any(0)]
        rows.append(median_interval(inside, generator, resamples))
    columns = np.array(rows).reshape(-1, 4).T
    names = ("median_distortion", "median_distortion_low", "median_distortion_high")
    table = {
        name: ("network", column)
        for name, column in zip((*names, "distortion_found"), columns, strict=True)
    }
    return xr.Dataset(table, coords={"network": result["network"]})


def median_interval(
    distances: Floats, generator: np.random.Generator, resamples: int
) -> tuple[float, float, float, float]:
    """Median, low, high and fraction found of distances (individual, image); NaN if empty."""
    if distances.size == 0:
        return np.nan, np.nan, np.nan, np.nan
    w = resampled(distances.shape[0], generator, resamples)
    v = resampled(distances.shape[1], generator, resamples)
    order = np.argsort(distances, axis=None)
    ascending = distances.ravel()[order]
    medians = [
        weighted_medians(
            ascending, (w[at, :, None] * v[at, None, :]).reshape(-1, order.size)[:, order]
        )
        for at in (slice(start, start + CHUNK) for start in range(0, resamples, CHUNK))
    ]
    low, high = np.quantile(np.concatenate(medians), [0.025, 0.975], method="closest_observation")
    return (
        float(np.median(ascending)),
        float(low),
        float(high),
        float(np.isfinite(ascending).mean()),
    )


def weighted_medians(ascending: Floats, weights: npt.NDArray[np.float32]) -> Floats:
    """The first of the ascending values at which half of the weight is reached.

    Args:
        ascending: float (value).
        weights: float (resample, value), rows sum to 1.
    """
    reached = np.cumsum(weights, axis=1, dtype=np.float64) >= 0.5 - 1e-9
    return ascending[reached.argmax(axis=1)]
