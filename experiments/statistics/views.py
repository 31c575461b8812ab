"""Three ways to look at one attack: white-box, same inputs, worst case.

- white-box: the inputs were crafted on the very individual that is scored (source == network),
  along its gradients, or by its answers alone where the attack is one of queries.
- same-inputs: the inputs were crafted on independent feedforward networks that are never scored,
  so every network gets the same inputs; an image counts as right if it is right under every
  independent source (usually there is one).
- worst-case: an image counts as right if it is right under every source that was measured, its
  own and all others. A transferred input that fools a network counts against it, so where all
  are measured worst-case <= white-box and worst-case <= same-inputs (Carlini et al. 2019, "On
  evaluating adversarial robustness").
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

VIEWS = ("white-box", "same-inputs", "worst-case")
MISSING = -1
ORDER = ("network", "individual", "source", "attack", "epsilon", "image")


def worst(correct: npt.NDArray[np.int8], axis: int) -> npt.NDArray[np.int8]:
    """The minimum along `axis` over the measured entries; -1 where none was measured.

    Read as unsigned bytes, -1 is 255 and so never the minimum of anything measured.

    >>> worst(np.array([[1, -1, 0], [-1, -1, 1]], dtype=np.int8), axis=1).tolist()
    [0, 1]
    """
    if correct.shape[axis] == 0:
        return np.full(np.delete(correct.shape, axis), MISSING, dtype=np.int8)
    return np.ascontiguousarray(correct).view(np.uint8).min(axis=axis).view(np.int8)


def by_view(result: xr.Dataset) -> xr.DataArray:
    """Right (1), wrong (0), not measured (-1) as each view sees it.

    Returns:
        int8 (network, individual, view, attack, epsilon, image), with the coordinates of
        network and attack that the result carries.
    """
    correct = result["correct"].transpose(*ORDER)
    values = correct.to_numpy().astype(np.int8, copy=False)
    independent = result["independent"].to_numpy().astype(bool)
    networks = [str(name) for name in result["network"].to_numpy()]
    sources = [str(name) for name in result["source"].to_numpy()]

    white_box = np.full(np.delete(values.shape, 2), MISSING, dtype=np.int8)
    for at, name in enumerate(networks):
        if name in sources and not independent[sources.index(name)]:
            white_box[at] = values[at, :, sources.index(name)]
    stacked = np.stack([white_box, worst(values[:, :, independent], 2), worst(values, 2)], axis=2)
    seen = correct.isel(source=0, drop=True).expand_dims(view=list(VIEWS), axis=2)
    return seen.copy(data=stacked)


def like_for_like(seen: xr.DataArray) -> xr.DataArray:
    """What each view saw, without the worst case of networks that were spared.

    A network that was not attacked itself, under an attack that others were, keeps its worst case
    by that alone: it is an upper bound, and no difference to the others' is one of robustness.

    Args:
        seen: from `by_view`.

    Returns:
        The same with -1 (not measured) there.
    """
    attacked = (seen.sel(view="white-box") >= 0).any(["individual", "epsilon", "image"])
    spared = attacked.any("network") & ~attacked
    hidden = spared.drop_vars("view") & (seen["view"] == "worst-case")
    return seen.where(~hidden, MISSING).astype(seen.dtype).transpose(*seen.dims)


def sources_scored(result: xr.Dataset) -> xr.DataArray:
    """How many sources each view rests on: int (network, view, attack).

    The worst case over more sources is worse; two networks compare like for like only where
    these counts agree.
    """
    measured = (result["correct"] >= 0).any(["individual", "epsilon", "image"])
    independent = result["independent"].astype(bool)
    own = (result["source"] == result["network"]) & ~independent
    counts = [(measured & own), (measured & independent), measured]
    joined = xr.concat([count.sum("source") for count in counts], dim="view")
    return joined.assign_coords(view=list(VIEWS)).transpose("network", "view", "attack")


def complete(measured: xr.DataArray) -> xr.DataArray:
    """The block of individuals x images on which everything was measured.

    Individuals without any measurement are left out; of the others, an image stays in only if
    all of them were measured on it, so no mean mixes different images for different
    individuals.

    Args:
        measured: bool with the dimensions individual and image, and any others.
    """
    rows = measured.any("image")
    columns = (measured | ~rows).all("individual")
    return measured & columns
