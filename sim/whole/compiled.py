"""A flat network through time by the compiled loop, in one call there and one back."""

import ctypes
from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from torch import Tensor

from networks import RateUnit, SpikingUnit
from networks.area import Area, Unit
from sim.whole.back import Given
from sim.whole.build import EMITS, CArea, CLink, CNet, count, library, pointer
from sim.whole.plain import Emitted, Plain, Sent, kept
from sim.whole.plan import Link, Plan

Tables = dict[tuple[str, int], Tensor]
"""By area and step: (N, units), or (1, units) while all images share one past."""


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
        self.past: Tables = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        answer = []
        for steps in self._stretches():
            self._unroll(steps, keep=keep)
            answer += [self.past[self.plan.output, t] for t in steps if t in self.plan.answers]
            if self.apart:
                self._leave(steps, keep=self.plan.longest)
        if not keep:
            self.past.clear()
        return answer

    def back(self, gradient: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of all that was given, from that by the answer."""
        back = Back(self, gradient, wanted)
        for steps in reversed(self._stretches()):
            if self.apart:
                self._unroll(steps, keep=True)
            back.unroll(steps)
            if self.apart:
                self._leave(steps, keep=0)
        return back.finish()

    def _stretches(self) -> list[range]:
        apart = self.apart or self.plan.steps
        every = range(self.plan.steps)
        return [every[t : t + apart] for t in every[::apart]]

    def _leave(self, steps: range, *, keep: int) -> None:
        """Forget the past but for the last steps, of which copies are kept."""
        for area in self.plan.areas:
            for i, t in enumerate(steps):
                u = self.past.pop((area.name, t), None)
                if u is not None and i >= len(steps) - keep:
                    self.past[area.name, t] = u.clone()

    def _unroll(self, steps: range, *, keep: bool) -> None:
        for area in self.plan.areas:
            self.past |= self.rooms(area, steps, keep=keep or area.name == self.plan.output)
        drives: Tables = {}
        for area in self.plan.areas:
            drives |= self._drives(area, steps)
        net = self.net({"u": self.past, "drive": drives}, sums={})
        library().there(net, steps.start, steps.stop)

    def rooms(self, area: Area, steps: range, *, keep: bool = True) -> Tables:
        """Room for one table at each step; without ``keep`` for as many as delays reach back."""
        since, last, name = self.plan.since[area.name], self.plan.last[area.name], area.name
        alone = [t for t in steps if t < since]
        many = [t for t in steps if since <= t <= last]
        row = torch.empty(len(alone), 1, area.size)
        room = torch.empty(len(many) if keep else self.plan.longest + 1, self.images, area.size)
        found = [
            *zip(alone, row.unbind(), strict=True),
            *zip(many, cycle(room.unbind()), strict=False),
        ]
        return {(name, t): table for t, table in found}

    def _drives(self, area: Area, steps: range) -> Tables:
        """What reaches an area but from other areas, at each step."""
        inputs = [link for link in self.plan.into[area.name] if link.is_input]
        bias = self.values[self.plan.biases[area.name]].reshape(1, -1)
        if not inputs:
            return dict.fromkeys(((area.name, t) for t in steps), bias)
        found: Tables = {}
        still: dict[int, Tensor] = {}  # by how many have arrived
        for t in steps:
            links = [link for link in inputs if t >= link.delay]
            drive = still.get(len(links)) if self.is_still else None
            if drive is None:
                drive = sum((self.sent(link, t).arrives() for link in links), start=bias)
            found[area.name, t] = still[len(links)] = drive
        return found

    def sent(self, link: Link, t: int) -> Sent:
        """What arrives from the input at step t."""
        frame = self.frames[0 if self.is_still else t - link.delay]
        return Sent(link, frame, self.values[link.weight])

    def net(self, tables: Mapping[str, Tables], sums: Mapping[str, Tensor]) -> CNet:
        """The network as C++ sees it, with tables by name and room for gradients of parameters."""
        plan, index = self.plan, {area.name: i for i, area in enumerate(self.plan.areas)}
        areas = [self._area(area, tables, sums) for area in plan.areas]
        links = [
            CLink(
                *(index[link.source], index[area.name], link.delay, link.is_diagonal),
                *(place(self.values[link.weight]), place(sums.get(link.weight))),
            )
            for area, link in self.links
            if not link.is_input
        ]
        return CNet(
            *(self.images, plan.longest, torch.get_num_threads(), len(areas), len(links)),
            *((CArea * len(areas))(*areas), (CLink * len(links))(*links)),
        )

    def _area(self, area: Area, tables: Mapping[str, Tables], sums: Mapping[str, Tensor]) -> CArea:
        unit, name, plan = area.unit, area.name, self.plan
        is_listed = isinstance(unit, SpikingUnit) and not any(
            link.is_diagonal for _, link in self.links if link.source == name
        )
        keys = [(name, t) for t in range(plan.steps)]
        none = (pointer * plan.steps)()
        places = {what: table_of(table, keys) for what, table in tables.items()}
        u, du, drive, answer = (places.get(w, none) for w in ("u", "du", "drive", "answer"))
        across = (count * plan.steps)()
        for t, key in enumerate(keys if "drive" in tables else ()):
            rows = tables["drive"].get(key)
            across[t] = area.size if rows is not None and rows.shape[0] > 1 else 0
        return CArea(
            *(area.size, EMITS.index(emits(unit)), is_listed, plan.since[name], plan.last[name]),
            *(kept(area), unit.leak if isinstance(unit, RateUnit) else 1),
            *((unit.threshold, unit.slope) if isinstance(unit, SpikingUnit) else (0, 0)),
            *(u, du, drive, across, answer, place(sums.get(plan.biases[name]))),
        )


class Back:
    """The way back to all that was ``given``."""

    def __init__(self, loop: Loop, gradient: Tensor, wanted: Sequence[bool]):
        self.loop, self.plan = loop, loop.plan
        self.given = Given(loop.plan, len(loop.frames), Plain(), wanted)
        self.answer = {
            (self.plan.output, t): rows
            for t, rows in zip(self.plan.answers, gradient.contiguous(), strict=True)
        }
        inner = (link.weight for _, link in loop.links if not link.is_input)
        self.sums = {
            name: torch.zeros(loop.values[name].shape[::-1])
            for name in (*inner, *self.plan.biases.values())
            if wanted[self.given.at[name]]
        }
        self.du: Tables = {}

    def unroll(self, steps: range) -> None:
        """Back through these steps, after all later ones."""
        loop, reach = self.loop, steps.stop + self.plan.longest
        self.du = {key: du for key, du in self.du.items() if key[1] < reach}
        for area in self.plan.areas:
            self.du |= loop.rooms(area, steps)
        net = loop.net({"u": loop.past, "du": self.du, "answer": self.answer}, self.sums)
        library().back(net, steps.start, steps.stop)
        if self.sums:
            library().weigh(net, steps.start, steps.stop)
        for area, link in loop.links:
            for t in reversed(steps) if link.is_input else ():
                if link.delay <= t <= self.plan.last[area.name]:
                    self._by_input(area, link, t)

    def finish(self) -> list[Tensor | None]:
        """The gradients of all that was given."""
        self.given.finish()
        for name, total in self.sums.items():
            place = self.given.at[name]
            self.given.gradients[place] = total.T if total.ndim == 2 else total
        return self.given.gradients

    def _by_input(self, area: Area, link: Link, t: int) -> None:
        unit, du = area.unit, self.du[area.name, t]
        drive = du * unit.leak if isinstance(unit, RateUnit) and unit.leak != 1 else du
        self.given.by_input(self.loop.sent(link, t), drive, t - link.delay)


def emits(unit: Unit) -> str:
    """What a unit emits, in the words of `EMITS`."""
    if isinstance(unit, RateUnit):
        return unit.activation
    assert isinstance(unit, SpikingUnit)
    return "spike sigmoid" if unit.surrogate == "sigmoid" else unit.surrogate


def table_of(tables: Tables, keys: Sequence[tuple[str, int]]) -> ctypes.Array[ctypes.c_void_p]:
    """Where the tables under these keys begin in memory; all are contiguous."""
    found = map(tables.get, keys)
    return (pointer * len(keys))(*[None if one is None else one.data_ptr() for one in found])


def place(tensor: Tensor | None) -> int | None:
    """Where a table begins in memory."""
    assert tensor is None or tensor.is_contiguous()
    return None if tensor is None else tensor.data_ptr()
