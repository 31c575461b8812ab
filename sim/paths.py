"""Where a perturbation leads: the potentials of all areas through time as a function of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from networks import BlindspotsError, RateUnit, SpikingUnit, Wiring
from sim.network import Network, in_float64
from sim.rule import Rule
from sim.step import State
from sim.units import ACTIVATIONS
from sim.unroll import Moment, through_time


@dataclass(frozen=True)
class Path:
    """The potentials that follow from a perturbation, in float64.

    Attributes:
        origin: no perturbation, zeros (N, ...): each image has its own.
        follow: from a perturbation like ``origin`` to u[t] of all areas but the input,
            (steps, N, units), under a rule of differentiation.
        first: the step that the first of ``steps`` is.
    """

    origin: Tensor
    follow: Callable[[Tensor, Rule], Tensor]
    first: int


def held(network: Network, stimulus: Tensor) -> Path:
    """Of a change of the image that lasts through all steps.

    ``stimulus`` is still images (N, *input shape), or a movie (steps, N, ...) to each frame of
    which the change is added. Intensities are not clipped. Raises BlindspotsError for still images
    that are coded by chance: a change would be lost among other draws.
    """
    twin, stimulus = in_float64(network), stimulus.detach().cpu().double()
    _check_chance(twin, stimulus)
    circuit = twin.circuit()

    def follow(change: Tensor, rule: Rule) -> Tensor:
        moments = through_time(circuit, twin.frames(stimulus + change), rule=rule)
        return torch.stack([_joined(twin.wiring, m.state, len(change)) for m in moments])

    shape = twin.wiring.input.shape
    return Path(
        torch.zeros_like(stimulus.reshape(-1, *shape)[: _images(twin, stimulus)]), follow, 0
    )


def kick(network: Network, stimulus: Tensor, at: int) -> Path:
    """Of a push of the potentials at step ``at``, (N, units), before the units emit.

    ``units`` are those of all areas but the input, one after the other. The drive of a memoryless
    unit or of a spiking one would have to change by as much at that step to the same effect.
    Raises BlindspotsError where there is no such step, or as :func:`held`.
    """
    twin, stimulus = in_float64(network), stimulus.detach().cpu().double()
    _check_chance(twin, stimulus)
    wiring, circuit, frames = twin.wiring, twin.circuit(), twin.frames(stimulus)
    if not 0 <= at < wiring.steps - 1:
        raise BlindspotsError(
            f"'{wiring.name}' cannot be pushed at step {at}: give one from 0 to {wiring.steps - 2},"
            " so that at least one step follows."
        )
    before = next(m for m in through_time(circuit, frames) if m.t == at)
    images = len(frames[0])

    def follow(push: Tensor, rule: Rule) -> Tensor:
        pushed = Moment(at, _pushed(wiring, before.state, push, rule), before.drives)
        moments = [pushed, *through_time(circuit, frames, rule=rule, since=pushed)]
        return torch.stack([_joined(wiring, m.state, images) for m in moments])

    return Path(torch.zeros_like(_joined(wiring, before.state, images)), follow, at)


def _images(network: Network, stimulus: Tensor) -> int:
    still = stimulus.shape[1:] == network.wiring.input.shape
    return stimulus.shape[0 if still else 1]


def _check_chance(network: Network, stimulus: Tensor) -> None:
    wiring = network.wiring
    if wiring.is_random and stimulus.shape[1:] == wiring.input.shape:
        raise BlindspotsError(
            f"'{wiring.name}' codes its images by chance, so that two runs differ by their draws; "
            "draw once and give the movie (torch.stack(list(network.frames(images))))."
        )


def _joined(wiring: Wiring, state: State, images: int) -> Tensor:
    """u[t] of all areas but the input, (images, units)."""
    rows = [state.potentials[a.name].flatten(1) for a in wiring.areas if a != wiring.input]
    return torch.cat([row.expand(images, -1) for row in rows], 1)


def parted(wiring: Wiring, joined: Tensor) -> Mapping[str, Tensor]:
    """The areas' parts of ``joined`` (N, units), each (N, *shape)."""
    areas = [a for a in wiring.areas if a != wiring.input]
    parts = joined.split([a.size for a in areas], 1)
    return {a.name: part.reshape(-1, *a.shape) for a, part in zip(areas, parts, strict=True)}


def _pushed(wiring: Wiring, state: State, push: Tensor, rule: Rule) -> State:
    """The state with other potentials, and with what is then emitted at this step."""
    potentials, emitted = dict(state.potentials), dict(state.emitted)
    for name, part in parted(wiring, push).items():
        u, unit = potentials[name] + part, wiring.area(name).unit
        if isinstance(unit, SpikingUnit):
            out = rule.fire(unit, u - unit.threshold)
        else:
            assert isinstance(unit, RateUnit)
            out = ACTIVATIONS[unit.activation](u)
        potentials[name], emitted[name] = u, (out, *emitted[name][1:])
    return state._replace(potentials=potentials, emitted=emitted)
