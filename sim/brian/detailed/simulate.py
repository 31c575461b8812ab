"""Detailed runs: cells with membranes in millivolts, stepped by Brian2 at a fraction of a ms."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from networks import BlindspotsError, Wiring
from networks.errors import unknown
from networks.physiology import Physiology
from sim.brian.detailed.body import Body, grow
from sim.brian.detailed.cells import populate
from sim.brian.detailed.delivery import Delivery
from sim.brian.detailed.noise import Noise
from sim.brian.detailed.recording import Tape, labels
from sim.brian.library import running
from sim.brian.populations import Scene
from sim.brian.replica import acting_values, shown_frames
from sim.interventions import Intervention, check
from sim.network import Network
from sim.recording import QUANTITIES, Quantity, Traces, labelled, recorded_areas

MOST_CELLS = 100_000
"""So many cells are stepped at once; more images take their turn."""
CELLS, NOISE = range(2)  # what a seed is used for


class Detailed:
    """A trained network as one individual with cells of its own.

    Parameters
    ----------
    network
        A network with spiking units; its weights are kept.
    physiology
        What the cells are like.
    seed
        With the wiring's name draws the cells where they differ, and the noise: at every call the
        same for the image at the same place.
    gains
        By area, from :func:`sim.brian.detailed.calibrate`; default 1.

    Raises
    ------
    BlindspotsError
        Where nothing spikes, weights are not finite, or gains are not positive numbers of areas.
    """

    def __init__(
        self,
        network: Network,
        physiology: Physiology | None = None,
        *,
        seed: int = 0,
        gains: Mapping[str, float] | None = None,
    ):
        if seed < 0:
            raise BlindspotsError(f"The seed of the cells is {seed}; give 0 or more.")
        self.network, self.seed = network, seed
        self.physiology = physiology or Physiology()
        body = grow(network.wiring, self.physiology, self.chance(CELLS))
        self.body: Body = body.calibrated(checked(gains or {}, body.thresholds))
        self.values = acting_values(network)

    @property
    def wiring(self) -> Wiring:
        """What is wired to what."""
        return self.network.wiring

    def chance(self, *purpose: int) -> np.random.Generator:
        """A generator of this individual's own: networks of other names draw other cells."""
        return np.random.default_rng([self.seed, crc32(self.wiring.name.encode()), *purpose])

    def noise(self, images: Iterable[int]) -> Noise | None:
        """The noise on the images at these places of a call; None where there is no noise."""
        if not self.physiology.has("noise"):
            return None
        sizes = {area: len(cells) for area, cells in self.body.thresholds.items()}
        each = [self.chance(NOISE, place) for place in images]
        return Noise(each, sizes, self.physiology.samples)

    def calibrated(self, gains: Mapping[str, float]) -> "Detailed":
        """The same individual with other gains."""
        other = copy(self)
        other.body = self.body.calibrated(checked(gains, self.body.thresholds))
        return other

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, *input shape); without a gradient."""
        logits = run(self, images, record=()).logits.to_numpy()
        return torch.from_numpy(logits).to(images)


def checked(gains: Mapping[str, float], areas: Iterable[str]) -> dict[str, float]:
    """``gains``; BlindspotsError where one is of no spiking area, or not positive and finite."""
    for area, gain in gains.items():
        if area not in areas:
            raise unknown("spiking area", area, areas)
        if not 0 < gain < float("inf"):
            raise BlindspotsError(f"The gain of area '{area}' is {gain}; give a positive number.")
    return dict(gains)


def run(
    detailed: Detailed,
    stimulus: Tensor,
    *,
    intervene: Sequence[Intervention] = (),
    record: Iterable[str] | None = None,
    quantities: Sequence[Quantity] = QUANTITIES,
    done: Callable[[int], None] = lambda images: None,
) -> xr.Dataset:
    """Step the cells of ``detailed`` through ``stimulus``, and return their recordings.

    Stimulus, interventions and recordings are those of :func:`sim.run`, but for time: the
    coordinate ``time`` is in ms, one sample per ``dt_ms``, and a step of an intervention lasts
    ``step_ms``. In spiking areas ``a.potential`` is the membrane in mV at the end of a sample,
    before a reset, ``a.output`` is True where a cell spikes, ``a.drive`` is what does not come in
    spikes, in pA; the coordinate ``a.threshold`` holds each cell's own. Where synapses are
    conductances, ``a.conductance`` is their mean sum in units of the leak. An injected current is
    one in trained units per step, as it is in :func:`sim.run`; so are rate units. ``logits`` are
    the output's potential, averaged over the steps of the wiring's answer. ``done`` is told how
    many images each part had.

    Raises BlindspotsError where a stimulus is not finite, a clamp cannot be honoured, or a membrane
    grows beyond what a number can hold.
    """
    wiring, acts = detailed.wiring, tuple(intervene)
    check(wiring, acts)
    chosen = recorded_areas(wiring, record)
    frames = shown_frames(detailed.network, stimulus)
    wanted = [(a, q) for a in chosen for q in quantities if q == "output" or a != wiring.input.name]
    parts: list[Traces] = []
    deliveries: list[Delivery] = []
    with running() as brian2:
        shown = 0
        for part in _portions(Scene(wiring, detailed.values, frames, acts)):
            noise = detailed.noise(range(shown, shown + part.images))
            tape, delivery = _simulate(brian2, detailed.body, part, wanted, noise)
            parts.append(tape)
            deliveries.append(delivery)
            done(part.images)
            shown += part.images
    traces = {key: np.concatenate([part[key] for part in parts], axis=1) for key in wanted}
    samples = len(wiring.answers) * detailed.physiology.samples
    logits = np.concatenate([each.logits for each in deliveries]) / samples
    physiology = detailed.physiology
    facts = {
        **{"simulator": "brian2", "way": "detailed", "time_unit": "ms"},
        **{"step_ms": physiology.step_ms, "physiology": physiology.model_dump_json()},
    }
    recording = labelled(
        *(wiring, traces, logits, quantities, facts),
        time=np.arange(wiring.steps * physiology.samples) * physiology.dt_ms,
        say=partial(labels, physiology),
    )
    own = {
        f"{area}.threshold": (f"{area}.unit", levels, {"units": "mV"})
        for area, levels in detailed.body.thresholds.items()
        if area in chosen
    }
    return recording.assign(_conductances(deliveries, scenes=len(frames[0]))).assign_coords(own)


def _conductances(deliveries: Sequence[Delivery], scenes: int) -> dict[str, Any]:
    """``a.conductance`` of each area: the mean over samples, cells and images, by the leak."""
    found = {}
    for area in deliveries[0].conductance:
        total = sum(each.conductance[area] * each.scene.images for each in deliveries)
        mean = total / scenes / deliveries[0].sample
        found[f"{area}.conductance"] = ((), mean, {"units": "1", "long_name": "over the leak"})
    return found


def _portions(scene: Scene) -> Iterator[Scene]:
    cells = sum(a.size for a in scene.wiring.areas if a != scene.wiring.input)
    at_once = max(1, MOST_CELLS // cells)
    for first in range(0, scene.images, at_once):
        yield scene._replace(frames=scene.frames[:, first : first + at_once])


def _simulate(
    brian2: Any,
    body: Body,
    scene: Scene,
    wanted: Sequence[tuple[str, Quantity]],
    noise: Noise | None,
) -> tuple[Traces, Delivery]:
    """Build the network of one scene, run it once; its recordings and what was delivered."""
    physiology, wiring = body.physiology, scene.wiring
    clock = brian2.Clock(dt=physiology.dt_ms * brian2.ms)
    groups = populate(brian2, clock, body, scene.images)
    delivery = Delivery(body, scene, groups, noise)
    tape = Tape(body, scene, delivery, wanted)
    network = brian2.Network(
        *groups.values(),
        brian2.NetworkOperation(delivery.before, clock=clock, when="start"),
        brian2.NetworkOperation(tape.write, clock=clock, when="after_thresholds"),
        brian2.NetworkOperation(delivery.after, clock=clock, when="end"),
    )
    # the equation of a held cell has no slope to divide by; what comes of it is not written
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        network.run(wiring.steps * physiology.samples * clock.dt, namespace={})
    for area in wiring.areas:
        variable = "v" if area.name in body.thresholds else "u"
        if area != wiring.input and not np.isfinite(delivery.array(area.name, variable)).all():
            raise BlindspotsError(
                f"The potentials of '{area.name}' of '{wiring.name}' are no longer finite: its "
                "activity grows without bound; lower dt_ms, or scale the weights of its loops down."
            )
    return tape.traces, delivery
