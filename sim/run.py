"""Run a network and write down what its areas do, as labelled arrays."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from sim.interventions import Intervention, check
from sim.network import Network
from sim.recording import QUANTITIES, Quantity, labelled, recorded_areas
from sim.unroll import through_time


def run(
    network: Network,
    stimulus: Tensor,
    *,
    intervene: Sequence[Intervention] = (),
    record: Iterable[str] | None = None,
    quantities: Sequence[Quantity] = QUANTITIES,
) -> xr.Dataset:
    """Step ``network`` through ``stimulus`` and return its recordings.

    ``stimulus`` is still images (N, 1, 28, 28), in the code of the wiring's input, or a movie
    (steps, N, 1, 28, 28). ``record`` names areas (default all). The dataset holds, for each
    recorded area ``a``, ``a.drive``, ``a.potential`` and ``a.output`` with dimensions (time,
    image, ``a.unit``), and ``logits`` (image, class). Sample convention: potential is u[t] before
    the reset that out[t] causes (which acts at t + 1); output is what was emitted, after clamps.
    Each array says in its attributes which model its units follow, and their threshold.
    """
    wiring, acts = network.wiring, tuple(intervene)
    check(wiring, acts)
    chosen = recorded_areas(wiring, record)
    with torch.no_grad():
        traces, logits = _trace(network, network.frames(stimulus), acts, chosen)
    return labelled(wiring, traces, logits, quantities, {"simulator": "torch"})


def _trace(
    network: Network,
    frames: Sequence[Tensor],
    acts: tuple[Intervention, ...],
    areas: Sequence[str],
) -> tuple[dict[tuple[str, Quantity], np.ndarray], np.ndarray]:
    wiring, circuit = network.wiring, network.circuit()
    images = len(frames[0])
    rows: dict[tuple[str, Quantity], list[np.ndarray]] = {}
    logits = torch.zeros(())

    def keep(area: str, quantity: Quantity, values: Tensor) -> None:
        flat = values.reshape(len(values), -1).expand(images, -1)
        rows.setdefault((area, quantity), []).append(flat.cpu().numpy())

    for t, state, drives in through_time(circuit, frames, interventions=acts):
        for area in areas:
            if area != wiring.input.name:
                keep(area, "drive", drives[area])
                keep(area, "potential", state.potentials[area])
            keep(area, "output", state.emitted[area][0])
        if t in wiring.answers:
            logits = logits + state.potentials[wiring.output] / len(wiring.answers)
    traces = {key: np.stack(values) for key, values in rows.items()}
    return traces, logits.expand(images, -1).cpu().numpy()
