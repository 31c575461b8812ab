"""What each kind of projection contributes to the drive of an area."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from networks import Area, BlindspotsError, Projection
from networks.projection import DRIVES
from sim.network import Network
from sim.parameters import weight_name
from sim.step import Circuit, bias_of, transmit

TOLERANCE = 1e-3
"""By so much of its largest value a recorded drive may differ from the sum of its parts."""


def drive_by_kind(network: Network, recording: xr.Dataset) -> xr.Dataset:
    """The recorded drive of each area, taken apart by kind of projection.

    ``recording`` is what :func:`sim.run` returned of this network under no intervention (of some
    conditions too, along a first dimension), with the outputs of all areas. For each area ``a``
    but the input the dataset holds ``a.drive_by_kind`` (..., kind, time, image, ``a.unit``):
    sum_p W_p out[t - d_p] over the projections p of that kind, and the bias. ``kind`` lists those
    of :data:`networks.projection.DRIVES` that the wiring has; what leads not to ``a`` is 0 there.

    Raises BlindspotsError where outputs are missing, or do not make the drive that was recorded:
    then it is of another network, of cells, or was intervened in.
    """
    wiring, circuit = network.wiring, network.circuit()
    kinds = [k for k in DRIVES if k == "bias" or any(p.kind == k for p in wiring.projections)]
    parts: dict[str, xr.DataArray] = {}
    for area in wiring.areas:
        if area != wiring.input:
            parts[f"{area.name}.drive_by_kind"] = _parts(circuit, recording, area, kinds)
    return xr.Dataset(parts, attrs=recording.attrs)


def _parts(circuit: Circuit, recording: xr.Dataset, area: Area, kinds: list[str]) -> xr.DataArray:
    """The parts of the drive of ``area``, (..., kind, time, image, unit)."""
    own = _output(recording, area, "is emitted")
    bias = bias_of(circuit, area.name).expand(1, *area.shape).reshape(-1).detach().cpu().numpy()
    parts = np.zeros((len(kinds), *own.shape), bias.dtype)
    parts[kinds.index("bias")] = bias
    for p in circuit.wiring.into(area.name):
        out = _output(recording, circuit.wiring.area(p.source), f"drives '{area.name}'")
        parts[kinds.index(p.kind)] += _arrived(circuit, p, out.to_numpy())
    drive = recording.get(f"{area.name}.drive")
    if drive is not None:
        _check(area, drive.transpose(*own.dims).to_numpy(), parts.sum(0))
    return xr.DataArray(
        np.moveaxis(parts, 0, -4),
        {**{name: c for name, c in own.coords.items() if name != own.dims[-1]}, "kind": kinds},
        (*own.dims[:-3], "kind", *own.dims[-3:]),
        attrs={"long_name": "part of the drive, by kind of projection", "units": "1"},
    )


def _output(recording: xr.Dataset, area: Area, why: str) -> xr.DataArray:
    name = f"{area.name}.output"
    if name not in recording:
        raise BlindspotsError(f"The recording has no '{name}', which {why}; record all areas.")
    return recording[name].transpose(..., "time", "image", f"{area.name}.unit")


def _arrived(circuit: Circuit, p: Projection, out: NDArray[Any]) -> NDArray[Any]:
    """W_p out[t - d]: of emissions (..., time, image, source unit) what arrives, by target unit."""
    source, target = circuit.wiring.area(p.source), circuit.wiring.area(p.target)
    weight = circuit.values[weight_name(p)].detach()
    emitted = torch.from_numpy(out).to(weight).reshape(-1, *source.shape)
    sent = transmit(p, weight, emitted, target.shape).cpu().numpy()
    sent = sent.reshape(*out.shape[:-1], target.size)
    arrived = np.zeros_like(sent)
    arrived[..., p.delay :, :, :] = sent[..., : max(0, sent.shape[-3] - p.delay), :, :]
    return arrived


def _check(area: Area, drive: NDArray[Any], total: NDArray[Any]) -> None:
    off = float(np.abs(drive - total).max(initial=0))
    if off > TOLERANCE * max(1.0, float(np.abs(drive).max(initial=0))):
        raise BlindspotsError(
            f"The recorded outputs make a drive of '{area.name}' that is {off:.2g} off the "
            "recorded one; take the network that was recorded, in steps, without interventions."
        )
