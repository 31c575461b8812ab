"""What tells how far the nearest input that fools is: exponents, and the margin of the clean image.

The margin of the clean image is what a small change has to overcome, so that it tells much alone.
What an exponent tells beyond it is the partial rank correlation, given the margin.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from experiments.dynamics.measures.parts import CLEAN

Floats = npt.NDArray[np.float64]
Row = tuple[Floats, Floats, Floats]
"""Exponent, minimal distortion and clean margin (..., image)."""
LEVEL = (0.025, 0.975)
FEWEST = 10  # images, for a rank correlation
NAMES = ("rank_correlation", "partial_correlation", "margin_correlation")


def rank_correlations(
    result: xr.Dataset, margin: xr.DataArray, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """Spearman's rho over images with the minimal distortion, by network and direction.

    Images whose clean answer is wrong, which have no distortion, do not count; those for which
    none was found (inf) rank last. NaN with less than ten images.

    Args:
        result: ``exponent`` and ``minimum_distortion``.
        margin: at the last step, (network, individual, condition, image).

    Returns:
        (network, direction), each the mean of the individuals' own, with ``_low`` and ``_high``
        from images redrawn together for all of them: ``rank_correlation`` of the exponent,
        ``margin_correlation`` of the clean margin on the same images, and
        ``partial_correlation`` of the exponent given the margin.
    """
    exponents = result["exponent"].transpose("network", "direction", "individual", "image")
    distances = result["minimum_distortion"].transpose("network", "individual", "image").to_numpy()
    margins = margin.sel(condition=CLEAN).transpose("network", "individual", "image").to_numpy()
    shape = exponents.shape[:2]
    table = np.full((3, *shape, len(NAMES)), np.nan)
    for n, d in np.ndindex(*shape):
        rows = list(zip(exponents.to_numpy()[n, d], distances[n], margins[n], strict=True))
        table[:, n, d] = mean_relations(rows, generator, resamples)
    coords = {dim: exponents[dim] for dim in ("network", "direction")}
    return xr.Dataset(
        {
            f"{name}{end}": (("network", "direction"), table[e, ..., at])
            for at, name in enumerate(NAMES)
            for e, end in enumerate(("", "_low", "_high"))
        },
        coords=coords,
    )


def mean_relations(rows: Sequence[Row], generator: np.random.Generator, resamples: int) -> Floats:
    """Mean over individuals of :func:`relations`, low and high: (3, relation).

    Over the images of which every measured individual knows all three; those are redrawn.
    """
    known = [np.all([each > -np.inf for each in row], axis=0) for row in rows]
    measured = [at for at, each in enumerate(known) if each.any()]
    both = np.flatnonzero(np.all([known[at] for at in measured], axis=0))
    found = np.full((3, len(NAMES)), np.nan)
    if not measured or len(both) < FEWEST:
        return found
    draws = np.vstack([both, generator.choice(both, size=(resamples, len(both)))])
    each = [relations(*(values[draws] for values in rows[at])) for at in measured]
    drawn = np.mean(each, axis=0)
    there = np.isfinite(drawn[0])
    found[0, there] = drawn[0, there]
    found[1:, there] = np.nanquantile(drawn[1:, there], LEVEL, axis=0)
    return found


def relations(exponent: Floats, distance: Floats, margin: Floats) -> Floats:
    """Spearman's rho of exponent and distance, the same given the margin, of margin and distance.

    From rows (..., image); (..., relation), NaN where one is flat. The partial one is that of the
    ranks, from the three correlations (Kendall 1942, Biometrika 32:277):

        r_xy.z = (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)).
    """
    x, y, z = (standardised(each) for each in (exponent, distance, margin))
    xy, xz, yz = ((a * b).sum(-1) for a, b in ((x, y), (x, z), (y, z)))
    with np.errstate(invalid="ignore", divide="ignore"):
        given = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    return np.stack([xy, given, yz], axis=-1)


def standardised(values: Floats) -> Floats:
    """Ranks along the last axis, centred and of length 1; NaN where all are one."""
    ranks = stats.rankdata(values, axis=-1)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = ranks / np.sqrt((ranks**2).sum(-1, keepdims=True))
    return found
