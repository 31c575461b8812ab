"""A network and its tables as C++ sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from networks import RateUnit, SpikingUnit
from networks.area import Area, Unit
from sim.whole.build import EMITS, KINDS, CArea, CLink, CNet, CRoom, CShape, CStage, CStill
from sim.whole.plain import kept
from sim.whole.plan import Link, Plan

Stages = Sequence[tuple[int, Tensor]]
"""What reaches an area but from others, from a step on: (N, units), or (1, units) for all."""

SHARES = 8
"""Parts of a batch whose gradients by kernels are summed apart, so that threads change no sum."""

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Room:
    """An area's tables: ``alone`` (since, 1, units) of steps at which all images share one row,
    ``many`` (turn, N, units) of those after, of which the latest stand in place of earlier ones.

    ``marks`` are copies of some, from which the others can be found again.
    """

    alone: Tensor
    many: Tensor
    marks: dict[int, Tensor] = field(default_factory=dict)

    def __getitem__(self, t: int) -> Tensor:
        since, turn = self.alone.shape[0], self.many.shape[0]
        return self.alone[t] if t < since else self.many[t % turn]

    def seen(self) -> CRoom:
        """As C++ sees it."""
        turn, images, units = self.many.shape
        return CRoom(place(self.alone), place(self.many), turn, images * units)


class Memory(NamedTuple):
    """Where the numbers of a network are, most by area.

    Potentials ``u``, ``drives`` of them but from other areas, ``du`` the gradients by potentials,
    ``answer``, (answer steps, N, classes), those by the output's that come from outside, ``sums``
    those by parameters, by name, laid out as by `summed_as`, and ``stills``, (N, units), those by
    what came through weights of that name from an input that stays; None where C++ has room of its
    own for them.
    """

    u: Mapping[str, Room] = NONE
    drives: Mapping[str, Stages] = NONE
    du: Mapping[str, Room] = NONE
    answer: Tensor | None = None
    sums: Mapping[str, Tensor] = NONE
    stills: Mapping[str, Tensor | None] = NONE


def seen(plan: Plan, values: Mapping[str, Tensor], images: int, memory: Memory) -> CNet:
    """A network as C++ sees it, with contiguous values; they and the memory must outlive that."""
    fixed = fixed_of(plan)
    areas = [
        _area(plan, area, told, memory) for area, told in zip(plan.areas, fixed.areas, strict=True)
    ]
    links = [
        CLink(*told, place(values[name]), place(memory.sums.get(name)))
        for name, told in fixed.links.items()
    ]
    stills = [
        CStill(CLink(*fixed.inputs[name], place(values[name]), None), place(total))
        for name, total in memory.stills.items()
    ]
    counts = (len(areas), len(links), len(stills))
    return CNet(
        *(images, plan.longest, torch.get_num_threads(), block_of(plan), SHARES, *counts),
        *((CArea * len(areas))(*areas), (CLink * len(links))(*links)),
        (CStill * len(stills))(*stills),
    )


def _area(plan: Plan, area: Area, told: tuple[float, ...], memory: Memory) -> CArea:
    name, nowhere = area.name, CRoom()
    stages = [
        CStage(since, place(drive), 0 if drive.shape[0] == 1 else area.size)
        for since, drive in memory.drives.get(name, ())
    ]
    return CArea(
        *(*told, memory.u[name].seen() if memory.u else nowhere),
        *(memory.du[name].seen() if memory.du else nowhere, len(stages)),
        (CStage * len(stages))(*stages),
        *(place(memory.answer) if name == plan.output else None, plan.answers.start),
        place(memory.sums.get(plan.biases[name])),
    )


def block_of(plan: Plan) -> int:
    """How many images go through time together: so many that a core's cache holds their tables.

    On grids two times those that a product takes at once, which more hardly speed up.
    """
    return 12 if plan.has_grids() else 128


def at_once(plan: Plan) -> int:
    """Steps of which gradients by potentials are kept on the way back, for those by weights.

    Fewer on grids, whose tables are larger, and whose sums are taken image by image in any case.
    """
    return 4 if plan.has_grids() else 16


class Fixed(NamedTuple):
    """What C++ is told of a network whatever its values: the first fields of its structures.

    ``areas`` in order; ``links`` between them, and ``inputs``, by the name of their weights.
    """

    areas: Sequence[tuple[float, ...]]
    links: Mapping[str, tuple[Any, ...]]
    inputs: Mapping[str, tuple[Any, ...]]


@cache
def fixed_of(plan: Plan) -> Fixed:
    """What a plan says whatever the values."""
    area = {each.name: each for each in (plan.input, *plan.areas)}
    index = {plan.input.name: -1} | {each.name: i for i, each in enumerate(plan.areas)}
    every = [(area.name, link) for area in plan.areas for link in plan.into[area.name]]
    uneven = {link.source for _, link in every if link.is_diagonal}
    told = {
        link.weight: (
            *(index[link.source], index[target], link.delay),
            *geometry_of(link, area[link.source], area[target]),
        )
        for target, link in every
    }
    inputs = {link.weight for _, link in every if link.is_input}
    return Fixed(
        [_fixed(plan, area, is_listed=area.name not in uneven) for area in plan.areas],
        {name: each for name, each in told.items() if name not in inputs},
        {name: each for name, each in told.items() if name in inputs},
    )


def geometry_of(link: Link, source: Area, target: Area) -> tuple[Any, ...]:
    """From a link's kind to the shapes that it joins, as in `CLink`."""
    lists = prod(source.shape[1:])
    if link.grids:
        pattern, shapes = link.grids.pattern, (CShape(*area.shape) for area in (source, target))
        return (
            KINDS.index("convolution"),
            lists,
            pattern.kernel,
            pattern.stride,
            pattern.upward,
            *shapes,
        )
    kind = "diagonal" if link.is_diagonal else "dense"
    shapes = (CShape(area.size, 1, 1) for area in (source, target))
    return KINDS.index(kind), lists, 1, 1, True, *shapes


def _fixed(plan: Plan, area: Area, *, is_listed: bool) -> tuple[float, ...]:
    unit, name = area.unit, area.name
    return (
        *(area.size, area.channels, EMITS.index(emits(unit))),
        isinstance(unit, SpikingUnit) and is_listed,
        *(plan.since[name], plan.last[name]),
        *(kept(area), unit.leak if isinstance(unit, RateUnit) else 1),
        *((unit.threshold, unit.slope) if isinstance(unit, SpikingUnit) else (0, 0)),
    )


def emits(unit: Unit) -> str:
    """What a unit emits, in the words of `EMITS`."""
    if isinstance(unit, RateUnit):
        return unit.activation
    assert isinstance(unit, SpikingUnit)
    return "spike sigmoid" if unit.surrogate == "sigmoid" else unit.surrogate


def place(tensor: Tensor | None) -> int | None:
    """Where a table begins in memory."""
    assert tensor is None or tensor.is_contiguous()
    return None if tensor is None else tensor.data_ptr()


def summed_as(weights: Tensor) -> Tensor:
    """Room for the sums of gradients by weights, (source, target), or (units) as they are.

    By kernels: (`SHARES`, height, width, source, target).
    """
    if weights.ndim == 1:
        return torch.zeros_like(weights)
    target, source, *kernel = weights.shape
    return torch.zeros(*(SHARES, *kernel) if kernel else (), source, target)


def summed(total: Tensor) -> Tensor:
    """The gradient by weights from the sums in that room."""
    if total.ndim == 1:
        return total
    return total.T if total.ndim == 2 else total.sum(0).permute(3, 2, 0, 1)
