"""Accuracy on corrupted images, and the mean corruption error relative to a baseline.

All individuals see the same images, so intervals of one accuracy are Wilson's over images as
elsewhere. What is averaged over corruptions, of which an image's answers are no independent draws,
has bootstrap intervals: images are redrawn for all networks and corruptions together, individuals
for each network by itself (see `experiments.statistics.paired` for what that covers).
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.accuracies import accuracy, per_individual
from experiments.statistics.paired import resampled
from experiments.statistics.views import complete

Floats = npt.NDArray[np.float64]
MEANS = ("mean_corruption_accuracy", "mean_corruption_error")


def corrupted_accuracies(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """Accuracies on corrupted images; an empty dataset if the result holds none.

    Returns:
        `corruption_accuracy`, `_low`, `_high` (network, corruption, severity) and
        `individual_corruption_accuracy`; and of the corruptions of MNIST-C at its severities, if
        all were measured on a network, `mean_corruption_accuracy` and `mean_corruption_error`
        (network), each with `_low` and `_high`, and the scalar `corruption_baseline`.
    """
    if "corruption_correct" not in result or bool((result["corruption_correct"] < 0).all()):
        return xr.Dataset()
    correct = result["corruption_correct"].transpose(
        "network", "individual", "corruption", "severity", "image"
    )
    block = complete(correct >= 0)
    table = accuracy(correct, block, "corruption_accuracy")
    table["individual_corruption_accuracy"] = per_individual(correct, block)
    errors = {
        name: wrong
        for name in (str(each) for each in result["network"].to_numpy())
        if (wrong := errors_at_default(correct.sel(network=name))).size
    }
    base = baseline(result, list(errors))
    if not base:
        return table
    rows = mean_errors(errors, base, generator=generator, resamples=resamples)
    columns = [rows.get(str(name), np.full(6, np.nan)) for name in result["network"].to_numpy()]
    names = [f"{mean}{end}" for mean in MEANS for end in ("", "_low", "_high")]
    for name, column in zip(names, np.array(columns).T, strict=True):
        table[name] = ("network", column)
    table["corruption_baseline"] = base
    return table


def baseline(result: xr.Dataset, measured: list[str]) -> str:
    """The first of the measured networks that is neither recurrent nor spiking, or the first."""
    plain = (result["recurrence"] == "none") & (result["units"] == "rate")
    plain_names = [str(each) for each in result["network"].to_numpy()[plain.to_numpy()]]
    return next((name for name in plain_names if name in measured), next(iter(measured), ""))


def errors_at_default(correct: xr.DataArray) -> Floats:
    """Wrong (1) or right (0) under MNIST-C's corruptions: float (corruption, individual, image).

    Individuals without any measurement are left out; empty where any of the others lacks one.
    """
    defaults = correct["default_severity"].to_numpy()
    chosen = [
        correct.isel(corruption=at).sel(severity=defaults[at]).to_numpy()
        for at in np.flatnonzero(defaults)
    ]
    if not chosen:
        return np.empty((0, 0, 0))
    answers = np.stack(chosen)
    answers = answers[:, (answers >= 0).any((0, 2))]
    return (answers == 0).astype(float) if (answers >= 0).all() else np.empty((0, 0, 0))


def mean_errors(
    errors: dict[str, Floats], base: str, *, generator: np.random.Generator, resamples: int
) -> dict[str, Floats]:
    """Mean accuracy over corruptions and mean corruption error, each with a 95 % interval.

    The mean corruption error of Hendrycks & Dietterich (2019, arXiv:1903.12261, section 4.2):
    each corruption's error divided by that of the baseline, averaged over corruptions. In the
    ratio, an error of less than half an image counts as half an image.

    Args:
        errors: by network, float (corruption, individual, image) of 1 (wrong) and 0.
        base: the baseline among them.

    Returns:
        By network, float (6): accuracy, low, high, relative error, low, high.
    """
    images = errors[base].shape[2]
    v = resampled(images, generator, resamples)
    redrawn = {name: drawn(wrong, v, generator) for name, wrong in errors.items()}
    floor = 0.5 / images
    mean = {name: np.maximum(wrong.mean((1, 2)), floor) for name, wrong in errors.items()}
    means = {name: np.maximum(each, floor) for name, each in redrawn.items()}
    rows = {}
    for name, wrong in errors.items():
        right = 1 - redrawn[name].mean(1)
        ratio = (means[name] / means[base]).mean(1)
        rows[name] = np.array([
            1 - wrong.mean(), *np.quantile(right, [0.025, 0.975]),
            (mean[name] / mean[base]).mean(), *np.quantile(ratio, [0.025, 0.975]),
        ])  # fmt: skip
    return rows


def drawn(wrong: Floats, v: npt.NDArray[np.float32], generator: np.random.Generator) -> Floats:
    """Errors (resample, corruption) with images redrawn by `v`, and individuals anew."""
    corruptions, individuals, images = wrong.shape
    w = resampled(individuals, generator, len(v))
    of_images = v @ wrong.reshape(-1, images).T.astype(np.float32)
    weighted = of_images.reshape(len(v), corruptions, individuals) * w[:, None]
    return weighted.sum(2).astype(float)
