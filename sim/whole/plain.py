"""The sums of a step in plain torch, in the order in which :mod:`sim.step` adds.

Tables are (N, units), or (individuals, N, units) with weights that are stacked alike.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from networks import RateUnit, SpikingUnit
from networks.area import Area
from sim.precision import product
from sim.rule import DERIVATIVES
from sim.units import ACTIVATIONS
from sim.whole.plan import Link

SLOPES = {
    "relu": lambda gradient, u: gradient * (u > 0),
    "tanh": lambda gradient, u: torch.ops.aten.tanh_backward(gradient, u.tanh()),
    "sigmoid": lambda gradient, u: torch.ops.aten.sigmoid_backward(gradient, u.sigmoid()),
    "identity": lambda gradient, u: gradient,
}
"""The gradient by a rate unit's potential u, from that by what it emits."""


class Emitted:
    """What an area emitted at one step, from its potential ``u`` then (the input: from itself).

    Both are (N, units), or (1, units) while all images still share one past. ``out`` is given
    where it was found with ``u``.
    """

    def __init__(self, area: Area, u: Tensor, out: Tensor | None = None):
        self.area, self.u, self._out = area, u, out

    @property
    def out(self) -> Tensor:
        """One number for each unit; found when it is first asked for."""
        if self._out is None:
            self._out = self._found()
        return self._out

    def _found(self) -> Tensor:
        unit = self.area.unit
        if isinstance(unit, SpikingUnit):
            return torch.gt(self.u, unit.threshold, out=torch.empty_like(self.u))
        return ACTIVATIONS[unit.activation](self.u) if isinstance(unit, RateUnit) else self.u

    def forget(self) -> None:
        """Forget what can be found again."""
        self._out = None


class Sent(NamedTuple):
    """What is under way through a projection, and the projection's weights."""

    link: Link
    emitted: Emitted
    weight: Tensor

    @property
    def shape(self) -> torch.Size:
        """(N, source units)."""
        return self.emitted.u.shape

    @property
    def is_product(self) -> bool:
        """Whether a matrix is multiplied by."""
        return not (self.link.is_diagonal or self.link.grids)

    def arrives(self) -> Tensor:
        """W_p out, (N, target units)."""
        out = self.emitted.out
        if self.link.grids:
            return self.link.grids.arrives(out, self.weight)
        if self.link.is_diagonal:
            return out * self.weight.unsqueeze(-2)
        return product(out, self.weight.mT)


class Plain:
    """The sums of a step, and of the way back through it."""

    def emitted(self, area: Area, u: Tensor) -> Emitted:
        """What the area emits at the potential ``u``."""
        return Emitted(area, u)

    def potential(
        self, area: Area, bias: Tensor, drives: Sequence[Tensor | Sent], before: Emitted | None
    ) -> Tensor:
        """u[t], (N, units), from the ``bias``, (1, units), what arrives, and what was at t-1."""
        unit, drive, is_own = area.unit, bias, False
        for each in drives:
            arrived = each.arrives() if isinstance(each, Sent) else each
            drive, is_own = plus(drive, arrived, is_own), True
        if isinstance(unit, SpikingUnit):
            if before is None:
                return drive
            u = plus(drive, before.u, is_own, unit.beta)
            return plus(u, before.out, True, -unit.threshold)
        assert isinstance(unit, RateUnit)
        if unit.leak == 1:
            return drive
        return unit.leak * drive if before is None else torch.lerp(before.u, drive, unit.leak)

    def by_potential(
        self, area: Area, u: Tensor, by_emitted: Tensor | None, later: Tensor | None
    ) -> Tensor | None:
        """du[t] from g[t] and du[t+1], each None where it is nought; their memory is used."""
        du = None if by_emitted is None else sloped(area, u, by_emitted)
        keeps = kept(area)
        if later is not None and keeps:
            du = summed(du, like(later.mul_(keeps), u))
        return du

    def by_source(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by what the source emitted, (N, source units)."""
        if sent.link.grids:
            found = sent.link.grids.by_source(drive, sent.emitted.out, sent.weight)
            return summed(total, found)
        if sent.link.is_diagonal:
            return summed(total, drive * sent.weight.unsqueeze(-2))
        return summed(total, product(drive, sent.weight))

    def by_weight(self, sent: Sent, drive: Tensor, total: Tensor | None) -> Tensor:
        """``total`` and the gradient by the weights."""
        out = sent.emitted.out
        if sent.link.grids:
            return summed(total, sent.link.grids.by_weight(drive, out, sent.weight))
        if sent.link.is_diagonal:
            return summed(total, (drive * out).sum(-2))
        return summed(total, product(drive.mT, out))


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
    if is_own and more.shape[-2] in (1, total.shape[-2]):
        return total.add_(more, alpha=factor)
    return torch.add(total, more, alpha=factor)


def summed(total: Tensor | None, more: Tensor) -> Tensor:
    """The sum, in the place of the first, or what there is."""
    return more if total is None else total.add_(more)


def like(gradient: Tensor, one: Tensor) -> Tensor:
    """Summed over images where they shared ``one`` row."""
    return gradient if gradient.shape[-2] == one.shape[-2] else gradient.sum(-2, keepdim=True)
