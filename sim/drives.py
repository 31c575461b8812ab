"""The drive of every area, told apart by the kind of projection that it came through."""

import numpy as np
import torch
import xarray as xr

from sim.network import Network
from sim.parameters import weight_name
from sim.step import bias_of, transmit

KINDS = ("bias", "feedforward", "skip", "lateral", "top-down")


def drive_by_kind(network: Network, recording: xr.Dataset) -> xr.Dataset:
    """`AREA.drive_by_kind` (kind, time, image, AREA.unit) from the recorded outputs."""
    wiring, circuit = network.wiring, network.circuit()
    there = [k for k in KINDS if k == "bias" or any(p.kind == k for p in wiring.projections)]
    found = {}
    for area in wiring.areas:
        if area == wiring.input:
            continue
        shape = recording[f"{area.name}.drive"].transpose("time", "image", ...).shape
        parts = {kind: np.zeros(shape, np.float32) for kind in there}
        parts["bias"] += bias_of(circuit, area.name).expand(1, *area.shape).flatten().detach().numpy()
        for p in wiring.into(area.name):
            out = recording[f"{p.source}.output"].transpose("time", "image", ...).to_numpy()
            source = wiring.area(p.source)
            for t in range(p.delay, len(out)):
                emitted = torch.from_numpy(out[t - p.delay]).reshape(-1, *source.shape)
                with torch.no_grad():
                    sent = transmit(p, circuit.values[weight_name(p)], emitted, area.shape)
                parts[p.kind][t] += sent.flatten(1).numpy()
        dims = ("kind", "time", "image", f"{area.name}.unit")
        found[f"{area.name}.drive_by_kind"] = (dims, np.stack(list(parts.values())))
    return xr.Dataset(found, coords={"kind": there})
