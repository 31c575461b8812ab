"""A flat network through time by the compiled loop, in one call there and one back."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from networks import RateUnit, SpikingUnit
from networks.area import Area, Unit
from sim.whole.back import Given
from sim.whole.build import EMITS, CArea, CLink, CNet, CRoom, count, library, pointer
from sim.whole.plain import Emitted, Plain, Sent, kept
from sim.whole.plan import Link, Plan

Tables = Mapping[str, Sequence[Tensor | None]]
"""By area, one for each step: (N, units), or (1, units) where all images share it."""

AT_ONCE = 16
"""Steps of which gradients by potentials are kept on the way back, for those by weights."""

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
    ``answer`` those that come from outside, and ``sums``, those by parameters, by name.
    """

    u: Mapping[str, Room]
    drives: Tables = NONE
    du: Mapping[str, Room] = NONE
    answer: Tables = NONE
    sums: Mapping[str, Tensor] = NONE


class Loop:
    """A flat network on its way through time, there and back as `sim.whole.way.Way`, in float32.

    ``past`` holds potentials. The drive from the input, and the gradients by it, are torch's.
    """

    def __init__(self, plan: Plan, shown: int, given: Sequence[Tensor], apart: int = 0):
        self.plan, self.is_still, self.apart = plan, shown == 1, apart
        self.frames = [Emitted(plan.input, frame) for frame in given[:shown]]
        self.values = {
            name: value.detach().contiguous()
            for name, value in zip(plan.names, given[shown:], strict=True)
        }
        self.images = given[0].shape[0]
        self.links = [(a, link) for a in plan.areas for link in plan.into[a.name]]
        self.past: dict[str, Room] = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        plan = self.plan
        every = {area.name: plan.steps for area in plan.areas}
        if self.apart or not keep:
            every |= {name: plan.longest + 1 for name in every if name != plan.output}
        rooms = {area.name: self._room(area, every[area.name]) for area in plan.areas}
        for steps in self._stretches(self.apart or plan.steps):
            self._unroll(rooms, steps)
            if keep and self.apart:
                self._mark(rooms, steps[-plan.longest :])
        answer = [rooms[plan.output][t] for t in plan.answers]
        if self.apart:
            rooms = {name: replace(room, many=torch.empty(0)) for name, room in rooms.items()}
        self.past = rooms if keep else {}
        return answer

    def back(self, gradient: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of all that was given, from that by the answer."""
        plan, apart = self.plan, self.apart or AT_ONCE
        reach = apart + plan.longest
        if self.apart:
            for area in plan.areas:
                room = self._room(area, reach)
                self.past[area.name] = replace(self.past[area.name], many=room.many)
        du = {area.name: self._room(area, reach) for area in plan.areas}
        back = Back(self, du, gradient, wanted)
        for steps in reversed(self._stretches(apart)):
            if self.apart:
                self._again(steps)
            back.unroll(steps)
        return back.finish()

    def _stretches(self, apart: int) -> list[range]:
        every = range(self.plan.steps)
        return [every[t : t + apart] for t in every[::apart]]

    def _room(self, area: Area, turn: int) -> Room:
        """For so many steps at a time, or for as many as have an effect."""
        since, last = self.plan.since[area.name], self.plan.last[area.name]
        turn = min(turn, max(1, last + 1 - since))
        return Room(torch.empty(since, 1, area.size), torch.empty(turn, self.images, area.size))

    def _unroll(self, rooms: Mapping[str, Room], steps: range) -> None:
        """Find the potentials at these steps; those before are there as far as delays reach."""
        drives = {area.name: self._drives(area, steps) for area in self.plan.areas}
        library().there(self.net(Memory(rooms, drives)), steps.start, steps.stop)

    def _mark(self, rooms: Mapping[str, Room], steps: range) -> None:
        """Keep copies of these steps' potentials."""
        for name, room in rooms.items():
            room.marks.update({t: room[t].clone() for t in steps if t <= self.plan.last[name]})

    def _again(self, steps: range) -> None:
        """Find the potentials at these steps once more, from the copies of those before."""
        for room in self.past.values():
            for t in range(steps.start - self.plan.longest, steps.start):
                if t in room.marks:
                    room[t].copy_(room.marks[t])
        self._unroll(self.past, steps)

    def _drives(self, area: Area, steps: range) -> list[Tensor | None]:
        """What reaches an area but from other areas, at each of these steps."""
        inputs = [link for link in self.plan.into[area.name] if link.is_input]
        found: list[Tensor | None] = [None] * self.plan.steps
        bias = self.values[self.plan.biases[area.name]].reshape(1, -1)
        still = {0: bias}  # by how many links have delivered
        for t in steps:
            links = [link for link in inputs if t >= link.delay]
            drive = still.get(len(links)) if self.is_still or not links else None
            if drive is None:
                drive = sum((self.sent(link, t).arrives() for link in links), start=bias)
            found[t] = still[len(links)] = drive
        return found

    def sent(self, link: Link, t: int) -> Sent:
        """What arrives from the input at step t."""
        frame = self.frames[0 if self.is_still else t - link.delay]
        return Sent(link, frame, self.values[link.weight])

    def net(self, memory: Memory) -> CNet:
        """The network as C++ sees it."""
        plan, index = self.plan, {area.name: i for i, area in enumerate(self.plan.areas)}
        areas = [self._area(area, memory) for area in plan.areas]
        links = [
            CLink(
                *(index[link.source], index[area.name], link.delay, link.is_diagonal),
                *(place(self.values[link.weight]), place(memory.sums.get(link.weight))),
            )
            for area, link in self.links
            if not link.is_input
        ]
        return CNet(
            *(self.images, plan.longest, torch.get_num_threads(), len(areas), len(links)),
            *((CArea * len(areas))(*areas), (CLink * len(links))(*links)),
        )

    def _area(self, area: Area, memory: Memory) -> CArea:
        unit, name, plan = area.unit, area.name, self.plan
        is_listed = isinstance(unit, SpikingUnit) and not any(
            link.is_diagonal for _, link in self.links if link.source == name
        )
        drives, answer = memory.drives.get(name, ()), memory.answer.get(name, ())
        across = [0 if each is None or each.shape[0] == 1 else area.size for each in drives]
        return CArea(
            *(area.size, EMITS.index(emits(unit)), is_listed, plan.since[name], plan.last[name]),
            *(kept(area), unit.leak if isinstance(unit, RateUnit) else 1),
            *((unit.threshold, unit.slope) if isinstance(unit, SpikingUnit) else (0, 0)),
            *(memory.u[name].seen(), memory.du[name].seen() if memory.du else CRoom()),
            *(places(drives), (count * len(across))(*across), places(answer)),
            place(memory.sums.get(plan.biases[name])),
        )


class Back:
    """The way back to all that was ``given``, with room ``du`` for gradients by potentials."""

    def __init__(
        self, loop: Loop, du: Mapping[str, Room], gradient: Tensor, wanted: Sequence[bool]
    ):
        self.loop, self.plan = loop, loop.plan
        self.given = Given(loop.plan, len(loop.frames), Plain(), wanted)
        inner = (link.weight for _, link in loop.links if not link.is_input)
        sums = {
            name: torch.zeros(loop.values[name].shape[::-1])
            for name in (*inner, *self.plan.biases.values())
            if wanted[self.given.at[name]]
        }
        answer: list[Tensor | None] = [None] * self.plan.steps
        answer[self.plan.answers.start : self.plan.answers.stop] = gradient.contiguous()
        self.memory = Memory(loop.past, du=du, answer={self.plan.output: answer}, sums=sums)

    def unroll(self, steps: range) -> None:
        """Back through these steps, after all later ones."""
        net = self.loop.net(self.memory)
        library().back(net, steps.start, steps.stop)
        if self.memory.sums:
            library().weigh(net, steps.start, steps.stop)
        for area, link in self.loop.links:
            for t in reversed(steps) if link.is_input else ():
                if link.delay <= t <= self.plan.last[area.name]:
                    self._by_input(area, link, t)

    def finish(self) -> list[Tensor | None]:
        """The gradients of all that was given."""
        self.given.finish()
        for name, total in self.memory.sums.items():
            gradient = total.T if total.ndim == 2 else total
            self.given.gradients[self.given.at[name]] = gradient
        return self.given.gradients

    def _by_input(self, area: Area, link: Link, t: int) -> None:
        unit, du = area.unit, self.memory.du[area.name][t]
        drive = du * unit.leak if isinstance(unit, RateUnit) and unit.leak != 1 else du
        self.given.by_input(self.loop.sent(link, t), drive, t - link.delay)


def emits(unit: Unit) -> str:
    """What a unit emits, in the words of `EMITS`."""
    if isinstance(unit, RateUnit):
        return unit.activation
    assert isinstance(unit, SpikingUnit)
    return "spike sigmoid" if unit.surrogate == "sigmoid" else unit.surrogate


def places(tables: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p] | None:
    """Where these begin in memory; None where there are none."""
    return (pointer * len(tables))(*map(place, tables)) if tables else None


def place(tensor: Tensor | None) -> int | None:
    """Where a table begins in memory."""
    assert tensor is None or tensor.is_contiguous()
    return None if tensor is None else tensor.data_ptr()
