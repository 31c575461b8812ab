"""Accuracy per network with Wilson intervals (Wilson 1927, J. Am. Stat. Assoc. 22:209-212).

n in every interval is the number of IMAGES, not of individuals times images: the individuals of
one network see the same images, so their answers are no independent draws. The interval speaks of
the draw of the images with these trained individuals held fixed; the mean over individuals
varies no more than one individual would, so it errs on the wide side. It does not speak of
training again with other seeds: for that see `individual_accuracy`, and the bootstrap of the
contrasts.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.views import complete, sources_scored

Floats = npt.NDArray[np.float64]


def wilson(share: Floats, images: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """95 % Wilson interval of the fraction `share` of `images` images; NaN where images is 0.

    `share` may be a mean over individuals, so `share * images` need not be whole.
    """
    from statsmodels.stats.proportion import proportion_confint  # takes over a second to import

    known = (images > 0) & np.isfinite(share)
    n = np.where(known, images, 1).astype(float)
    count = np.where(known, share, 0.0) * n
    low, high = proportion_confint(count, n, alpha=0.05, method="wilson")
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def accuracy(correct: xr.DataArray, block: xr.DataArray, name: str) -> xr.Dataset:
    """Mean of `correct` over the individuals and images in `block`, with its interval.

    Returns:
        `name`, `name`_low, `name`_high: float without the dimensions individual and image; NaN
        where the block is empty.
    """
    right = ((correct == 1) & block).sum(["individual", "image"])
    total = block.sum(["individual", "image"])
    share = right.where(total > 0) / total.where(total > 0)
    images = block.any("individual").sum("image")
    low, high = wilson(share.to_numpy(), images.to_numpy())
    note = {"units": "fraction", "interval": "95 % Wilson, n = number of images"}
    table = {
        name: share,
        f"{name}_low": share.copy(data=low),
        f"{name}_high": share.copy(data=high),
    }
    return xr.Dataset({key: value.assign_attrs(note) for key, value in table.items()})


def per_individual(correct: xr.DataArray, block: xr.DataArray) -> xr.DataArray:
    """Accuracy of each individual over its images in `block`; NaN where there are none."""
    total = block.sum("image")
    return ((correct == 1) & block).sum("image").where(total > 0) / total.where(total > 0)


def common_images(clean: xr.DataArray) -> xr.DataArray:
    """Images that every measured individual of every network gets right when clean.

    Robust accuracy on these alone sets differences in clean accuracy aside.

    Args:
        clean: int8 (network, individual, image), 1 right, 0 wrong, -1 not measured.

    Returns:
        bool (image); all False if nothing was measured.
    """
    scored = (clean >= 0).any("image")
    return ((clean == 1) | ~scored).all(["network", "individual"]) & scored.any()


def robust_accuracies(result: xr.Dataset, seen: xr.DataArray, common: xr.DataArray) -> xr.Dataset:
    """Accuracy per view, attack and epsilon: on all images and on the common ones."""
    block = complete(seen >= 0)
    table = accuracy(seen, block, "accuracy").merge(
        accuracy(seen, block & common, "common_accuracy")
    )
    table["individual_accuracy"] = per_individual(seen, block)
    table["images_scored"] = block.any("individual").sum("image")
    table["sources_scored"] = sources_scored(result)
    return table


def clean_accuracies(clean: xr.DataArray) -> xr.Dataset:
    """Accuracy on the unchanged images, and how many individuals it rests on."""
    block = complete(clean >= 0)
    table = accuracy(clean, block, "clean_accuracy")
    table["individual_clean"] = per_individual(clean, block)
    table["individuals_scored"] = (clean >= 0).any("image").sum("individual")
    return table
