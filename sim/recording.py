"""Recordings: what a run writes down, labelled alike whichever simulator ran."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from networks import Area, Wiring
from networks.errors import unknown
from sim.labels import labels

Quantity = Literal["drive", "potential", "output"]
QUANTITIES: tuple[Quantity, ...] = ("drive", "potential", "output")
Traces = Mapping[tuple[str, Quantity], NDArray[Any]]
"""(area, quantity) to what was recorded, (time, image, unit)."""


def recorded_areas(wiring: Wiring, record: Iterable[str] | None) -> list[str]:
    """The areas to record, default all; BlindspotsError for one that ``wiring`` does not have."""
    names = [a.name for a in wiring.areas]
    chosen = names if record is None else list(record)
    for name in chosen:
        if name not in names:
            raise unknown("area", name, names, f"in '{wiring.name}'")
    return chosen


def labelled(
    wiring: Wiring,
    traces: Traces,
    logits: NDArray[Any],
    quantities: Sequence[Quantity],
    facts: Mapping[str, Any],
    *,
    time: NDArray[Any] | None = None,
    say: Callable[[Area, Quantity], dict[str, Any]] = labels,
) -> xr.Dataset:
    """The traces of ``quantities`` and the ``logits`` (image, class); ``facts`` as attributes.

    ``time`` is by default the step; ``say`` gives the attributes of an array.
    """
    variables = {
        f"{area}.{quantity}": (
            ("time", "image", f"{area}.unit"),
            trace,
            say(wiring.area(area), quantity),
        )
        for (area, quantity), trace in traces.items()
        if quantity in quantities
    }
    return xr.Dataset(
        {**variables, "logits": (("image", "class"), logits)},
        coords={"time": np.arange(wiring.steps) if time is None else time},
        attrs={"wiring": wiring.name, "time_unit": "steps", **facts},
    )
