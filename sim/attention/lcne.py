"""The blink by the locus coeruleus (LC): Nieuwenhuis, Gilzenrat, Holmes & Cohen (2005).

J. Exp. Psychol. Gen. 134:291. A target excites the LC, whose noradrenaline raises the gain of all
units for a while, a second target at lag 1 included; then the LC is refractory, gain is low, and
targets are missed. Units for each target and one for all distractors decide; each target has a
response unit. With f(x) = 1 / (1 + exp(-g (x - bias))) and the gain g = G + k u:

    dx_i = (-x_i + self f(x_i) - inhibition sum_j!=i f(x_j) + I_i) dt + noise
    dr_i = (-r_i + hold f(r_i) + drive f(x_i)) dt + noise
    tau_v dv = (v (a - v) (v - 1) - u + coupling sum_targets f(x_i)) dt
    tau_u du = (C v + (1 - C) d - u) dt

Parameters are those of the paper as the PsyNeuLink project has them; 100 steps of dt to an item of
100 ms. The paper and that script say neither how noise scales with dt (here by its root, so that
its variance does not depend on dt) nor when an item is reported: here when the response unit's
output exceeds ``threshold``, which was set so that T1 is reported in about 80 % of trials.
"""

from dataclasses import dataclass

import numpy as np

from sim.attention.items import Answers, Floats, Items, ordered

UNIT_MS = 50.0  # one unit of the model's time: 100 ms are 100 steps of 0.02


@dataclass(frozen=True)
class LCNE:
    """Its parameters, in the symbols of the equations."""

    dt: float = 0.02
    noise: float = 0.15
    gain: float = 0.5
    gain_by_lc: float = 1.5
    bias: float = 1.75
    input: float = 1.5
    crosstalk: float = 1 / 3
    self_excitation: float = 2.5
    inhibition: float = 1.0
    hold: float = 2.0
    drive: float = 3.5
    coupling: float = 0.3
    a: float = 0.5
    d: float = 0.5
    coherence: float = 0.90
    tau_v: float = 0.05
    tau_u: float = 5.0
    start_h: float = 0.07
    start_u: float = 0.14
    threshold: float = 0.67

    def answers(self, items: Items, generator: np.random.Generator) -> Answers:
        """What is reported of each trial; ``generator`` draws the units' noise."""
        n, units = len(items.target), items.targets
        x, r = np.zeros((n, units + 1)), np.zeros((n, units))
        v = np.full(n, (self.start_h - (1 - self.coherence) * self.d) / self.coherence)
        u = np.full(n, self.start_u)
        when = np.full((n, units), np.inf)
        steps = round(items.soa_ms / (self.dt * UNIT_MS))
        kick = self.noise * np.sqrt(self.dt)
        for item in range(items.target.shape[1] + 1):  # one more to let responses end
            shown = self.current(items, item, units)
            for step in range(steps):
                g = (self.gain + self.gain_by_lc * u)[:, None]
                fx, fr = logistic(g, x - self.bias), logistic(g, r - self.bias)
                others = fx.sum(1, keepdims=True) - fx
                dx = -x + self.self_excitation * fx - self.inhibition * others + shown
                dr = -r + self.hold * fr + self.drive * fx[:, :units]
                excited = self.coupling * fx[:, :units].sum(1)
                dv = (v * (self.a - v) * (v - 1) - u + excited) / self.tau_v
                du = (self.coherence * v + (1 - self.coherence) * self.d - u) / self.tau_u
                x = x + dx * self.dt + kick * generator.standard_normal(x.shape)
                r = r + dr * self.dt + kick * generator.standard_normal(r.shape)
                v, u = v + dv * self.dt, u + du * self.dt
                now = (item + (step + 1) / steps) * items.soa_ms
                crossed = (fr > self.threshold) & np.isinf(when)
                when[crossed] = now
        return ordered(when)

    def current(self, items: Items, item: int, units: int) -> Floats:
        """What the decision units receive while that item is shown, (n, units + 1)."""
        if item == items.target.shape[1]:
            return np.zeros((len(items.target), units + 1))
        shown = items.shows(item, units)
        return self.input * shown + self.crosstalk * (shown.sum(1, keepdims=True) - shown)


def logistic(gain: Floats, x: Floats) -> Floats:
    """1 / (1 + exp(-gain x))."""
    return 1 / (1 + np.exp(-gain * x))
