"""What all measures read off recordings: areas, conditions, and means over units."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

CLEAN = "clean"


def areas_of(recordings: xr.Dataset, quantity: str = "output") -> list[str]:
    """The areas of which a quantity was recorded, in the order of the recordings."""
    ending = f".{quantity}"
    return [str(n).removesuffix(ending) for n in recordings.data_vars if str(n).endswith(ending)]


def perturbed(recordings: xr.Dataset) -> list[str]:
    """The conditions that are compared with the clean one."""
    return [str(c) for c in recordings["condition"].to_numpy() if c != CLEAN]


def change(array: xr.DataArray) -> xr.DataArray:
    """What every other condition adds to the clean one."""
    others = [c for c in array["condition"].to_numpy() if c != CLEAN]
    return array.sel(condition=others) - array.sel(condition=CLEAN, drop=True)


def rms(array: xr.DataArray, *dims: str) -> xr.DataArray:
    """Root mean square over ``dims``."""
    return (array**2).mean(dims) ** 0.5


def by_area(rows: dict[str, xr.DataArray], name: str) -> xr.DataArray:
    """One array with the dimension area."""
    index = xr.DataArray(list(rows), dims="area", name="area")
    return xr.concat(list(rows.values()), index).rename(name)


def side_by_side(
    parts: Sequence[xr.Dataset], index: xr.DataArray, fill: Mapping[str, int] | None = None
) -> xr.Dataset:
    """Datasets along the new dimension of ``index``, with the attributes of the first.

    What one lacks is NaN there, or what ``fill`` says for the variable.
    """
    known = {str(name): np.nan for part in parts for name in part.data_vars}
    found: xr.Dataset = xr.concat(
        parts, index, data_vars="all", coords="minimal", compat="override", join="outer",
        combine_attrs="override", fill_value={**known, **(fill or {})},
    )  # fmt: skip
    return found


def joined(*parts: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """All in one dataset with the attributes of the first, NaN where one lacks a condition."""
    return xr.merge(parts, join="outer", compat="override", combine_attrs="override")
