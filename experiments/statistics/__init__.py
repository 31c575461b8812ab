"""Numbers with their uncertainty from one labelled result: the statistics room.

A result holds right (1), wrong (0) or not measured (-1) for every network, individual, source,
attack, epsilon and image. `summarise` turns it into accuracies with intervals, and into paired
differences between networks with intervals and tests. Nothing here draws, trains or attacks.
"""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from experiments.statistics.accuracies import clean_accuracies, common_images, robust_accuracies
from experiments.statistics.contrasts import Contrast, contrast_table
from experiments.statistics.corruptions import corrupted_accuracies
from experiments.statistics.distortion import minimal_distortions
from experiments.statistics.views import VIEWS, by_view, like_for_like

__all__ = ["VIEWS", "Contrast", "by_view", "common_images", "summarise"]


def summarise(
    result: xr.Dataset,
    contrasts: Iterable[Contrast],
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
) -> xr.Dataset:
    """Every number that the figures, the verdict and the report state.

    Args:
        result: the labelled result; its `correct` has the dimensions (network, individual,
            source, attack, epsilon, image) and holds 1 right, 0 wrong, -1 not measured.
        contrasts: (factor, treatment network, baseline network); those with a network that was
            never measured are left out.
        generator: the only source of chance; the same generator state gives the same summary.
        resamples: bootstrap draws per interval.

    Returns:
        A dataset, accuracies and differences as fractions of 1, with

        - `accuracy`, `accuracy_low`, `accuracy_high` (network, view, attack, epsilon);
          `individual_accuracy` (network, individual, view, attack, epsilon); `images_scored`
          and `sources_scored` say over how many images and sources;
        - `common_accuracy`, `_low`, `_high`: the same on the `common_images` images that every
          individual of every network gets right when clean;
        - `clean_accuracy`, `_low`, `_high` (network); `individual_clean` (network, individual);
          `individuals_scored` (network);
        - `difference`, `_low`, `_high`, `mcnemar_p`, `holm_p` (contrast, view, attack, epsilon),
          `individual_difference` with the dimension individual, `pairs_scored`; NaN in the worst
          case where one of the two was not attacked itself; the same names after `clean_`
          (contrast) for the clean images;
        - where networks run in cells, `rate_error` (network): the largest of any individual;
        - where the result holds `minimum_distortion`: `median_distortion`, `_low`, `_high` and
          `distortion_found` (network);
        - where the result holds `corruption_correct`, what `corrupted_accuracies` of
          `experiments.statistics.corruptions` makes of it.

        The coordinates of network, attack and source and the attributes of the result come
        along.
    """
    seen = by_view(result)
    clean = result["clean_correct"].transpose("network", "individual", "image")
    common = common_images(clean)
    parts = [
        robust_accuracies(result, seen, common),
        clean_accuracies(clean),
        contrast_table(
            *(like_for_like(seen), clean, list(contrasts)),
            generator=generator,
            resamples=resamples,
        ),
        minimal_distortions(result, generator=generator, resamples=resamples),
        corrupted_accuracies(result, generator=generator, resamples=resamples),
    ]
    summary = xr.merge(parts, combine_attrs="drop", compat="override", join="outer")
    if "rate_error" in result:
        summary["rate_error"] = result["rate_error"].max("individual")
    summary["common_images"] = int(common.sum())
    summary.attrs = {
        **result.attrs,
        "images": result.sizes["image"],
        "resamples": resamples,
        "confidence": 0.95,
    }
    return summary
