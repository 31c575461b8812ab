"""The cells of one individual: how the trained network's units and weights become physical.

The map, for area a with decay beta_a and threshold theta_a, and the calibrated gain G_a:

    membrane      tau_a = -step / ln(beta_a),  g_a = C / tau_a,
                  V = rest + s_a u with s_a = span / theta_a
    weight w      jump of G_a s_a w millivolts, that is a charge of Q = C G_a s_a w
      currents    a current that jumps by Q / tau_syn and decays with tau_syn
      conductance one that jumps by Q / (tau_syn (E_syn - reference)); excitatory for w > 0
    drive b       (image, bias, injection, per step) a current of g_a G_a s_a b / (1 - beta_a)
    delay d       d steps, times the jitter of the sending cell's axon

so that charges, steady states and delays are those of the trained network. Rate units (the
read-out) keep their equation; a spike that arrives counts for one step, as it does in training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log

import numpy as np
from numpy.typing import NDArray

from networks import BlindspotsError, SpikingUnit, Wiring
from networks.physiology import Physiology

Array = NDArray[np.float64]


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
        return Body(
            *(self.wiring, self.physiology, self.thresholds, self.taus, self.axons), dict(gains)
        )


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
        taus[area] = time_constant(area, unit, physiology) * np.maximum(
            0.2, 1 + physiology.tau_spread * differ * deviates[1]
        )
        wander = physiology.jitter * physiology.has("jitter") * deviates[2]
        axons[area] = np.maximum(0, 1 + wander)
    return Body(wiring, physiology, thresholds, taus, axons)


def _above(physiology: Physiology, thresholds: Array) -> Array:
    """No threshold below a tenth of the way from rest: cells do not fire on their own."""
    return np.maximum(thresholds, physiology.rest_mv + 0.1 * physiology.span_mv)


def time_constant(area: str, unit: SpikingUnit, physiology: Physiology) -> float:
    """The membrane time constant in ms that decays by beta in a step."""
    if not unit.beta:
        raise BlindspotsError(
            f"Area '{area}' has beta 0: its units forget within a step and have no membrane to "
            "simulate; give them a larger beta."
        )
    return -physiology.step_ms / log(unit.beta)
