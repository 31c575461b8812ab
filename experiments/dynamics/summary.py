"""Numbers with their uncertainty from the labelled result of the command ``dynamics``."""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.dynamics.pathways import pathway_table
from experiments.dynamics.prediction import rank_correlations
from experiments.statistics.accuracies import accuracy
from experiments.statistics.paired import resampled

Floats = npt.NDArray[np.float64]
LEVEL = (0.025, 0.975)
MEANS = {"exponent": "growth", "state_exponent": "state_growth", "alignment": "aligned"}


def summarise_dynamics(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int = 1000
) -> xr.Dataset:
    """Every number that table, sentences and report state, by network.

    Intervals are of 95 %: Wilson's for shares, else the pigeonhole bootstrap over individuals and
    images (see :mod:`experiments.statistics.paired`; with two individuals it is rough).

    Returns:
        - ``accuracy`` (network, condition): right at the end;
        - ``recovery`` (network, condition): recovered among led astray; ``astray`` how many images
          that rests on;
        - ``flip_step`` (network, condition): median steps from the first answer to the flip, of the
          images that flip for good; ``flipped`` their share, ``flipped_at_first`` the share of them
          that are wrong from the first answer on;
        - ``apart`` (network, condition, area): mean relative divergence at the network's last step;
        - ``dimension`` (network, condition, area) and ``alike`` (network, condition, area): mean
          over individuals of participation ratio and CKA at the last step;
        - ``pull`` (network, condition, kind, area): mean of ``along_feedforward`` at the last step,
          ``pull_at_first`` at that of the first answer;
        - ``growth`` and ``state_growth`` (network, direction): means of the two exponents, and
          ``aligned`` (network) of ``alignment``;
        - where there are minimal distortions what :func:`rank_correlations` gives;
        - of interventions what :func:`pathway_table` gives.

        Names followed by ``_low`` and ``_high`` are the ends of the intervals.
    """
    last = at_last_step(result)
    parts = [
        shares(result, last),
        flips(result),
        means(last, "relative_divergence", "apart", generator, resamples),
        last[["participation_ratio", "cka"]]
        .mean("individual")
        .rename(participation_ratio="dimension", cka="alike"),
    ]
    if "along_feedforward" in last:
        parts.append(means(last, "along_feedforward", "pull", generator, resamples))
        first = at_step(result[["along_feedforward"]], result["first_answer"])
        parts.append(means(first, "along_feedforward", "pull_at_first", generator, resamples))
    for name, called in MEANS.items():
        if name in result:
            parts.append(means(result, name, called, generator, resamples))
    if "exponent" in result and "minimum_distortion" in result:
        parts.append(rank_correlations(result, last["running_margin"], generator, resamples))
    if "gain_answer" in result:
        answers = result[["gain_answer"]]
        at_first = at_step(answers, result["first_answer"])["gain_answer"]
        parts.append(pathway_table(result, last["gain_answer"], at_first, generator, resamples))
    summary = xr.merge(parts, join="outer", compat="override", combine_attrs="drop")
    for name in ("condition", "area", "kind"):
        if name in summary.dims and name in result.coords:
            summary = summary.sel({name: result[name]})
    return summary.sel(network=result["network"]).assign_attrs(
        result.attrs, images=result.sizes["image"], individuals=result.sizes["individual"]
    )


def at_last_step(result: xr.Dataset) -> xr.Dataset:
    """The result at each network's own last step."""
    timed = result[[name for name, each in result.data_vars.items() if "time" in each.dims]]
    return at_step(timed, result["steps"] - 1)


def at_step(timed: xr.Dataset, step: xr.DataArray) -> xr.Dataset:
    """What there is at a ``step`` (network, individual) that each network has of its own."""
    return timed.sel(time=step.max("individual").astype(int)).drop_vars("time")


def shares(result: xr.Dataset, last: xr.Dataset) -> xr.Dataset:
    """Accuracy at the end, and the share of images led astray that come back."""
    right = last["right"].transpose(..., "individual", "image")
    astray = (result["led_astray"] == 1).transpose(..., "individual", "image")
    back = result["recovered"].transpose(..., "individual", "image")
    table = accuracy(right, right >= 0, "accuracy").merge(accuracy(back, astray, "recovery"))
    table["astray"] = astray.any("individual").sum("image")
    return table


def flips(result: xr.Dataset) -> xr.Dataset:
    """When images flip, in steps after the first answer, and how many of all do."""
    first = result["first_answer"].max("individual")
    flip = result["flip_time"] - first
    measured = (result["led_astray"] >= 0).sum(["individual", "image"])
    flipped = flip.notnull().sum(["individual", "image"])
    at_first = (flip == 0).sum(["individual", "image"])
    return xr.Dataset(
        {
            "flip_step": flip.median(["individual", "image"]),
            "flipped": flipped / measured.where(measured > 0),
            "flipped_at_first": at_first / flipped.where(flipped > 0),
        }
    )


def means(
    dataset: xr.Dataset, name: str, called: str, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """Mean over individuals and images with its bootstrap interval; NaN where nothing is known."""
    array = dataset[name].transpose(..., "individual", "image")
    outer = array.dims[:-2]
    middle, low, high = mean_intervals(array.to_numpy().astype(float), generator, resamples)
    coords = {dim: array[dim] for dim in outer}
    values = {called: middle, f"{called}_low": low, f"{called}_high": high}
    return xr.Dataset({key: (outer, value) for key, value in values.items()}, coords=coords)


def mean_intervals(
    values: Floats, generator: np.random.Generator, resamples: int
) -> tuple[Floats, Floats, Floats]:
    """Mean, low and high of values (..., individual, image), of which NaN do not count."""
    rows, columns = values.shape[-2:]
    w = np.vstack([np.full(rows, 1 / rows), resampled(rows, generator, resamples)])
    v = np.vstack([np.full(columns, 1 / columns), resampled(columns, generator, resamples)])
    cells = values.reshape(-1, rows, columns)
    known = np.isfinite(cells)
    total, weight = (
        np.einsum("cri,ri->cr", np.einsum("cim,rm->cri", part.astype(float), v), w)
        for part in (np.where(known, cells, 0.0), known)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = total / weight
    found = np.full((3, len(cells)), np.nan)
    some = known.any((1, 2))
    found[0, some] = drawn[some, 0]
    found[1:, some] = np.nanquantile(drawn[some, 1:], LEVEL, axis=1)
    middle, low, high = found.reshape(3, *values.shape[:-2])
    return middle, low, high
