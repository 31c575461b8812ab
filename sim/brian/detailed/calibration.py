"""Gains that give the cells of every area the mean rate of the trained units, without any label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sim.brian.detailed.simulate import Detailed, run
from sim.network import Network
from sim.run import run as run_trained

ROUNDS = 12
CLOSE = 0.02  # rates within this ratio count as equal
FIRST = 1.5  # slope of ln rate over ln gain, assumed at first: rates rise fast near the threshold
SLOPES = (0.3, 3.0)
LARGEST = 2.0  # factor of one correction
BOUNDS = (0.1, 10.0)

Round = tuple[Mapping[str, float], Mapping[str, float]]
"""Gains by area, and the rates that they gave."""


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
    are corrected at once, each by the secant of ln rate over ln gain of the last two rounds, for up
    to ``ROUNDS`` rounds or until all are within 2 %; the best round is kept. Needs no labels; the
    noise is the same in every round. ``done`` is told the number of rounds so far. Areas that stay
    silent on torch keep a gain of 1. Images are coded once, so that all rounds see the same.
    """
    stimulus = torch.stack(list(detailed.network.frames(images)))
    trained = trained_rates(detailed.network, stimulus)
    gains: Mapping[str, float] = dict.fromkeys(trained, 1.0)
    before = rates(detailed.calibrated(gains), stimulus)
    rounds: list[Round] = [(gains, before)]
    while distance(rounds[-1][1], trained) > np.log1p(CLOSE) and len(rounds) < ROUNDS:
        gains = {area: corrected(area, rounds, wanted) for area, wanted in trained.items()}
        rounds.append((gains, rates(detailed.calibrated(gains), stimulus)))
        done(len(rounds))
    gains, after = min(rounds, key=lambda each: distance(each[1], trained))
    return Calibration(gains, trained, before, after)


def corrected(area: str, rounds: Sequence[Round], wanted: float) -> float:
    """The next gain of an area that should fire at the rate ``wanted``."""
    gain, rate = (each[area] for each in rounds[-1])
    if not wanted:
        return gain
    slope = FIRST
    if len(rounds) > 1:
        gain_before, rate_before = (each[area] for each in rounds[-2])
        moved = np.log(gain / gain_before)
        if abs(moved) > 1e-3 and rate and rate_before:
            slope = float(np.clip(np.log(rate / rate_before) / moved, *SLOPES))
    factor = (wanted / max(rate, wanted / 100)) ** (1 / slope)
    return float(np.clip(gain * np.clip(factor, 1 / LARGEST, LARGEST), *BOUNDS))


def distance(rates: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """The largest |ln ratio| over the areas that should fire."""
    far = [abs(np.log(max(rates[a], 1e-9) / wanted[a])) for a in wanted if wanted[a]]
    return max(far, default=0.0)


def trained_rates(network: Network, stimulus: Tensor) -> dict[str, float]:
    """Mean spikes per unit and step of each spiking area on torch."""
    names = list(network.wiring.spiking)
    recording = run_trained(network, stimulus, record=names, quantities=("output",))
    return {name: float(recording[f"{name}.output"].mean()) for name in names}


def rates(detailed: Detailed, stimulus: Tensor) -> dict[str, float]:
    """Mean spikes per cell and step of each spiking area of ``detailed``."""
    names = list(detailed.wiring.spiking)
    recording = run(detailed, stimulus, record=names, quantities=("output",))
    samples = detailed.physiology.samples
    return {name: float(recording[f"{name}.output"].mean()) * samples for name in names}
