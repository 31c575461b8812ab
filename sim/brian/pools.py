"""The pools of gate and memory as cells in Brian2: conductances, refractoriness, unlike cells.

What stands for a rate variable (:mod:`sim.attention.pools`) becomes a population of leaky
integrate-and-fire cells with the physiology of detailed runs; the equations of gate and memory stay
those of :mod:`sim.attention.dynamics`, which hear the cells' spikes once in a step:

    tau dV/dt = rest - V + g_e (E_e - V) + g_i (E_i - V) + noise        g in units of the leak
    tau_e dg_e/dt = [drive]+ - g_e      tau_i dg_i/dt = [-drive]+ - g_i
    a spike where V exceeds the cell's own threshold; V is reset and held for the refractory time

The drive is the mean conductance of all that arrives; a population that is to fire at a rate gets
the drive at which such cells do on average (measured once, :func:`drives_and_rates`).
"""

from functools import cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.errors import BlindspotsError
from networks.physiology import Physiology
from sim.attention.pools import MEMBRANE_MS, Counted, Emission, unheard

Floats = NDArray[np.float64]
EQUATIONS = """
dV/dt = (rest - V + ge * (above - V) + gi * (below - V)) / tau + noise * sqrt(2 / tau) * xi : volt \
(unless refractory)
dge/dt = (clip(drive, 0, inf) - ge) / tau_e : 1
dgi/dt = (clip(-drive, 0, inf) - gi) / tau_i : 1
drive : 1
tau : second (constant)
threshold : volt (constant)
"""
DRIVES = np.linspace(-0.1, 0.8, 31)
SETTLE_MS, MEASURE_MS, MEASURED = 50.0, 500.0, 100  # the last: cells at each drive
SLOWEST = 0.2  # of the usual membrane time constant
LOWEST = 0.1  # of the way from rest to threshold, so that no cell fires on its own


class CellPools(Counted):
    """Pools of Brian2 cells; ``brian2`` is that of :func:`sim.brian.library.running`.

    ``size`` cells for each variable and trial, all with thresholds and time constants of their own,
    drawn from ``seed``, as is their noise.
    """

    def __init__(
        self,
        brian2: Any,
        size: int,
        rate_hz: float,
        dt_ms: float,
        physiology: Physiology,
        seed: int,
        told: Emission = unheard,
    ):
        super().__init__(size, rate_hz, dt_ms, told)
        self.brian2, self.physiology = brian2, physiology
        self.generator = np.random.default_rng(seed)
        self.populations: dict[str, Any] = {}
        brian2.seed(seed)

    def with_chance(self, generator: torch.Generator) -> Self:
        """Refused with BlindspotsError: what runs in Brian2 cannot be copied half-way."""
        raise BlindspotsError(
            "A stream before Brian2 cells cannot be gone on with in copies; watch it to its end."
        )

    def counts(self, name: str, wanted: Tensor) -> Tensor:
        """Spikes (n, variables, cells) of one step, run in Brian2."""
        if name not in self.populations:
            total = wanted.numel() * self.size
            unlike = self.generator.standard_normal((2, total))
            self.populations[name] = population(self.brian2, unlike, self.physiology)
        network, cells, spikes = self.populations[name]
        drive = drive_for(wanted.numpy().astype(float) * self.rate_hz, self.physiology)
        cells.drive = np.repeat(drive.ravel(), self.size)
        before = np.array(spikes.count)
        network.run(self.dt_ms * self.brian2.ms, namespace={})
        counts = np.array(spikes.count) - before
        return torch.from_numpy(counts.astype(np.float32)).view(*wanted.shape, self.size)


def population(brian2: Any, unlike: Floats, physiology: Physiology) -> tuple[Any, Any, Any]:
    """(network, cells, what counts their spikes).

    ``unlike`` (2, cells) are the standard deviates of membrane time constants and thresholds.
    """
    mv, ms = brian2.mV, brian2.ms
    cells = brian2.NeuronGroup(
        unlike.shape[1], EQUATIONS, method="euler", dt=physiology.dt_ms * ms,
        threshold="V > threshold", reset="V = back", refractory=physiology.refractory_ms * ms,
        namespace={
            "rest": physiology.rest_mv * mv, "back": physiology.reset_mv * mv,
            "above": physiology.reversal_excitatory_mv * mv,
            "below": physiology.reversal_inhibitory_mv * mv,
            "noise": physiology.noise_mv * mv,
            "tau_e": physiology.tau_excitatory_ms * ms, "tau_i": physiology.tau_inhibitory_ms * ms,
        },
    )  # fmt: skip
    cells.tau = MEMBRANE_MS * np.maximum(SLOWEST, 1 + physiology.tau_spread * unlike[0]) * ms
    at = physiology.threshold_mv + physiology.threshold_spread_mv * unlike[1]
    cells.threshold = np.maximum(at, physiology.rest_mv + LOWEST * physiology.span_mv) * mv
    cells.V = "rest + rand() * (threshold - rest)"
    spikes = brian2.SpikeMonitor(cells, record=False)
    return brian2.Network(cells, spikes), cells, spikes


def drive_for(rate_hz: Floats, physiology: Physiology) -> Floats:
    """The constant drive at which such cells fire at ``rate_hz`` on average."""
    rates, drives = drives_and_rates(physiology)
    return np.interp(rate_hz, rates, drives)


@cache
def drives_and_rates(physiology: Physiology) -> tuple[Floats, Floats]:
    """Rates (Hz) of cells, rising, and the drives at which they fire so; measured over 0.5 s."""
    from sim.brian.library import running

    with running() as brian2:
        brian2.seed(0)
        unlike = np.tile(np.random.default_rng(0).standard_normal((2, MEASURED)), len(DRIVES))
        network, cells, spikes = population(brian2, unlike, physiology)
        cells.drive = np.repeat(DRIVES, MEASURED)
        network.run(SETTLE_MS * brian2.ms, namespace={})
        before = np.array(spikes.count)
        network.run(MEASURE_MS * brian2.ms, namespace={})
        counts = (np.array(spikes.count) - before).reshape(len(DRIVES), MEASURED)
    rates: Floats = np.maximum.accumulate(counts.mean(1) / (MEASURE_MS / 1000))
    first = max(0, int(np.flatnonzero(rates > 0)[0]) - 1)
    return rates[first:], DRIVES[first:]
