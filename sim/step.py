"""The step: the one written semantics of time, pure and synchronous.

    drive_a[t] = sum over projections p into a of W_p out_source(p)[t - d_p] + b_a

followed by each area's unit model (:mod:`sim.units`). Nothing hides on modules: weights come in
as a :class:`Circuit`, the past as a :class:`State`, and a new state goes out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from networks import Convolution, OneToOne, Projection, RateUnit, SpikingUnit, Wiring
from sim.interventions import Intervention, clamped, delivered, injected
from sim.parameters import bias_name, weight_name
from sim.precision import product
from sim.rule import PLAIN, Rule
from sim.units import membrane_step, rate_step


class Circuit(NamedTuple):
    """A wiring with the weights that act in it (masked, signed) and its biases, by name."""

    wiring: Wiring
    values: Mapping[str, Tensor]


class State(NamedTuple):
    """All of a network's past that its future needs.

    ``potentials[a]`` is u_a[t-1]; ``emitted[a][i]`` is out_a[t-1-i], for as many steps as the
    longest delay out of ``a``. Absent entries stand for zeros. Tensors are (images, *shape), or
    (1, *shape) while all images still share one past. ``held`` is there under a
    :class:`~sim.interventions.Hold` alone: what arrived at t-1 where it acts.
    """

    potentials: Mapping[str, Tensor] = {}
    emitted: Mapping[str, tuple[Tensor, ...]] = {}
    held: Mapping[tuple[int, str], Tensor] = {}

    def detached(self) -> "State":
        """The same past, through which no gradient flows back."""
        return State(
            {name: u.detach() for name, u in self.potentials.items()},
            {name: tuple(out.detach() for out in past) for name, past in self.emitted.items()},
            {key: arrived.detach() for key, arrived in self.held.items()},
        )


def transmit(
    projection: Projection, weight: Tensor, out: Tensor, target: tuple[int, ...]
) -> Tensor:
    """W_p out: the source's activity (N, *source shape) as drive (N, *``target`` shape)."""
    pattern = projection.pattern
    if isinstance(pattern, OneToOne):
        return out * weight.reshape(target)
    if isinstance(pattern, Convolution):
        return convolved(pattern, weight, out, target)
    return product(out.flatten(1), weight.mT).reshape(-1, *target)


def convolved(pattern: Convolution, weight: Tensor, out: Tensor, target: tuple[int, ...]) -> Tensor:
    """W_p out of a grid, (N, *``target`` shape)."""
    stride, padding = pattern.stride, pattern.kernel // 2
    if pattern.upward:
        return F.conv2d(out, weight, stride=stride, padding=padding)
    missing, turned = spared(pattern, out.shape[1:], target), weight.transpose(0, 1)
    return F.conv_transpose2d(out, turned, stride=stride, padding=padding, output_padding=missing)


def spared(pattern: Convolution, source: Sequence[int], target: Sequence[int]) -> list[int]:
    """Rows and columns at the far edge of the ``target`` that a convolution onto the ``source``
    would not need, so that its transpose has to be told of them."""
    least = ((side - 1) * pattern.stride + 1 for side in source[1:])
    return [side - start for side, start in zip(target[1:], least, strict=True)]


def bias_of(circuit: Circuit, area: str) -> Tensor:
    """The bias of ``area`` as (1, *shape), one value per channel."""
    shape = circuit.wiring.area(area).shape
    return circuit.values[bias_name(area)].reshape(1, -1, *(1,) * (len(shape) - 1))


def step(
    circuit: Circuit,
    state: State,
    stimulus: Tensor,
    t: int,
    *,
    still: Mapping[str, Tensor] | None = None,
    interventions: tuple[Intervention, ...] = (),
    rule: Rule = PLAIN,
) -> tuple[State, Mapping[str, Tensor]]:
    """One synchronous step of all areas: (state after it, drives).

    ``stimulus`` (N, *input shape) is what the input area emits at this step. ``still`` maps
    projection names to their drive, computed once, where the stimulus does not change. ``rule``
    says what a gradient follows, where not that of training.
    """
    wiring = circuit.wiring
    potentials: dict[str, Tensor] = {}
    drives: dict[str, Tensor] = {}
    held: dict[tuple[int, str], Tensor] = {}
    now = {wiring.input.name: clamped(interventions, wiring.input.name, t, stimulus)}
    for area in wiring.areas:
        if area == wiring.input:
            continue
        drive = bias_of(circuit, area.name)
        for p in wiring.into(area.name):
            sent = _sent(circuit, state, p, still or {}, rule)
            arrived, kept = delivered(interventions, p, t, sent, state.held)
            held |= kept
            drive = drive if arrived is None else drive + arrived
        if area.is_grid and drive.shape[1:] != area.shape:
            drive = drive.expand(-1, *area.shape)
        drive = injected(interventions, area.name, t, drive)
        potential = state.potentials.get(area.name)
        if potential is not None and not rule.carries:
            potential = potential.detach()
        if isinstance(area.unit, SpikingUnit):
            before = state.emitted.get(area.name, (None,))[0]
            if before is not None and not rule.resets:
                before = before.detach()
            u = membrane_step(area.unit, potential, before, drive)
            out = rule.fire(area.unit, u - area.unit.threshold)
        else:
            assert isinstance(area.unit, RateUnit)
            u, out = rate_step(area.unit, potential, drive)
        drives[area.name], potentials[area.name] = drive, u
        now[area.name] = clamped(interventions, area.name, t, out)
    return State(potentials, _remembered(wiring, state, now), held), drives


def _sent(
    circuit: Circuit, state: State, p: Projection, still: Mapping[str, Tensor], rule: Rule
) -> Tensor | None:
    """What would arrive through ``p`` at this step, None before anything can."""
    past = state.emitted.get(p.source, ())
    if len(past) < p.delay:
        return None
    if p.name in still:
        return still[p.name]
    out = past[p.delay - 1]
    out = out.detach() if p.kind in rule.blocked else out
    target = circuit.wiring.area(p.target).shape
    return transmit(p, circuit.values[weight_name(p)], out, target)


def _remembered(
    wiring: Wiring, state: State, now: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, ...]]:
    longest = {a.name: 1 for a in wiring.areas}
    for p in wiring.projections:
        longest[p.source] = max(longest[p.source], p.delay)
    return {name: (out, *state.emitted.get(name, ()))[: longest[name]] for name, out in now.items()}
