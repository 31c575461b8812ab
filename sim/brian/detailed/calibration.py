"""Gains that give the cells of every area the mean rate of the trained units, without any label."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sim.brian.detailed.simulate import Detailed, run
from sim.network import Network
from sim.run import run as run_trained

ROUNDS = 12
CLOSE = 0.02  # rates within this ratio count as equal
CAUTION = 0.7  # exponent of a correction; rates rise faster than gains near the threshold
LARGEST = 2.0  # factor of one correction
BOUNDS = (0.1, 10.0)


@dataclass(frozen=True)
class Calibration:
    """Gains by area, and the mean rates (spikes per cell and step) that they were chosen by.

    ``trained`` are the rates on torch, ``before`` those of the cells at gains of 1, ``after`` those
    at ``gains``.
    """

    gains: Mapping[str, float]
    trained: Mapping[str, float]
    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def distance(self) -> float:
        """How far the worst area's rate is from the trained one: |ln ratio|."""
        return distance(self.after, self.trained)


def calibrate(
    detailed: Detailed, images: Tensor, *, done: Callable[[int], None] = lambda rounds: None
) -> Calibration:
    """Fit one gain per spiking area so that its mean rate on ``images`` is the trained one.

    All that arrives in an area is multiplied by its gain. The areas drive each other, so all gains
    are corrected at once, each by a power of the ratio of rates, for up to ``ROUNDS`` rounds or
    until all are within 2 %; the best round is kept. Needs no labels; the noise is the same in
    every round. ``done`` is told the number of rounds so far. Areas that stay silent on torch
    keep a gain of 1.
    """
    trained = trained_rates(detailed.network, images)
    gains = dict.fromkeys(trained, 1.0)
    before = best_rates = rates(detailed.calibrated(gains), images)
    best_gains = gains
    now = before
    for count in range(1, ROUNDS):
        if distance(best_rates, trained) < np.log1p(CLOSE):
            break
        gains = {area: corrected(gains[area], now[area], trained[area]) for area in gains}
        now = rates(detailed.calibrated(gains), images)
        if distance(now, trained) < distance(best_rates, trained):
            best_gains, best_rates = gains, now
        done(count)
    return Calibration(best_gains, trained, before, best_rates)


def corrected(gain: float, rate: float, wanted: float) -> float:
    """The next gain of an area that fires at ``rate`` where it should at ``wanted``."""
    if not wanted:
        return gain
    factor = (wanted / max(rate, wanted / 100)) ** CAUTION
    return float(np.clip(gain * np.clip(factor, 1 / LARGEST, LARGEST), *BOUNDS))


def distance(rates: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """The largest |ln ratio| over the areas that should fire."""
    far = [abs(np.log(max(rates[a], 1e-9) / wanted[a])) for a in wanted if wanted[a]]
    return max(far, default=0.0)


def trained_rates(network: Network, images: Tensor) -> dict[str, float]:
    """Mean spikes per unit and step of each spiking area on torch."""
    names = list(network.wiring.spiking)
    recording = run_trained(network, images, record=names, quantities=("output",))
    return {name: float(recording[f"{name}.output"].mean()) for name in names}


def rates(detailed: Detailed, images: Tensor) -> dict[str, float]:
    """Mean spikes per cell and step of each spiking area of ``detailed``."""
    names = list(detailed.wiring.spiking)
    recording = run(detailed, images, record=names, quantities=("output",))
    samples = detailed.physiology.samples
    return {name: float(recording[f"{name}.output"].mean()) * samples for name in names}
