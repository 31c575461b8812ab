"""Recordings as NWB files (Neurodata Without Borders)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sim.exchange.library import library, positive, whole
from sim.exchange.recorded import Trace, answers, traces


def to_nwb(recordings: xr.Dataset, dt_ms: float = 1.0, *, start: datetime | None = None) -> Any:
    """``recordings`` of a run as a ``pynwb.NWBFile``, one step lasting ``dt_ms``; times in s.

    NWB has one time line: the images follow each other as trials of ``steps * dt``, each of them
    from a cleared state. What happens at step t of image i is stamped (i steps + t) dt. Units of
    spiking areas, silent ones too, are rows of the table of units with the columns ``area`` and
    ``unit``; all other arrays are ``TimeSeries`` (time, unit), dimensionless, what the input area
    emits as a stimulus. ``start`` is the moment that the format asks for, by default now.
    """
    pynwb = library("pynwb", "pynwb")
    found = traces(recordings)
    dt, steps = positive(dt_ms) / 1000, recordings.sizes["time"]
    wiring, simulator = (str(recordings.attrs[key]) for key in ("wiring", "simulator"))
    file = pynwb.NWBFile(
        session_description=f"the network {wiring}, simulated with {simulator}: images one after "
        "another, each from a cleared state; membranes are dimensionless",
        identifier=str(uuid4()),
        session_start_time=start or datetime.now(UTC),
        keywords=["simulation", wiring, simulator],
    )
    _add_trials(file, recordings, steps * dt)
    _add_units(file, [trace for trace in found if trace.spikes], dt)
    for trace in found:
        if not trace.spikes:
            series = _series(pynwb, trace, dt)
            if recordings[trace.name].attrs.get("unit_model") == "input":
                file.add_stimulus(series)
            else:
                file.add_acquisition(series)
    return file


def write_nwb(recordings: xr.Dataset, path: Path, dt_ms: float = 1.0) -> None:
    """The file of :func:`to_nwb` at ``path`` (HDF5)."""
    pynwb = library("pynwb", "pynwb")
    file = to_nwb(recordings, dt_ms)
    with whole(path) as draft, pynwb.NWBHDF5IO(str(draft), "w") as out:
        out.write(file)


def _add_trials(file: Any, recordings: xr.Dataset, lasts: float) -> None:
    file.add_trial_column("image", "position of the image in the recordings")
    file.add_trial_column("answer", "class that the network answers")
    for image, answer in enumerate(answers(recordings)):
        file.add_trial(
            start_time=image * lasts, stop_time=(image + 1) * lasts, image=image, answer=answer
        )


def _add_units(file: Any, spiking: list[Trace], dt: float) -> None:
    if not spiking:
        return
    file.add_unit_column("area", "area of the wiring")
    file.add_unit_column("unit", "position in the area, flattened in C order")
    for trace in spiking:
        for unit, spikes in enumerate(_in_a_row(trace).T):
            file.add_unit(spike_times=np.flatnonzero(spikes) * dt, area=trace.area, unit=unit)


def _series(pynwb: Any, trace: Trace, dt: float) -> Any:
    threshold = "" if trace.threshold is None else f"; threshold {trace.threshold!r}"
    return pynwb.TimeSeries(
        name=trace.name,
        data=_in_a_row(trace),
        unit="dimensionless",
        starting_time=0.0,
        rate=1 / dt,
        description=trace.meaning + threshold,
    )


def _in_a_row(trace: Trace) -> NDArray[Any]:
    """(image * steps + step, unit): the images after one another."""
    steps, images, units = trace.values.shape
    return np.ascontiguousarray(trace.values.swapaxes(0, 1)).reshape(images * steps, units)
