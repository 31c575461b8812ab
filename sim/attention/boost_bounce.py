"""The blink by a gate that targets open and distractors shut: Olivers & Meeter (2008).

Psychol. Rev. 115:836, Boost and Bounce. The equations of the paper could not be had; these are its
structure: sensory traces pass a gate into memory; what has passed feeds back on the gate, targets
by excitation (boost), distractors by inhibition (bounce), both with a time course that rises and
falls (a gamma function, two stages of one time constant). The distractor after T1 passes the gate
while that is boosted, and so shuts it; there is no limit of capacity. For every item i:

    ds_i/dt = (strength_i - s_i) / tau_rise      while it is shown; otherwise
    ds_i/dt = -s_i / tau_mask, or -s_i / tau_icon where nothing is shown
    a = max(0, 1 + boost B - bounce D)
    B, D: sums of a s_i over targets and over distractors, through two low-pass stages each
    dm_i/dt = a s_i

A target is in memory when m_i exceeds ``threshold`` (ms of a full trace through an open gate);
strengths vary from item to item, and stamps of time from report to report. All times are in ms.
``boost``, ``bounce``, their time constants, ``threshold`` and ``spread`` were fitted to the T2|T1
and T1 of the Berkeley sample (Goodbourn et al. 2016), and are nobody's published values.
"""

from dataclasses import dataclass

import numpy as np

from sim.attention.items import Answers, Floats, Items, ordered


@dataclass(frozen=True)
class BoostBounce:
    """Its parameters; ``spread`` and ``jitter_ms`` are the deviations of strengths and stamps."""

    dt_ms: float = 10.0
    tau_rise: float = 40.0
    tau_mask: float = 40.0
    tau_icon: float = 150.0
    boost: float = 1.6
    bounce: float = 6.5
    tau_boost: float = 23.0
    tau_bounce: float = 100.0
    threshold: float = 10.5
    spread: float = 0.6
    jitter_ms: float = 60.0

    def answers(self, items: Items, generator: np.random.Generator) -> Answers:
        """What is reported of each trial; ``generator`` draws strengths and stamps."""
        n, count = items.target.shape
        strength = items.strength * (1 + self.spread * generator.standard_normal((n, count)))
        strength = np.where(items.blank, 0.0, np.maximum(strength, 0))
        wanted = items.target >= 0
        trace, passed = np.zeros((2, n, count))
        boost, bounce = np.zeros((2, 2, n))
        entered = np.full((n, count), np.inf)
        steps = max(1, round(items.soa_ms / self.dt_ms))
        dt = items.soa_ms / steps
        for item in range(count + 1):  # one more to let traces fade
            rates, towards = self.fading(items, strength, item, dt)
            for step in range(steps):
                gate = np.maximum(1 + self.boost * boost[1] - self.bounce * bounce[1], 0)
                trace = trace + (towards - trace) * rates
                through = gate[:, None] * trace
                boost = staged(boost, (through * wanted).sum(1), dt / self.tau_boost)
                bounce = staged(bounce, (through * ~wanted).sum(1), dt / self.tau_bounce)
                passed = passed + through * dt
                now = item * items.soa_ms + (step + 1) * dt
                entered[wanted & (passed > self.threshold) & np.isinf(entered)] = now
        when = np.full((n, items.targets), np.inf)
        trial, place = np.nonzero(wanted)
        when[trial, items.target[trial, place]] = entered[trial, place]
        return ordered(when + self.jitter_ms * generator.standard_normal(when.shape))

    def fading(self, items: Items, strength: Floats, item: int, dt: float) -> tuple[Floats, Floats]:
        """Share of the way that traces go in a step, and where to, (n, items) each."""
        n, count = strength.shape
        here = np.arange(count) == item
        dark = items.blank[:, item] if item < count else np.ones(n, bool)
        fades = np.where(dark, self.tau_icon, self.tau_mask)[:, None]
        tau = np.where(here & ~dark[:, None], self.tau_rise, fades)
        return -np.expm1(-dt / tau), np.where(here, strength, 0.0)


def staged(stages: Floats, drive: Floats, rate: float) -> Floats:
    """Two low-pass stages (2, n) a step later."""
    first = stages[0] + (drive - stages[0]) * rate
    return np.stack([first, stages[1] + (first - stages[1]) * rate])
