"""What a recording holds, array by array, as the exporters need it."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from networks.errors import BlindspotsError


class Trace(NamedTuple):
    """One array of a recording: ``values`` (time, image, unit) of ``area``, dimensionless.

    ``spikes`` tells whether they are 0 or 1; ``threshold`` is that of the area's units, if any.
    """

    area: str
    quantity: str
    values: NDArray[Any]
    spikes: bool
    threshold: float | None
    meaning: str

    @property
    def name(self) -> str:
        """Its name in the recording."""
        return f"{self.area}.{self.quantity}"


def traces(recordings: xr.Dataset) -> list[Trace]:
    """The arrays of areas in ``recordings``; BlindspotsError where there is none."""
    found = []
    for key, array in recordings.data_vars.items():
        area, _, quantity = str(key).rpartition(".")
        if not area:
            continue
        values = array.transpose("time", "image", ...).to_numpy()
        said = array.attrs
        spikes = quantity == "output" and said.get("unit_model") == "lif"
        if spikes and not np.isin(values, (0, 1)).all():
            raise BlindspotsError(
                f"Area '{area}' emits values other than 0 and 1, which are no spikes; record it "
                "without a clamp."
            )
        threshold = float(said["threshold"]) if "threshold" in said else None
        meaning = f"{area}: {said.get('long_name', quantity)}"
        found.append(Trace(area, quantity, values, spikes, threshold, meaning))
    if not found:
        raise BlindspotsError("The recordings hold no array of any area; record at least one.")
    return found


def answers(recordings: xr.Dataset) -> list[int]:
    """The class that the network answers to each image."""
    return [int(answer) for answer in recordings["logits"].argmax("class").to_numpy()]
