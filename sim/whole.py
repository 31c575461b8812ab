"""The whole loop through time as one function, whose derivative is written by hand.

It answers what :func:`sim.unroll.potentials` answers, and by the same sums in the same order. With
g_a[t] the gradient by what area a emits, du_a[t] by its potential and G_a[t] by its drive,

    g_a[t]  = sum over projections p out of a of G_target(p)[t + d_p] W_p
    du_a[t] = f'(u_a[t]) g_a[t] + beta du_a[t+1],        G = du              (a spiking unit)
    du_a[t] = f'(u_a[t]) g_a[t] + (1 - leak) du_a[t+1],  G = leak du         (a rate unit)
    dW_p    = sum over t of G_target(p)[t]^T out_source(p)[t - d_p]

with f' the surrogate derivative, or that of the activation; none flows through the reset. A step
leaves one number for each unit for the way back, its potential: what it emitted follows from it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks import Convolution, OneToOne, Projection, RateUnit, SpikingUnit, Wiring
from networks.area import Area
from sim.parameters import bias_name, weight_name
from sim.rule import DERIVATIVES
from sim.step import Circuit
from sim.units import ACTIVATIONS
from sim.unroll import potentials

SLOPES = {
    "relu": lambda gradient, u: gradient * (u > 0),
    "tanh": lambda gradient, u: torch.ops.aten.tanh_backward(gradient, u.tanh()),
    "sigmoid": lambda gradient, u: torch.ops.aten.sigmoid_backward(gradient, u.sigmoid()),
    "identity": lambda gradient, u: gradient,
}
"""The gradient by a rate unit's potential u, from that by what it emits."""


