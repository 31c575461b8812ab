"""What feedback does for the answer: whole networks against those with a pathway cut."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.statistics.accuracies import accuracy
from experiments.statistics.contrasts import holm
from experiments.statistics.paired import bootstrap_intervals, mcnemar

CUT, WHOLE = 0.0, 1.0  # gains


def pathway_table(
    result: xr.Dataset,
    last: xr.DataArray,
    first: xr.DataArray,
    generator: np.random.Generator,
    resamples: int,
) -> xr.Dataset:
    """What feedback does for the answer: whole against cut, paired by image.

    Args:
        result: ``label``, ``led_astray`` and ``recovered``.
        last: ``gain_answer`` at the end, (network, individual, pathway, gain, condition, image).
        first: the same at the first answer.

    Returns:
        ``gain_accuracy`` (network, pathway, gain, condition) with intervals; ``carried`` (network,
        pathway, condition): accuracy of the whole network minus that with the pathway cut, with
        bootstrap interval, ``carried_p`` exact McNemar and ``carried_holm`` over all networks and
        pathways under one condition; and what :func:`returned` gives.
    """
    answers = last.transpose(..., "individual", "image")
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
    at_first = first.sel(gain=WHOLE, drop=True).transpose(*cut.dims)
    as_first = (answers.sel(gain=CUT, drop=True) == at_first).astype(np.int8)
    first_right = (at_first == result["label"]).astype(np.int8)
    told = returned(result, whole, cut, both, as_first, first_right)
    return table.merge(told, compat="no_conflicts")


def returned(
    result: xr.Dataset,
    whole: xr.DataArray,
    cut: xr.DataArray,
    both: xr.DataArray,
    as_first: xr.DataArray,
    first_right: xr.DataArray,
) -> xr.Dataset:
    """What a cut does to images that came back, and whether it could tell anything of that.

    Nearly all that come back were wrong at the first answer. Where a cut leaves the network with
    about that first answer (``as_first``), they end wrong whatever brought them back: the share
    of them that still end right then tells nothing of the pathway.

    Returns:
        (network, pathway, condition), over pairs of individual and image: ``came_back``, how many
        recovered, of ``came_back_images`` images; ``back_first_wrong``, how many of them were wrong
        at the whole network's first answer; ``back_still``, how many still end right with
        the pathway cut, and ``still_back`` their share; ``stayed`` and ``still_stayed``, how many
        end right without ever having been led astray, and the share of them that still do;
        ``as_first``, the share of all whose answer under the cut is the whole network's first.
        Shares have intervals.
    """
    back = ((result["recovered"] == 1) & both).transpose(*cut.dims)
    stayed = ((result["led_astray"] == 0) & (whole == 1) & both).transpose(*cut.dims)
    pairs = ["individual", "image"]
    return xr.merge(
        [
            accuracy(cut, back, "still_back"),
            accuracy(cut, stayed, "still_stayed"),
            accuracy(as_first, both, "as_first"),
            xr.Dataset(
                {
                    "came_back": back.sum(pairs),
                    "came_back_images": back.any("individual").sum("image"),
                    "back_first_wrong": (back & (first_right == 0)).sum(pairs),
                    "back_still": (back & (cut == 1)).sum(pairs),
                    "stayed": stayed.sum(pairs),
                }
            ),
        ],
        compat="no_conflicts",
    )


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
