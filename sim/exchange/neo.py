"""Recordings as Neo blocks, and as the MATLAB files in which Neo keeps whole blocks.

Of the formats that Neo writes, two keep trains, signals, units and annotations without pickles.
The MATLAB one (.mat) needs only scipy and is read by MATLAB as well; NIX makes an HDF5 object of
every channel, which was over ten times as slow and large for the networks here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sim.exchange.library import library, positive, whole
from sim.exchange.recorded import Trace, answers, traces


def to_neo(recordings: xr.Dataset, dt_ms: float = 1.0) -> Any:
    """``recordings`` of a run as a ``neo.Block``: one segment per image, one step = ``dt_ms``.

    Spiking areas give one ``SpikeTrain`` per unit, silent ones too, named "area.unit"; all other
    arrays become an ``AnalogSignal`` (time, unit), dimensionless, named as in the recordings. What
    happens at step t is stamped t ``dt_ms``, and a segment lasts until the end of its last step.
    """
    found = traces(recordings)
    neo, pq = library("neo", "neo"), library("quantities", "neo")
    dt, steps = positive(dt_ms) * pq.ms, recordings.sizes["time"]
    block = neo.Block(
        name=str(recordings.attrs["wiring"]),
        description="a simulated network; membranes are dimensionless",
        dt_ms=float(dt_ms),
        simulator=str(recordings.attrs["simulator"]),
    )
    for image, answer in enumerate(answers(recordings)):
        segment = neo.Segment(name=f"image {image}", index=image, answer=answer)
        for trace in found:
            if trace.spikes:
                segment.spiketrains.extend(_trains(neo, trace, image, dt, steps))
            else:
                segment.analogsignals.append(_signal(neo, pq, trace, image, dt))
        block.segments.append(segment)
    return block


def write_neo(recordings: xr.Dataset, path: Path, dt_ms: float = 1.0) -> None:
    """The block of :func:`to_neo` into the file ``path`` (.mat), for ``neo.io.NeoMatlabIO``."""
    neo = library("neo", "neo")
    block = to_neo(recordings, dt_ms)
    with whole(path) as draft:
        neo.io.NeoMatlabIO(str(draft)).write_block(block)


def _trains(neo: Any, trace: Trace, image: int, dt: Any, steps: int) -> list[Any]:
    return [
        neo.SpikeTrain(
            np.flatnonzero(spikes) * dt,
            t_stop=steps * dt,
            sampling_rate=1 / dt,
            name=f"{trace.area}.{unit}",
            area=trace.area,
            unit=unit,
        )
        for unit, spikes in enumerate(trace.values[:, image].T)
    ]


def _signal(neo: Any, pq: Any, trace: Trace, image: int, dt: Any) -> Any:
    return neo.AnalogSignal(
        trace.values[:, image] * pq.dimensionless,
        sampling_period=dt,
        name=trace.name,
        description=trace.meaning,
        area=trace.area,
        **({} if trace.threshold is None else {"threshold": trace.threshold}),
    )