def answers(circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
    """The output's potential at each step of the answer, (answer steps, N, classes).

    Of wirings with grids inside it is found step by step, by automatic differentiation.
    """
    if not is_flat(circuit.wiring):
        return potentials(circuit, frames)
    is_still = all(frame is frames[0] for frame in frames)
    shown = [frame.flatten(1) for frame in (frames[:1] if is_still else frames)]
    values = [circuit.values[name] for name in plan_of(circuit.wiring).names]
    found: Tensor = ThroughTime.apply(circuit.wiring, len(shown), *shown, *values)
    return found


@cache
def is_flat(wiring: Wiring) -> bool:
    """Whether areas are vectors, and projections matrices or one weight for each unit."""
    areas = (area for area in wiring.areas if area != wiring.input)
    return not any(area.is_grid for area in areas) and not any(
        isinstance(p.pattern, Convolution) for p in wiring.projections
    )


class Plan(NamedTuple):
    """What the loop asks of a wiring at every step, looked up once.

    ``areas`` are those with units of their own, ``into`` the projections that end in each,
    ``names`` those of all parameters, ``longest`` the longest delay.
    """

    areas: tuple[Area, ...]
    into: Mapping[str, tuple[Projection, ...]]
    names: tuple[str, ...]
    longest: int


@cache
def plan_of(wiring: Wiring) -> Plan:
    """The plan of a wiring."""
    areas = tuple(area for area in wiring.areas if area != wiring.input)
    return Plan(
        areas,
        {area.name: wiring.into(area.name) for area in areas},
        (*map(weight_name, wiring.projections), *(bias_name(area.name) for area in areas)),
        max(p.delay for p in wiring.projections),
    )


class ThroughTime(torch.autograd.Function):
    """From frames (N, pixels), a single one if they stay, and parameters, to `answers`."""

    @staticmethod
    def forward(ctx: Any, wiring: Wiring, shown: int, *given: Tensor) -> Tensor:
        """The answer; what the way back needs stays in ``ctx``."""
        way = Way(wiring, shown, given)
        rows = way.there(keep=any(ctx.needs_input_grad))
        ctx.wiring, ctx.shown, ctx.potentials = wiring, shown, way.potentials
        ctx.save_for_backward(*given)
        return torch.stack([row.expand(len(given[0]), -1) for row in rows])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of all that was given, from that by the answer."""
        way = Way(ctx.wiring, ctx.shown, ctx.saved_tensors)
        way.potentials = ctx.potentials
        back = Back(way, ctx.needs_input_grad[2:])
        back.unroll(gradient)
        return None, None, *back.gradients


class Way:
    """A network on its way through time.

    ``potentials`` (area, t) holds u[t], (N, units), or (1, units) while all images still share one
    past. ``given`` are frames and then parameters, as in `Plan.names`.
    """

    def __init__(self, wiring: Wiring, shown: int, given: Sequence[Tensor]):
        self.wiring, self.plan, self.shown = wiring, plan_of(wiring), shown
        self.frames = given[:shown]
        self.values = dict(zip(self.plan.names, given[shown:], strict=True))
        self.potentials: dict[tuple[str, int], Tensor] = {}
        self.emitted: dict[tuple[str, int], Tensor] = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        arrived: dict[str, Tensor] = {}
        for t in range(self.wiring.steps):
            for area in self.plan.areas:
                self.potentials[area.name, t] = self._potential(area, t, arrived)
            for area in self.plan.areas:
                self.emit(area, t)
                self.emitted.pop((area.name, t - self.plan.longest), None)
                if not keep and area.name != self.wiring.output:
                    self.potentials.pop((area.name, t - 1), None)
        return [self.potentials[self.wiring.output, t] for t in self.wiring.answers]

    def emit(self, area: Area, t: int) -> Tensor:
        """What the area emitted at step t."""
        u = self.potentials[area.name, t]
        if isinstance(area.unit, SpikingUnit):
            out = torch.gt(u, area.unit.threshold, out=torch.empty_like(u))
        else:
            assert isinstance(area.unit, RateUnit)
            out = ACTIVATIONS[area.unit.activation](u)
        self.emitted[area.name, t] = out
        return out

    def _potential(self, area: Area, t: int, still: dict[str, Tensor]) -> Tensor:
        unit, before = area.unit, self.potentials.get((area.name, t - 1))
        drive, is_own = self.values[bias_name(area.name)].reshape(1, -1), False
        for p in self.plan.into[area.name]:
            if t >= p.delay:
                drive, is_own = plus(drive, self._arrives(p, t - p.delay, still), is_own), True
        if isinstance(unit, SpikingUnit):
            if before is None:
                return drive
            u = plus(drive, before, is_own, unit.beta)
            return plus(u, self.emitted[area.name, t - 1], True, -unit.threshold)
        assert isinstance(unit, RateUnit)
        if unit.leak == 1:
            return drive
        return unit.leak * drive if before is None else torch.lerp(before, drive, unit.leak)

    def _arrives(self, p: Projection, sent: int, still: dict[str, Tensor]) -> Tensor:
        weight = self.values[weight_name(p)]
        if p.source != self.wiring.input.name:
            return through(p, self.emitted[p.source, sent], weight)
        if self.shown > 1:
            return through(p, self.frames[sent], weight)
        if p.name not in still:
            still[p.name] = through(p, self.frames[0], weight)
        return still[p.name]


class Back:
    """The way back: ``gradients`` of all that was given, None where none is wanted."""

    def __init__(self, way: Way, wanted: Sequence[bool]):
        self.way, self.is_still = way, way.shown == 1
        self.at = {name: way.shown + i for i, name in enumerate(way.plan.names)}
        self.wanted = wanted
        self.gradients: list[Tensor | None] = [None] * len(wanted)
        self.by_emitted: dict[tuple[str, int], Tensor] = {}
        self.by_still: dict[str, Tensor] = {}

    def unroll(self, gradient: Tensor) -> None:
        """From the gradient by the output's potentials, (answer steps, N, classes)."""
        wiring, later = self.way.wiring, dict[str, Tensor]()
        for t in reversed(range(wiring.steps)):
            self.way.emitted.clear()
            for area in reversed(self.way.plan.areas):
                is_read = area.name == wiring.output and t in wiring.answers
                answer = gradient[t - wiring.answers.start] if is_read else None
                du = self._by_potential(area, t, later.pop(area.name, None), answer)
                if du is not None:
                    later[area.name] = du
                    self._hand_on(area, t, du)
        for p in reversed(wiring.projections):
            if p.name in self.by_still:
                self._by_frame(p, self.by_still[p.name], 0)

    def _by_potential(
        self, area: Area, t: int, later: Tensor | None, answer: Tensor | None
    ) -> Tensor | None:
        u, keeps = self.way.potentials[area.name, t], kept(area)
        du = self.by_emitted.pop((area.name, t), None)
        if du is not None:
            du = sloped(area, u, du)
        if later is not None and keeps:
            du = summed(du, like(later.mul_(keeps), u))
        if answer is not None:
            du = like(answer, u).clone() if du is None else du.add_(like(answer, u))
        return du

    def _hand_on(self, area: Area, t: int, du: Tensor) -> None:
        """Pass the gradient by a potential on to all that drove it."""
        unit = area.unit
        drive = du * unit.leak if isinstance(unit, RateUnit) and unit.leak != 1 else du
        for p in reversed(self.way.plan.into[area.name]):
            sent = t - p.delay
            if sent < 0:
                continue
            if p.source != self.way.wiring.input.name:
                self._by_source(p, drive, sent)
            elif self.is_still:
                before = self.by_still.get(p.name)
                self.by_still[p.name] = drive.clone() if before is None else before.add_(drive)
            else:
                self._by_frame(p, drive, sent)
        self._add(self.at[bias_name(area.name)], drive.sum(0))

    def _by_source(self, p: Projection, drive: Tensor, sent: int) -> None:
        source = self.way.wiring.area(p.source)
        drive = like(drive, self.way.potentials[p.source, sent])
        place = self.at[weight_name(p)]
        if self.wanted[place]:
            out = self.way.emitted.get((p.source, sent))
            out = self.way.emit(source, sent) if out is None else out
            self._add(place, by_weight(p, drive, out))
        back = by_source(p, drive, self.way.values[weight_name(p)])
        here = (p.source, sent)
        self.by_emitted[here] = summed(self.by_emitted.get(here), back)

    def _by_frame(self, p: Projection, drive: Tensor, sent: int) -> None:
        place = self.at[weight_name(p)]
        if self.wanted[place]:
            self._add(place, by_weight(p, drive, self.way.frames[sent]))
        if self.wanted[sent]:
            self._add(sent, by_source(p, drive, self.way.values[weight_name(p)]))

    def _add(self, place: int, more: Tensor) -> None:
        if self.wanted[place]:
            self.gradients[place] = summed(self.gradients[place], more)


def through(p: Projection, out: Tensor, weight: Tensor) -> Tensor:
    """W_p out, (N, target units)."""
    return out * weight if isinstance(p.pattern, OneToOne) else out @ weight.T


def by_source(p: Projection, drive: Tensor, weight: Tensor) -> Tensor:
    """The gradient by what the source emitted, (N, source units)."""
    return drive * weight if isinstance(p.pattern, OneToOne) else drive @ weight


def by_weight(p: Projection, drive: Tensor, out: Tensor) -> Tensor:
    """The gradient by the weights."""
    return (drive * out).sum(0) if isinstance(p.pattern, OneToOne) else drive.T @ out


def sloped(area: Area, u: Tensor, gradient: Tensor) -> Tensor:
    """The gradient by a potential, from that by what it emits; the latter's memory is used."""
    unit = area.unit
    if isinstance(unit, RateUnit):
        return SLOPES[unit.activation](gradient, u)
    assert isinstance(unit, SpikingUnit)
    above = u - unit.threshold
    if unit.surrogate == "fast_sigmoid":  # in place: of all steps the one that takes longest
        return gradient.div_(above.abs_().mul_(unit.slope).add_(1).square_())
    return gradient * DERIVATIVES[unit.surrogate](above, unit.slope)


def kept(area: Area) -> float:
    """The share of a potential that is left one step later."""
    unit = area.unit
    if isinstance(unit, SpikingUnit):
        return unit.beta
    assert isinstance(unit, RateUnit)
    return 1 - unit.leak


def plus(total: Tensor, more: Tensor, is_own: bool, factor: float = 1.0) -> Tensor:
    """total + factor * more; in place where ``total`` may be written into."""
    if is_own and len(total) >= len(more):
        return total.add_(more, alpha=factor)
    return torch.add(total, more, alpha=factor)


def summed(total: Tensor | None, more: Tensor) -> Tensor:
    """The sum, in the place of the first, or what there is."""
    return more if total is None else total.add_(more)


def like(gradient: Tensor, one: Tensor) -> Tensor:
    """Summed over images where they shared ``one`` row."""
    return gradient if len(gradient) == len(one) else gradient.sum(0, keepdim=True)
