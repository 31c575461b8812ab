"""Grids as rows of a table: how their units stand there, and convolutions between them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from networks import Projection
from networks.area import Area
from networks.projection import Convolution, OneToOne
from sim.parameters import weight_name
from sim.step import Circuit, convolved, spared


class Order(NamedTuple):
    """How a grid's units stand in a row of a table (N, units).

    ``is_last``: place after place, with a place's channels beside one another, as the compiled loop
    adds them up; else channel after channel, as PyTorch lays them out.
    """

    is_last: bool

    def rows(self, grids: Tensor) -> Tensor:
        """Grids (..., channels, height, width) as rows (..., units)."""
        return (grids.movedim(-3, -1) if self.is_last else grids).flatten(-3)

    def grids(self, rows: Tensor, area: Area) -> Tensor:
        """Rows (..., units) as grids (..., channels, height, width)."""
        channels, *sides = area.shape
        if self.is_last:
            return rows.unflatten(-1, (*sides, channels)).movedim(-1, -3)
        return rows.unflatten(-1, (channels, *sides))

    def spread(self, area: Area, bias: Tensor) -> Tensor:
        """A row of one number for each unit, (..., 1, units), from biases (..., channels)."""
        if area.is_grid:
            bias = self.rows(bias[..., None, None].expand(*bias.shape, *area.shape[1:]))
        return bias.unsqueeze(-2)

    def gathered(self, area: Area, drive: Tensor) -> Tensor:
        """The gradient by biases, (..., channels), from that by drives, (..., N, units)."""
        return self.grids(drive, area).sum((-4, -2, -1)) if area.is_grid else drive.sum(-2)


FIRST, LAST = Order(is_last=False), Order(is_last=True)


def laid(order: Order, circuit: Circuit) -> Mapping[str, Tensor]:
    """The circuit's values, weights for tables in that order."""
    if not order.is_last:
        return circuit.values
    weights = {weight_name(p): _laid(order, circuit, p) for p in circuit.wiring.projections}
    return {**circuit.values, **weights}


def _laid(order: Order, circuit: Circuit, p: Projection) -> Tensor:
    source, target = (circuit.wiring.area(name) for name in (p.source, p.target))
    weight = circuit.values[weight_name(p)]
    if isinstance(p.pattern, Convolution):
        return weight
    if isinstance(p.pattern, OneToOne):
        return order.rows(weight.reshape(target.shape)) if target.is_grid else weight
    if source.is_grid:
        weight = order.rows(weight.reshape(-1, *source.shape))
    if target.is_grid:
        weight = order.rows(weight.mT.reshape(-1, *target.shape)).mT
    return weight


class Grids(NamedTuple):
    """What is convolved, the grids that it joins, and the order of their tables.

    Tables are (N, units), or (1, units) where all images share them; weights are as in
    :func:`networks.connectivity.weight_shape`. Those of individuals have an axis of these before.
    """

    pattern: Convolution
    source: Area
    target: Area
    order: Order

    def arrives(self, out: Tensor, weight: Tensor) -> Tensor:
        """What arrives at the target, (N, target units)."""
        return each_alone(self._arrives, out, weight)

    def by_source(self, drive: Tensor, out: Tensor, weight: Tensor) -> Tensor:
        """The gradient by what the source emitted, (N, source units), from that by the drive."""
        return self.order.rows(each_alone(partial(self._back, 0), drive, out, weight))

    def by_weight(self, drive: Tensor, out: Tensor, weight: Tensor) -> Tensor:
        """The gradient by the weights, from that by the drive."""
        found = each_alone(partial(self._back, 1), drive, out, weight)
        return found if self.pattern.upward else found.transpose(-4, -3)

    def _arrives(self, out: Tensor, weight: Tensor) -> Tensor:
        shown = self.order.grids(out, self.source)
        return self.order.rows(convolved(self.pattern, weight, shown, self.target.shape))

    def _back(self, which: int, drive: Tensor, out: Tensor, weight: Tensor) -> Tensor:
        pattern, missing = self.pattern, [0, 0]
        if not pattern.upward:
            weight = weight.transpose(0, 1)
            missing = spared(pattern, self.source.shape, self.target.shape)
        drive, out = self.order.grids(drive, self.target), self.order.grids(out, self.source)
        if self.order.is_last and pattern.kernel == 1:
            # oneDNN writes past its room where strides leave places of few channels out and these
            # lie last (github.com/uxlfoundation/oneDNN/issues/6035)
            drive, out = (x.clone(memory_format=torch.contiguous_format) for x in (drive, out))
        found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            drive,
            out,
            weight,
            None,
            stride=[pattern.stride] * 2,
            padding=[pattern.kernel // 2] * 2,
            dilation=[1, 1],
            transposed=not pattern.upward,
            output_padding=missing,
            groups=1,
            output_mask=[which == 0, which == 1, False],
        )
        return found[which]


def each_alone(work: Callable[..., Tensor], *tables: Tensor) -> Tensor:
    """What is found of tables; where these have an axis of individuals, of each of them."""
    found: Tensor = (torch.vmap(work) if tables[0].ndim == 3 else work)(*tables)
    return found
