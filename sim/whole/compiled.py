"""A network through time by the compiled loop, in one call there and one back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from networks import RateUnit
from networks.area import Area
from sim.whole.back import Given
from sim.whole.build import CNet, library
from sim.whole.plain import Emitted, Plain, Sent
from sim.whole.plan import Link, Plan
from sim.whole.seen import (
    Memory,
    Room,
    Stages,
    at_once,
    block_of,
    fixed_of,
    seen,
    summed,
    summed_as,
)


class Loop:
    """A network on its way through time, there and back as `sim.whole.way.Way`, in float32.

    Channels of grids lie together. ``past`` holds potentials. The drive from the input, and the
    gradients by it, are torch's.
    """

    def __init__(self, plan: Plan, shown: int, given: Sequence[Tensor], apart: int = 0):
        self.plan, self.is_still, self.apart = plan, shown == 1, apart
        self.frames = [Emitted(plan.input, frame) for frame in given[:shown]]
        self.values = {
            name: value.contiguous() for name, value in zip(plan.names, given[shown:], strict=True)
        }
        self.images = given[0].shape[0]
        self.stages: dict[str, Stages] = {}
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
        plan, apart = self.plan, self.apart or at_once(self.plan)
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

    def _drives(self, area: Area, steps: range) -> Stages:
        """What reaches an area but from other areas, at each of these steps."""
        if area.name in self.stages:
            return self.stages[area.name]
        inputs = [link for link in self.plan.into[area.name] if link.is_input]
        row = self.plan.order.spread(area, self.values[self.plan.biases[area.name]])
        is_constant = self.is_still or not inputs
        begins = self.plan.arrivals(area) if is_constant else steps
        found = [(t, self._drive(row, inputs, t).contiguous()) for t in begins]
        if is_constant:
            self.stages[area.name] = found
        return found

    def _drive(self, bias: Tensor, inputs: Iterable[Link], t: int) -> Tensor:
        """The bias and what arrives from the input at step t."""
        return sum((self.sent(link, t).arrives() for link in inputs if t >= link.delay), start=bias)

    def sent(self, link: Link, t: int) -> Sent:
        """What arrives from the input at step t."""
        frame = self.frames[0 if self.is_still else t - link.delay]
        return Sent(link, frame, self.values[link.weight])

    def net(self, memory: Memory) -> CNet:
        """The network as C++ sees it."""
        return seen(self.plan, self.values, self.images, memory)


class Back:
    """The way back to all that was ``given``, with room ``du`` for gradients by potentials."""

    def __init__(
        self, loop: Loop, du: Mapping[str, Room], gradient: Tensor, wanted: Sequence[bool]
    ):
        self.loop, self.plan = loop, loop.plan
        self.given = Given(loop.plan, len(loop.frames), Plain(), wanted)
        self.inputs = [
            (area, link)
            for area in self.plan.areas
            for link in self.plan.into[area.name]
            if link.is_input and link.delay <= self.plan.last[area.name]
        ]
        blocks = -(-loop.images // block_of(self.plan))
        self.biases = {self.plan.biases[area.name]: area for area in self.plan.areas}
        asked = {name for name, place in self.given.at.items() if wanted[place]}
        links = asked.intersection(fixed_of(self.plan).links)
        sums = {name: summed_as(loop.values[name]) for name in links}
        sums |= {
            name: torch.zeros(blocks, area.size)
            for name, area in self.biases.items()
            if name in asked
        }
        stills = {
            link.weight: torch.zeros(loop.images, area.size)
            for area, link in self.inputs
            if loop.is_still
        }
        self.memory = Memory(
            loop.past, du=du, answer=gradient.contiguous(), sums=sums, stills=stills
        )

    def unroll(self, steps: range) -> None:
        """Back through these steps, after all later ones."""
        net = self.loop.net(self.memory)
        library().back(net, steps.start, steps.stop)
        if self.memory.sums:
            library().weigh(net, steps.start, steps.stop)
        for area, link in () if self.loop.is_still else self.inputs:
            for t in reversed(steps):
                if link.delay <= t <= self.plan.last[area.name]:
                    self._by_input(area, link, t)

    def finish(self) -> list[Tensor | None]:
        """The gradients of all that was given."""
        for _, link in self.inputs if self.loop.is_still else ():
            drive = self.memory.stills[link.weight]
            assert drive is not None
            self.given.by_still[link.weight] = self.loop.sent(link, link.delay), drive
        self.given.finish()
        for name, total in self.memory.sums.items():
            self.given.gradients[self.given.at[name]] = self._of(name, total)
        return self.given.gradients

    def _of(self, name: str, total: Tensor) -> Tensor:
        """The gradient by a parameter from its sums in C++."""
        if name in self.biases:
            return self.plan.order.gathered(self.biases[name], total)
        return summed(total)

    def _by_input(self, area: Area, link: Link, t: int) -> None:
        unit, du = area.unit, self.memory.du[area.name][t]
        drive = du * unit.leak if isinstance(unit, RateUnit) and unit.leak != 1 else du
        self.given.by_input(self.loop.sent(link, t), drive, t - link.delay)
