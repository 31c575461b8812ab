"""The shape of a population's activity over images: its dimension, and whether it stays alike.

Both rest on the Gram matrix of the images (N x N), which is as quick for large areas as for small
ones. All images count together, so there is one number for each condition, area and step.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.dynamics.measures.parts import CLEAN, areas_of, joined, perturbed

Floats = npt.NDArray[np.float64]
TINY = 1e-20  # of a Gram matrix that is nought but for rounding, by the size of what was centred


def geometry(recordings: xr.Dataset) -> xr.Dataset:
    """``participation_ratio`` (condition, area, time) and ``cka`` (perturbed condition, ...).

    See :func:`participation_ratio` and :func:`linear_cka`; NaN where an area does not vary over
    the images.
    """
    areas, others = areas_of(recordings), perturbed(recordings)
    conditions = [CLEAN, *others]
    steps = recordings.sizes["time"]
    ratio = np.full((len(conditions), len(areas), steps), np.nan)
    alike = np.full((len(others), len(areas), steps), np.nan)
    for a, area in enumerate(areas):
        emitted = recordings[f"{area}.output"].transpose("condition", "time", "image", ...)
        for t in range(steps):
            here = emitted.isel(time=t).sel(condition=conditions).to_numpy().astype(float)
            grams = [centred_gram(each) for each in here]
            ratio[:, a, t] = [_participation(gram) for gram in grams]
            alike[:, a, t] = [_alignment(grams[0], gram) for gram in grams[1:]]
    coords = {"area": areas, "time": recordings["time"]}
    dims = ("condition", "area", "time")
    return joined(
        xr.DataArray(ratio, {"condition": conditions, **coords}, dims, "participation_ratio"),
        xr.DataArray(alike, {"condition": others, **coords}, dims, "cka"),
    )


def participation_ratio(activity: Floats) -> float:
    """How many dimensions the activity (image, unit) fills, from 1 to min(units, images - 1).

        PR = (sum_i l_i)^2 / sum_i l_i^2,     l_i the eigenvalues of the covariance over images

    Gao et al. 2017, "A theory of multineuronal dimensionality, dynamics and measurement",
    bioRxiv 214262, eq. 2. With few images it is too small: compare like with like.
    """
    return _participation(centred_gram(activity))


def linear_cka(first: Floats, second: Floats) -> float:
    """How alike two activities (image, unit) of the same images are, from 0 to 1.

        CKA = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F),     columns of X and Y centred

    Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", ICML, eq. 7;
    invariant to rotation and to scale.
    """
    return _alignment(centred_gram(first), centred_gram(second))


def centred_gram(activity: Floats) -> Floats:
    """X X^T of the centred columns of X (image, unit); zeros where no unit varies."""
    centred = activity - activity.mean(0)
    gram: Floats = centred @ centred.T
    size = float((activity**2).sum())
    return gram if np.trace(gram) > TINY * size else np.zeros_like(gram)


def _participation(gram: Floats) -> float:
    square = float((gram**2).sum())
    return float(np.trace(gram) ** 2 / square) if square > 0 else float("nan")


def _alignment(first: Floats, second: Floats) -> float:
    sizes = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / sizes) if sizes > 0 else float("nan")
