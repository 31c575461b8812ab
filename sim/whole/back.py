"""The way back: gradients of all that a flat network was given, from its last step to its first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from networks import RateUnit
from networks.area import Area
from sim.whole.plain import Sent, like, summed

if TYPE_CHECKING:
    from sim.whole.way import Way


class Back:
    """The way back: ``gradients`` of all that was given, None where none is wanted."""

    def __init__(self, way: "Way", wanted: Sequence[bool]):
        self.way, self.plan = way, way.plan
        self.at = {name: len(way.frames) + i for i, name in enumerate(way.plan.names)}
        self.wanted = wanted
        self.gradients: list[Tensor | None] = [None] * len(wanted)
        self.by_emitted: dict[tuple[str, int], Tensor] = {}
        self.by_still: dict[str, tuple[Sent, Tensor]] = {}

    def unroll(self, gradient: Tensor) -> None:
        """From the gradient by the output's potentials, (answer steps, ..., N, classes)."""
        plan, later = self.plan, dict[str, Tensor]()
        for t in reversed(range(plan.steps)):
            self.way.again(t)
            for area in reversed(plan.at(t)):
                is_read = area.name == plan.output and t in plan.answers
                answer = gradient[t - plan.answers.start] if is_read else None
                du = self._by_potential(area, t, later.pop(area.name, None), answer)
                if du is not None:
                    later[area.name] = du
                    self._hand_on(area, t, du)
            self.way.leave(t, keep=not self.way.apart)
            self.way.leave(t - 1, keep=True)
        for sent, drive in self.by_still.values():
            self._by_frame(sent, drive, 0)

    def _by_potential(
        self, area: Area, t: int, later: Tensor | None, answer: Tensor | None
    ) -> Tensor | None:
        u, emitted = self.way.past[area.name, t].u, self.by_emitted.pop((area.name, t), None)
        du = self.way.arithmetic.by_potential(area, u, emitted, later)
        if answer is not None:
            mine = like(answer, u)
            if du is None:
                du = mine.clone(memory_format=torch.contiguous_format)
            else:
                du.add_(mine)
        return du

    def _hand_on(self, area: Area, t: int, du: Tensor) -> None:
        """Pass the gradient by a potential on to all that drove it."""
        unit = area.unit
        drive = du * unit.leak if isinstance(unit, RateUnit) and unit.leak != 1 else du
        for link in reversed(self.plan.into[area.name]):
            if t < link.delay:
                continue
            sent = self.way.sent(link, t - link.delay)
            if not link.is_input:
                self._by_source(sent, drive, t - link.delay)
            elif not self.way.is_still:
                self._by_frame(sent, drive, t - link.delay)
            elif link.weight in self.by_still:
                self.by_still[link.weight][1].add_(drive)
            else:
                self.by_still[link.weight] = sent, drive.clone()
        place = self.at[self.plan.biases[area.name]]
        if self.wanted[place]:
            self.gradients[place] = summed(self.gradients[place], drive.sum(-2))

    def _by_source(self, sent: Sent, drive: Tensor, t: int) -> None:
        drive = like(drive, sent.emitted.u)
        self._by_weight(sent, drive)
        here = (sent.link.source, t)
        before = self.by_emitted.get(here)
        self.by_emitted[here] = self.way.arithmetic.by_source(sent, drive, before)

    def _by_frame(self, sent: Sent, drive: Tensor, t: int) -> None:
        self._by_weight(sent, drive)
        if self.wanted[t]:
            before = self.gradients[t]
            self.gradients[t] = self.way.arithmetic.by_source(sent, drive, before)

    def _by_weight(self, sent: Sent, drive: Tensor) -> None:
        place = self.at[sent.link.weight]
        if self.wanted[place]:
            before = self.gradients[place]
            self.gradients[place] = self.way.arithmetic.by_weight(sent, drive, before)
