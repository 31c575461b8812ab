"""The plane in which an area's clean activity varies most."""

import numpy as np
import xarray as xr

from experiments.dynamics.measures.parts import CLEAN, areas_of

FEWEST = 3  # images, to fit a plane to more than one course


def planes(recordings: xr.Dataset) -> xr.Dataset:
    """First two principal components of each area's clean states, of all images and steps.

    States are the potentials of spiking units and what rate units emit.

    Returns:
        Of each area but the input whose states vary, ``AREA.plane`` (component, AREA.unit),
        orthonormal, with the attribute ``quantity`` (potential or output); ``AREA.centre``
        (AREA.unit); ``AREA.explained`` (component), shares of the variance; ``AREA.ends``
        (fitted, component), where the clean images are at their last step; and the coordinate
        ``fitted_label``. Nothing of less than three images.
    """
    from sklearn.decomposition import PCA

    found: dict[str, xr.Variable] = {}
    if recordings.sizes["image"] < FEWEST:
        return xr.Dataset()
    for area in areas_of(recordings):
        if area == recordings.attrs["input"]:
            continue
        spiking = recordings[f"{area}.output"].attrs.get("unit_model") == "lif"
        quantity, unit = "potential" if spiking else "output", f"{area}.unit"
        states = recordings[f"{area}.{quantity}"].sel(condition=CLEAN)
        values = states.transpose("time", "image", unit).to_numpy().astype(float)
        rows = values.reshape(-1, values.shape[-1])
        if min(rows.shape) < 2 or not np.ptp(rows, axis=0).any():
            continue
        plane = PCA(2, random_state=0).fit(rows)
        ends = plane.transform(values[-1])
        found |= {
            f"{area}.plane": xr.Variable(
                ("component", unit), plane.components_, {"quantity": quantity}
            ),
            f"{area}.centre": xr.Variable((unit,), plane.mean_),
            f"{area}.explained": xr.Variable(("component",), plane.explained_variance_ratio_),
            f"{area}.ends": xr.Variable(("fitted", "component"), ends),
        }
    labels = {"fitted_label": ("fitted", recordings["label"].to_numpy())}
    return xr.Dataset(found, coords=labels)
