"""What a detailed run writes down, and a torch recording in the same units beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from networks import Area, SpikingUnit, Wiring
from networks.physiology import Physiology
from sim.brian.detailed.body import Body
from sim.brian.detailed.delivery import MILLI, PICO, Delivery
from sim.brian.populations import Scene
from sim.labels import labels as trained_labels
from sim.recording import Quantity

MEANINGS = {
    "drive": ("current of inputs and biases (half-way to threshold), without spikes", "pA"),
    "potential": ("membrane before the reset that output causes", "mV"),
    "output": ("whether the cell spikes", "1"),
}
VARIABLES: dict[Quantity, tuple[str, str, float]] = {  # in cells, in rate units, SI unit of cells
    "drive": ("drive", "drive", PICO),
    "potential": ("v", "u", MILLI),
}


def labels(physiology: Physiology, area: Area, quantity: Quantity) -> dict[str, Any]:
    """Attributes of the array ``area.quantity`` of a detailed run; see :mod:`sim.labels`."""
    said = trained_labels(area, quantity)
    if not isinstance(area.unit, SpikingUnit):
        return said
    meaning, unit = MEANINGS[quantity]
    return {**said, "long_name": meaning, "units": unit, "threshold": physiology.threshold_mv}


class Tape:
    """Writes the ``wanted`` quantities down at every sample: (time, image, unit)."""

    def __init__(
        self,
        body: Body,
        scene: Scene,
        delivery: Delivery,
        wanted: Sequence[tuple[str, Quantity]],
    ):
        self.body, self.delivery = body, delivery
        samples = scene.wiring.steps * body.physiology.samples
        self.traces: dict[tuple[str, Quantity], NDArray[Any]] = {
            (area, quantity): np.zeros(
                (samples, scene.images, scene.wiring.area(area).size),
                bool if quantity == "output" and area in body.thresholds else np.float32,
            )
            for area, quantity in wanted
        }

    def write(self) -> None:
        """This sample; call it between thresholds and resets."""
        for (area, quantity), trace in self.traces.items():
            here = trace[self.delivery.sample]
            if quantity == "output":
                emitted = self.delivery.emitted(area)
                if area in self.body.thresholds:
                    here[emitted] = True
                else:
                    here[:] = emitted
            elif area in self.body.thresholds:
                variable, _, unit = VARIABLES[quantity]
                here[:] = self.delivery.array(area, variable) / unit
            else:
                here[:] = self.delivery.array(area, VARIABLES[quantity][1])


def in_cells_units(recording: xr.Dataset, wiring: Wiring, physiology: Physiology) -> xr.Dataset:
    """A recording of :func:`sim.run` in ms and mV, to be seen beside a detailed one.

    Step t stands at t ``step_ms``; the potential u of a spiking area becomes rest + u span / theta.
    """
    changed = {}
    for area, unit in wiring.spiking.items():
        scale = physiology.span_mv / unit.threshold
        potential, output = f"{area}.potential", f"{area}.output"
        if potential in recording:
            values = physiology.rest_mv + scale * recording[potential]
            said = labels(physiology, wiring.area(area), "potential")
            changed[potential] = values.assign_attrs(said)
        if output in recording:
            said = labels(physiology, wiring.area(area), "output")
            changed[output] = (recording[output] > 0.5).assign_attrs(said)
    time = recording["time"].to_numpy() * physiology.step_ms
    return (
        recording.assign(changed)
        .assign_coords(time=time)
        .assign_attrs(time_unit="ms", step_ms=physiology.step_ms)
    )
