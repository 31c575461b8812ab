"""Numbers with their uncertainty from the labelled result of the command ``dynamics``."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from experiments.statistics.accuracies import accuracy
from experiments.statistics.contrasts import holm
from experiments.statistics.paired import bootstrap_intervals, mcnemar, resampled

Floats = npt.NDArray[np.float64]
LEVEL = (0.025, 0.975)
FEWEST = 10  # images, for a rank correlation
CUT, WHOLE = 0.0, 1.0  # gains


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
          images that flip; ``flipped`` their share;
        - ``apart`` (network, condition, area): mean relative divergence at the network's last step;
        - ``dimension`` (network, condition, area) and ``alike`` (network, condition, area): mean
          over individuals of participation ratio and CKA at the last step;
        - ``pull`` (network, condition, kind, area): mean of ``along_feedforward`` at the last step;
        - ``growth`` and ``state_growth`` (network, direction): means of the two exponents, and
          ``rank_correlation`` (network, direction) of the first with the minimal distortion, where
          those are there;
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
    for name, called in (("exponent", "growth"), ("state_exponent", "state_growth")):
        if name in result:
            parts.append(means(result, name, called, generator, resamples))
    if "exponent" in result and "minimum_distortion" in result:
        parts.append(rank_correlations(result, generator, resamples))
    if "gain_answer" in result:
        parts.append(pathway_table(result, last, generator, resamples))
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
    last = result["steps"].max("individual").astype(int) - 1
    return timed.sel(time=last).drop_vars("time")


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
    return xr.Dataset(
        {
            "flip_step": flip.median(["individual", "image"]),
            "flipped": flipped / measured.where(measured > 0),
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


def rank_correlations(
    result: xr.Dataset, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """Spearman's rho over images of exponent and minimal distortion, by network and direction.

    The mean of the individuals' own, with an interval from images redrawn together for all of them.
    Images whose clean answer is wrong, which have no distortion, do not count; those for which
    none was found (inf) rank last. NaN with less than ten images.
    """
    exponents = result["exponent"].transpose("network", "direction", "individual", "image")
    distances = result["minimum_distortion"].transpose("network", "individual", "image")
    shape = exponents.shape[:2]
    table = np.full((3, *shape), np.nan)
    for n, d in np.ndindex(*shape):
        pairs = list(zip(exponents.to_numpy()[n, d], distances.to_numpy()[n], strict=True))
        table[:, n, d] = mean_rho(pairs, generator, resamples)
    coords = {dim: exponents[dim] for dim in ("network", "direction")}
    names = ("rank_correlation", "rank_correlation_low", "rank_correlation_high")
    return xr.Dataset(
        {name: (("network", "direction"), row) for name, row in zip(names, table, strict=True)},
        coords=coords,
    )


def mean_rho(
    pairs: Sequence[tuple[Floats, Floats]], generator: np.random.Generator, resamples: int
) -> tuple[float, float, float]:
    """Mean over individuals of Spearman's rho between two rows of values, low and high.

    Over the images of which every measured individual knows both; those are redrawn.
    """
    known = [np.isfinite(x) & ~np.isnan(y) for x, y in pairs]
    measured = [at for at, each in enumerate(known) if each.any()]
    both = np.flatnonzero(np.all([known[at] for at in measured], axis=0))
    if not measured or len(both) < FEWEST:
        return np.nan, np.nan, np.nan
    draws = np.vstack([both, generator.choice(both, size=(resamples, len(both)))])
    drawn = np.mean([rho(pairs[at][0][draws], pairs[at][1][draws]) for at in measured], axis=0)
    if not np.isfinite(drawn[0]):
        return np.nan, np.nan, np.nan
    low, high = np.nanquantile(drawn[1:], LEVEL)
    return float(drawn[0]), float(low), float(high)


def rho(first: Floats, second: Floats) -> Floats:
    """Spearman's rank correlation of the rows (..., image); NaN where one is flat."""
    ranks = [stats.rankdata(each, axis=-1) for each in (first, second)]
    x, y = (each - each.mean(-1, keepdims=True) for each in ranks)
    size = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (x * y).sum(-1) / size
    return found


def pathway_table(
    result: xr.Dataset, last: xr.Dataset, generator: np.random.Generator, resamples: int
) -> xr.Dataset:
    """What feedback does for the answer: whole against cut, paired by image.

    Returns:
        ``gain_accuracy`` (network, pathway, gain, condition) with intervals; ``carried`` (network,
        pathway, condition): accuracy of the whole network minus that with the pathway cut, with
        bootstrap interval, ``carried_p`` exact McNemar and ``carried_holm`` over all networks and
        pathways under one condition; ``still_back`` (network, pathway, condition): of the images
        led astray that recover, the share that ends right with the pathway cut, too.
    """
    answers = last["gain_answer"].transpose(..., "individual", "image")
    right = (answers == result["label"]).where(answers >= 0, -1).astype(np.int8)
    measured = right >= 0
    whole, cut = right.sel(gain=WHOLE, drop=True), right.sel(gain=CUT, drop=True)
    both = (whole >= 0) & (cut >= 0)
    delta = (whole - cut).where(both, 0).astype(np.int8)
    low, high = bootstrap_intervals(delta.to_numpy(), both.to_numpy(), generator, resamples)
    outer = delta.dims[:-2]
    total = both.sum(["individual", "image"])
    table = accuracy(right, measured, "gain_accuracy")
    table["carried"] = delta.sum(["individual", "image"]).where(total > 0) / total.where(total > 0)
    table["carried_low"], table["carried_high"] = (outer, low), (outer, high)
    table["carried_p"] = outer, mcnemar(delta.to_numpy(), both.to_numpy())
    p = table["carried_p"].transpose("network", "pathway", "condition").to_numpy()
    flat = holm(p.reshape(-1, p.shape[-1])).reshape(p.shape)
    table["carried_holm"] = ("network", "pathway", "condition"), flat
    back = (result["recovered"] == 1) & both
    table = table.merge(accuracy(cut, back.transpose(*cut.dims), "still_back"))
    table["came_back"] = back.any("individual").sum("image")
    return table


def phases_table(result: xr.Dataset) -> Iterator[tuple[str, str, str, str, float, float, float]]:
    """Network, pathway, act, phase; accuracy under the pulse, without intervention, and clean."""
    if "phase_right" not in result:
        return
    right = result["phase_right"]
    shares_of = right.where(right >= 0).mean(["individual", "image"])
    plain = result["pulse_right"].where(result["pulse_right"] >= 0).mean(["individual", "image"])
    for place in np.ndindex(*(shares_of.sizes[d] for d in ("network", "pathway", "act", "phase"))):
        at = dict(zip(("network", "pathway", "act", "phase"), place, strict=True))
        here = shares_of.isel(at)
        pulse = float(here.sel(stimulus="pulse"))
        if np.isfinite(pulse):
            name, *labels = (str(here[key].item()) for key in at)
            whole = float(plain.isel(network=at["network"]).sel(stimulus="pulse"))
            yield (
                name,
                labels[0],
                labels[1],
                labels[2],
                pulse,
                whole,
                float(here.sel(stimulus="clean")),
            )
