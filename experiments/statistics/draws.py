"""Resamples of crossed individuals and images, for shares with unlike denominators.

The pigeonhole bootstrap of :mod:`experiments.statistics.paired` (Owen 2007), where each share has
images of its own to count: images and, within every network, individuals are redrawn, the same
draw for all shares, so that differences of shares have intervals too. As there, two images are
added for the intervals alone, one counted and one not, since a share of 0 or 1 would seem certain.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.paired import resampled

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LEVEL = (0.025, 0.975)


@dataclass(frozen=True)
class Draws:
    """Weights of images (draw, image + 2) and of individuals (draw, network, individual).

    The first draw is the sample itself, without the added images; the rest are resamples. An
    individual that was not measured weighs nothing.
    """

    images: Floats
    individuals: Floats

    def shares(self, counted: Bools, among: Bools) -> Floats:
        """Share of ``counted`` in ``among`` (..., image) over the images: (draw, ...).

        NaN where ``among`` is empty.
        """
        shape = among.shape[:-1]
        hits, all_ = (
            self.images[:, :-2] @ each.reshape(-1, each.shape[-1]).T.astype(float)
            for each in (counted & among, among)
        )
        added = self.images[:, -2:]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (hits + added[:, :1]) / (all_ + added.sum(1, keepdims=True))
        share[:, ~among.any(-1).ravel()] = np.nan
        return share.reshape(len(share), *shape)


def draw(measured: Bools, images: int, generator: np.random.Generator, resamples: int) -> Draws:
    """The sample and ``resamples`` resamples; ``measured`` is bool (network, individual)."""
    sample = np.append(np.full(images, 1 / images), [0.0, 0.0])
    redrawn = resampled(images + 2, generator, resamples).astype(float)
    individuals = np.zeros((resamples + 1, *measured.shape))
    for at, present in enumerate(measured):
        if present.any():
            count = int(present.sum())
            individuals[0, at, present] = 1 / count
            individuals[1:, at, present] = resampled(count, generator, resamples)
    return Draws(np.vstack([sample, redrawn]), individuals)


def averaged(shares: Floats, weights: Floats, axes: tuple[int, ...]) -> Floats:
    """Weighted mean over ``axes`` of the shares that are known; NaN where none has weight."""
    weights = np.where(np.isfinite(shares), weights, 0.0)
    total = weights.sum(axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = (np.nan_to_num(shares) * weights).sum(axes) / total
    return mean


def with_interval(name: str, draws: Floats, dims: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """Variables ``name``, ``name``_low and ``name``_high (95 % percentile interval)."""
    known = np.isfinite(draws[1:]).any(0) & np.isfinite(draws[0])
    low, high = np.nanquantile(np.where(known, draws[1:], 0.0), LEVEL, axis=0)
    bounds = (np.where(known, each, np.nan) for each in (low, high))
    return {name: (dims, draws[0])} | {
        f"{name}_{end}": (dims, each) for end, each in zip(("low", "high"), bounds, strict=True)
    }


def variables(*groups: dict[str, tuple[object, ...]]) -> xr.Dataset:
    """All of them in one dataset."""
    return xr.Dataset({name: value for group in groups for name, value in group.items()})
