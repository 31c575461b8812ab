"""Paired differences between two networks, and whether chance alone would give them.

A contrast is (factor, treatment, baseline); its difference is treatment minus baseline, paired by
image and by individual index (individual i of both got the inputs of source individual i).
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.paired import bootstrap_intervals, mcnemar
from experiments.statistics.views import complete

Contrast = tuple[str, str, str]
Floats = npt.NDArray[np.float64]

NOTES = {
    "difference": "treatment minus baseline, paired by image and individual; fraction",
    "difference_low": "95 % bootstrap over individuals and images",
    "difference_high": "95 % bootstrap over individuals and images",
    "mcnemar_p": "exact McNemar, two-sided; the largest over the individuals",
    "holm_p": "mcnemar_p after Holm over the contrasts of the same view, attack and epsilon",
    "individual_difference": "the difference in each pair of individuals; fraction",
    "pairs_scored": "pairs of individuals measured in both networks",
}


def contrast_table(
    seen: xr.DataArray,
    clean: xr.DataArray,
    contrasts: list[Contrast],
    *,
    generator: np.random.Generator,
    resamples: int,
) -> xr.Dataset:
    """All contrasts under attack, and after the prefix `clean_` on the unchanged images."""
    measured = (clean >= 0).any(["individual", "image"])
    known = {str(name) for name in clean["network"].to_numpy()[measured.to_numpy()]}
    kept = [each for each in dict.fromkeys(contrasts) if each[1] in known and each[2] in known]
    attacked = compare(seen, kept, generator=generator, resamples=resamples)
    still = compare(clean, kept, generator=generator, resamples=resamples)
    still = still.rename({name: f"clean_{name}" for name in still.data_vars})
    return xr.merge([attacked, still], combine_attrs="drop", compat="override", join="exact")


def compare(
    correct: xr.DataArray,
    contrasts: list[Contrast],
    *,
    generator: np.random.Generator,
    resamples: int,
) -> xr.Dataset:
    """Differences, intervals and tests of the contrasts.

    Args:
        correct: int8 (network, individual, ..., image), 1 right, 0 wrong, -1 not measured.

    Returns:
        The variables of `NOTES` over (contrast, ...), `individual_difference` with the
        dimension individual besides; NaN where the two networks share no measurement.
    """
    names = [str(name) for name in correct["network"].to_numpy()]
    treatment = correct.isel(network=[names.index(each[1]) for each in contrasts])
    baseline = correct.isel(network=[names.index(each[2]) for each in contrasts])
    labels = [f"{factor}: {left} - {right}" for factor, left, right in contrasts]
    treatment, baseline = (
        each.drop_vars([name for name in each.coords if "network" in each[name].dims])
        .rename(network="contrast")
        .assign_coords(contrast=np.array(labels, dtype=str))
        .transpose("contrast", ..., "individual", "image")
        for each in (treatment, baseline)
    )
    block = complete((treatment >= 0) & (baseline >= 0))
    delta = (treatment - baseline).where(block, 0).astype(np.int8)

    table = differences(delta, block)
    outer = table["difference"].dims
    low, high = bootstrap_intervals(delta.to_numpy(), block.to_numpy(), generator, resamples)
    table["difference_low"] = (outer, low)
    table["difference_high"] = (outer, high)
    table["mcnemar_p"] = (outer, mcnemar(delta.to_numpy(), block.to_numpy()))
    table["holm_p"] = (outer, holm(table["mcnemar_p"].to_numpy()))
    for name, note in NOTES.items():
        table[name].attrs["long_name"] = note
    for at, key in enumerate(("factor", "treatment", "baseline")):
        column = np.array([each[at] for each in contrasts], dtype=str)
        table = table.assign_coords({key: ("contrast", column)})
    return table


def differences(delta: xr.DataArray, block: xr.DataArray) -> xr.Dataset:
    """Mean difference over the block, and in each pair of individuals."""
    total = block.sum(["individual", "image"])
    each = block.sum("image")
    return xr.Dataset(
        {
            "difference": delta.sum(["individual", "image"]).where(total > 0)
            / total.where(total > 0),
            "individual_difference": delta.sum("image").where(each > 0) / each.where(each > 0),
            "pairs_scored": (each > 0).sum("individual"),
        }
    )


def holm(p: Floats) -> Floats:
    """Holm's step-down adjustment along the first axis (Holm 1979, Scand. J. Stat. 6:65-70).

    Each column is one family: all contrasts of one view, attack and epsilon. NaN stays NaN and
    does not count as a test. (statsmodels' multipletests does one column at a time, and collects
    garbage at each.)

    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    order = np.argsort(p, axis=0)  # NaN last
    tests = np.isfinite(p).sum(axis=0)
    steps = tests - np.arange(len(p)).reshape(-1, *[1] * (p.ndim - 1))
    raised = np.maximum.accumulate(np.take_along_axis(p, order, axis=0) * steps, axis=0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1.0), axis=0)
    return adjusted
