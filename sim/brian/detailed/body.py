"""The cells of one individual: how the trained network's units and weights become physical.

The map, for area a with decay beta_a and threshold theta_a, and the calibrated gain G_a:

    membrane      tau_a = -step / ln(beta_a),  g_a = C / tau_a,
                  V = rest + s_a u with s_a = span / theta_a
    weight w      jump of G_a s_a w millivolts, that is a charge of Q = C G_a s_a w
      currents    a current that jumps by Q / T and decays with tau_syn, where T is what a jump of
                  1 sums to on the grid: dt / (1 - exp(-dt / tau_syn)), tau_syn where dt is fine
      conductance one that jumps by Q / (T (E_syn - reference)); excitatory for w > 0
    drive b       (image, bias, per step) a current of g_a G_a s_a b / (1 - beta_a); where synapses
                  are conductances, the one that carries it at the reference: excitatory for b > 0
    delay d       d steps, times the jitter of the sending cell's axon

so that charges, steady states and delays are those of the trained network. Rate units (the
read-out) keep their equation; a spike that arrives counts for one step, as it does in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack

from networks import BlindspotsError, Projection, Wiring
from networks.physiology import Physiology

Array = NDArray[np.float64]
MILLI, PICO = 1e-3, 1e-12


@dataclass(frozen=True)
class Body:
    """Cells of a wiring, by area: thresholds (mV), time constants (ms), axons' factors on delay.

    ``gains`` multiply all that an area receives; see :func:`sim.brian.detailed.calibrate`.
    """

    wiring: Wiring
    physiology: Physiology
    thresholds: Mapping[str, Array]
    taus: Mapping[str, Array]
    axons: Mapping[str, Array]
    gains: Mapping[str, float] = field(default_factory=dict)

    def gain(self, area: str) -> float:
        """On what the area receives; 1 where none was calibrated."""
        return self.gains.get(area, 1.0)

    def scale_mv(self, area: str) -> float:
        """Millivolts per trained unit of drive, calibrated."""
        return self.gain(area) * self.physiology.span_mv / self.wiring.spiking[area].threshold

    def current_pa(self, area: str) -> float:
        """The steady current that equals a drive of 1 per step."""
        beta = self.wiring.spiking[area].beta
        leak_ns = self.physiology.capacitance_pf * -log(beta) / self.physiology.step_ms
        return leak_ns * self.scale_mv(area) / (1 - beta)

    def delays(self, source: str, steps: int) -> NDArray[np.int64]:
        """The delay of each cell of ``source`` over ``steps`` steps, in samples; at least one."""
        samples = steps * self.physiology.samples * self.axons[source]
        return np.maximum(1, np.rint(samples)).astype(np.int64)

    def calibrated(self, gains: Mapping[str, float]) -> "Body":
        """The same cells with other gains."""
        return replace(self, gains=dict(gains))


def grow(wiring: Wiring, physiology: Physiology, generator: np.random.Generator) -> Body:
    """Cells of ``wiring``, drawn from ``generator`` where ``physiology`` makes them differ.

    The same generator gives every cell and axon the same deviate whatever else is switched on, so
    that ablations differ in the ingredient alone. Raises BlindspotsError where nothing spikes, or
    a unit forgets at once (beta = 0) and so has no membrane.
    """
    if not wiring.spiking:
        raise BlindspotsError(
            f"'{wiring.name}' has no spiking units, so there are no cells to simulate in detail; "
            "networks.derive.as_spiking gives its spiking twin."
        )
    thresholds, taus, axons = {}, {}, {}
    for area, unit in wiring.spiking.items():
        deviates = generator.standard_normal((3, wiring.area(area).size))
        differ = physiology.has("heterogeneity")
        spread = physiology.threshold_spread_mv * differ * deviates[0]
        thresholds[area] = _above(physiology, physiology.threshold_mv + spread)
        taus[area] = physiology.time_constant_ms(area, unit) * np.maximum(
            0.2, 1 + physiology.tau_spread * differ * deviates[1]
        )
        wander = physiology.jitter * physiology.has("jitter") * deviates[2]
        axons[area] = np.maximum(0, 1 + wander)
    return Body(wiring, physiology, thresholds, taus, axons)


def _above(physiology: Physiology, thresholds: Array) -> Array:
    """No threshold below a tenth of the way from rest: cells do not fire on their own."""
    return np.maximum(thresholds, physiology.rest_mv + 0.1 * physiology.span_mv)


def jumps(body: Body, p: Projection, weights: Any) -> Any:
    """What one spike along ``p`` makes jump, from ``weights`` (source, target; dense or sparse).

    Volts, or amperes or siemens as [excitation | inhibition] (source, 2 target); for rate units the
    weight itself.
    """
    sparse = not isinstance(weights, np.ndarray)
    if p.target not in body.thresholds:
        return weights.tocsr() if sparse else weights
    physiology = body.physiology
    volts = weights * (body.scale_mv(p.target) * MILLI)
    if physiology.synapses == "jumps":
        return volts.tocsr() if sparse else volts
    charge = volts * (physiology.capacitance_pf * PICO)
    positive = charge.maximum(0) if sparse else np.maximum(charge, 0)
    is_current = physiology.synapses == "currents"
    driving = [1.0, 1.0] if is_current else [each * MILLI for each in physiology.driving_mv]
    parts = []
    for part, tau, distance in zip(
        (positive, positive - charge),
        (physiology.tau_excitatory_ms, physiology.tau_inhibitory_ms),
        driving,
        strict=True,
    ):
        lasting = physiology.dt_ms * MILLI / -np.expm1(-physiology.dt_ms / tau)
        parts.append(part / (lasting * distance))
    return hstack(parts, format="csr") if sparse else np.concatenate(parts, axis=1)
