"""What the kinds of projections contribute to an area's drive, and to its change."""

import numpy as np
import xarray as xr

from experiments.dynamics.measures.parts import areas_of, by_area, change, joined, rms

FEEDFORWARD, BIAS = "feedforward", "bias"
ORDER = ("condition", "kind", "area", "time", "image")


def drive_measures(recordings: xr.Dataset) -> xr.Dataset:
    """The drive of each area by kind of projection, from `AREA.drive_by_kind`.

    With d_k[t] the drive that the projections of kind k deliver to the n units of an area, its
    change D_k = d'_k - d_k from the clean to the perturbed condition, and |.| the root mean square
    over units:

    - ``drive_share`` (condition, kind, area, time, image) = |d_k| / sum_j |d_j|. Kinds may cancel,
      so that this says how much arrives, not what share of the sum it explains;
    - ``drive_change`` = |D_k|;
    - ``along_feedforward`` = <D_k, D_ff> / <D_ff, D_ff>: what the change of feedback adds to the
      change that comes from below; above 0 it amplifies, below 0 it pulls the state back. NaN
      where nothing changes below;
    - ``push`` (condition, kind, time, image), in the output area: D_k of the label minus D_k of
      the strongest other class in the perturbed condition, what the kind adds to the margin.

    (The division of a unit's drive into pathways is that of Spoerer et al. 2017, Front. Psychol.
    8:1551, eq. 4 to 7; the projections are elementary geometry.)
    """
    shares, changes, along = {}, {}, {}
    for area in areas_of(recordings, "drive_by_kind"):
        drive = recordings[f"{area}.drive_by_kind"]
        unit = f"{area}.unit"
        size, moved = rms(drive, unit), change(drive)
        total = size.sum("kind")
        shares[area] = size / total.where(total > 0)
        changes[area] = rms(moved, unit)
        along[area] = along_feedforward(moved, unit)
    found = xr.Dataset(
        {
            "drive_share": by_area(shares, "drive_share"),
            "drive_change": by_area(changes, "drive_change"),
            "along_feedforward": by_area(along, "along_feedforward"),
        }
    ).transpose(*ORDER)
    return joined(found, push(recordings))


def along_feedforward(moved: xr.DataArray, unit: str) -> xr.DataArray:
    """<D_k, D_ff> / <D_ff, D_ff>: the change of each kind along that of feedforward drive."""
    below = moved.sel(kind=FEEDFORWARD, drop=True)
    square = (below**2).sum(unit)
    return (moved * below).sum(unit) / square.where(square > 0)


def along_change(moved: xr.DataArray, unit: str) -> xr.DataArray:
    """<D_k, D> / ||D||: what each kind has in the change D of the whole drive.

    Positive where the kind drives the area away, negative where it pulls the area back; over kinds
    it sums to the Euclidean length ||D||. 0 where nothing changes.
    """
    whole = moved.sum("kind")
    length = (whole**2).sum(unit) ** 0.5
    return ((moved * whole).sum(unit) / length.where(length > 0)).fillna(0)


def push(recordings: xr.Dataset) -> xr.Dataset:
    """What each kind adds to the margin in the output area; see :func:`drive_measures`."""
    area = str(recordings.attrs["output"])
    moved = change(recordings[f"{area}.drive_by_kind"]).rename({f"{area}.unit": "class"})
    logits = recordings["logits"].sel(condition=moved["condition"])
    classes = xr.DataArray(np.arange(logits.sizes["class"]), dims="class")
    label = recordings["label"]
    rival = logits.where(classes != label).argmax("class")
    gained = moved.isel({"class": label}) - moved.isel({"class": rival})
    return xr.Dataset({"push": gained.transpose("condition", "kind", "time", "image")})
