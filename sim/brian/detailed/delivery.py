"""What acts on the cells from outside Brian2's equations: spikes, drives, noise, interventions.

A jump of the voltage is scaled by exp(dt / tau_m): it then acts after the leak of the sample, as in
the trained equation.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from networks import BlindspotsError, Projection
from sim.brian.detailed.axons import Array, Axons, Counted, Graded
from sim.brian.detailed.body import MILLI, PICO, Body, jumps
from sim.brian.detailed.noise import Noise
from sim.brian.populations import Scene
from sim.brian.product import carrier, matrix
from sim.interventions import Clamp, Hold, Inject, Intervention, Silence, concerns, gain_at
from sim.parameters import bias_name

LONG_AGO = -1e4  # seconds, where Brian2 puts the last spike of a cell that never spiked


class Delivery:
    """Carries what areas emit to what they drive, for all images of ``scene`` at once.

    ``before`` runs at the start of each sample, ``after`` at its end. ``logits`` (images, classes)
    sum up the output's potential over the samples of the answer, ``conductance`` the mean synaptic
    conductance by area (in units of the leak) over all samples.
    """

    def __init__(self, body: Body, scene: Scene, groups: Mapping[str, Any], noise: Noise | None):
        _check_acts(body, scene.acts)
        self.body, self.scene, self.groups, self.noise = body, scene, groups, noise
        self.sample = 0
        wiring, samples = scene.wiring, body.physiology.samples
        self.axons: dict[Projection, Axons] = {}
        self.counted: dict[Projection, Counted] = {}
        self.graded: dict[Projection, Graded] = {}
        for p in wiring.projections:
            if p.source in body.thresholds:
                weights = jumps(body, p, matrix(scene, p).T)
                self.axons[p] = Axons(body.delays(p.source, p.delay), weights, scene.images)
                if p.target not in body.thresholds:
                    self.counted[p] = Counted(samples)
            else:
                self.graded[p] = Graded(p.delay * samples, carrier(scene, p))
        self.bias = {a.name: _bias(scene, a.name) for a in wiring.areas if a != wiring.input}
        with_conductances = body.physiology.synapses == "conductances"
        self.conductance = dict.fromkeys(body.thresholds if with_conductances else (), 0.0)
        self.logits = np.zeros((scene.images, wiring.area(wiring.output).size))

    @property
    def step(self) -> int:
        """The step of the trained network that the sample belongs to."""
        return self.sample // self.body.physiology.samples

    def before(self) -> None:
        """What arrives at this sample, and what is done to the cells."""
        for p, axons in self.axons.items():
            arrived = axons.arrive(self.sample)
            arrived = None if arrived is None else self._weight(p) * arrived
            if p in self.counted:
                self.counted[p].add(arrived)
            elif arrived is not None:
                self._excite(p.target, arrived)
        for area, bias in self.bias.items():
            self._drive(area, bias + self._not_in_spikes(area), self._injected(area, bias))
        for area, deviates in (self.noise.at(self.sample) if self.noise else {}).items():
            self._shake(area, deviates)
        for area in self.body.thresholds:
            self._hold(area)

    def after(self) -> None:
        """What was emitted at this sample goes on its way; the answer is read."""
        emitted = {a.name: self.emitted(a.name) for a in self.scene.wiring.areas}
        for p, axons in self.axons.items():
            axons.send(self.sample, emitted[p.source])
        for p, graded in self.graded.items():
            graded.send(emitted[p.source])
        for area in self.conductance:
            self.conductance[area] += self._conductance(area)
        if self.step in self.scene.wiring.answers:
            self.logits += self.array(self.scene.wiring.output, "u")
        self.sample += 1

    def array(self, area: str, variable: str) -> Any:
        """Brian2's own array of a variable in SI units, to read and to write: (images, size)."""
        return self.groups[area].variables[variable].get_value().reshape(self.scene.images, -1)

    def _not_in_spikes(self, area: str) -> Any:
        """The drive from graded emissions, and from spikes that a rate unit counts."""
        total: Any = 0.0
        for p in self.scene.wiring.into(area):
            if p in self.counted:
                total = total + self.counted[p].total()
            elif p in self.graded:
                arrived = self.graded[p].arrive()
                total = total if arrived is None else total + self._weight(p) * arrived
        return total

    def _weight(self, projection: Projection) -> float:
        """Lesions and scalings: what arrives now is multiplied by this."""
        acts = (a for a in self.scene.acts if concerns(a, projection) and not isinstance(a, Hold))
        return prod(gain_at(act, self.step) for act in acts)

    def _injected(self, area: str, bias: Array) -> Any:
        total: Any = 0.0
        for act in self.scene.acts:
            if isinstance(act, Inject) and act.area == area and act.acts_at(self.step):
                total = total + act.current * _at(act.units, len(bias))
        return total

    def _drive(self, name: str, drive: Array, injected: Any) -> None:
        """Drives per step, as currents into cells or as they are into rate units."""
        if name in self.body.thresholds:
            amperes = self.body.current_pa(name) * PICO
            self.array(name, "drive")[:] = drive * amperes
            self.array(name, "injected")[:] = injected * amperes
        else:
            self.array(name, "drive")[:] = drive + injected

    def _excite(self, area: str, arrived: Array) -> None:
        """Jumps of the voltage or of the synaptic variables."""
        if self.body.physiology.synapses == "jumps":
            self._push(area, arrived)
            return
        size = arrived.shape[1] // 2
        self.array(area, "excitation")[:] += arrived[:, :size]
        self.array(area, "inhibition")[:] += arrived[:, size:]

    def _conductance(self, area: str) -> float:
        """The mean of all synaptic conductances of a cell now, in units of its leak."""
        physiology, drive = self.body.physiology, self.array(area, "drive")
        excitatory, inhibitory = (each * MILLI for each in physiology.driving_mv)
        total = self.array(area, "excitation") + self.array(area, "inhibition")
        total = total + np.where(drive > 0, drive / excitatory, -drive / inhibitory)
        leak = physiology.capacitance_pf * PICO / (self.body.taus[area] * MILLI)
        return float((total / leak).mean())

    def _push(self, area: str, jump: Array) -> None:
        """A jump of the voltage (V) of cells that are not held at this sample."""
        physiology = self.body.physiology
        if physiology.has("refractoriness"):
            now, half = self.sample * physiology.dt_ms, physiology.dt_ms / 2
            since = now - self.array(area, "lastspike") / MILLI
            jump = np.where(since > physiology.refractory_ms - half, jump, 0.0)
        self.array(area, "v")[:] += jump * np.exp(physiology.dt_ms / self.body.taus[area])

    def _shake(self, area: str, deviates: NDArray[np.float32]) -> None:
        """White noise that alone would give the membrane its standard deviation at rest."""
        ratio = self.body.physiology.dt_ms / self.body.taus[area]
        size = self.body.physiology.noise_mv * MILLI
        self._push(area, deviates * (size * np.sqrt(-np.expm1(-2 * ratio))))

    def _hold(self, area: str) -> None:
        """Clamps and silencing: a clamp at 1 spikes at the start of every step, held or not."""
        if not any(_holds_units(act, area) for act in self.scene.acts):
            return
        silenced, forced = self.array(area, "silenced"), self.array(area, "forced")
        silenced[:], forced[:] = False, False
        starts = self.sample % self.body.physiology.samples == 0
        for act in self.scene.acts:
            if _holds_units(act, area) and act.acts_at(self.step):
                units = slice(None) if act.units is None else list(act.units)
                silenced[:, units], forced[:, units] = True, bool(act.value) and starts
        self.array(area, "lastspike")[forced] = LONG_AGO

    def emitted(self, name: str) -> Any:
        """(image, unit) of each spike, or the graded emissions (images, size)."""
        area = self.scene.wiring.area(name)
        if name in self.body.thresholds:
            return np.divmod(np.asarray(self.groups[name].spikes), area.size)
        if area == self.scene.wiring.input:
            frames = self.scene.frames
            out = frames[self.step if len(frames) > 1 else 0].reshape(self.scene.images, -1)
        else:
            out = self.array(name, "out").copy()
        for act in self.scene.acts:
            if _holds_units(act, name) and act.acts_at(self.step):
                out = np.where(_at(act.units, area.size), act.value, out)
        return out


def _bias(scene: Scene, name: str) -> Array:
    area = scene.wiring.area(name)
    return np.repeat(scene.values[bias_name(name)], area.size // area.channels)


def _at(units: tuple[int, ...] | None, size: int) -> NDArray[np.bool_]:
    """True at ``units``, or everywhere."""
    chosen = np.zeros(size, bool)
    chosen[slice(None) if units is None else list(units)] = True
    return chosen


def _holds_units(act: Intervention, area: str) -> TypeGuard[Clamp | Silence]:
    return isinstance(act, Clamp | Silence) and act.area == area


def _check_acts(body: Body, acts: tuple[Intervention, ...]) -> None:
    for act in acts:
        if isinstance(act, Hold):
            raise BlindspotsError(
                f"What arrives through '{act.through}' cannot be held in cells: it comes in spikes"
                ", not in steps; hold it on the trained network, or scale it."
            )
        if isinstance(act, Clamp) and act.area in body.thresholds and act.value not in (0, 1):
            raise BlindspotsError(
                f"The cells of '{act.area}' cannot be clamped to {act.value:g}: they spike, so "
                "clamp them to 0 (never) or to 1 (once a step)."
            )
