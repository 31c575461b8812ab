"""The way back: gradients of all that a network was given, from its last step to its first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from networks import RateUnit
from networks.area import Area
from sim.whole.plain import Plain, Sent, like, summed
from sim.whole.plan import Plan

if TYPE_CHECKING:
    from sim.whole.way import Way


class Given:
    """``gradients`` of all that was given, frames and then parameters; None where none is wanted.

    Images that stay go through their weights once: drives that came from them are added up before.
    """

    def __init__(self, plan: Plan, frames: int, arithmetic: Plain, wanted: Sequence[bool]):
        self.arithmetic, self.is_still, self.wanted = arithmetic, frames == 1, wanted
        self.at = {name: frames + i for i, name in enumerate(plan.names)}
        self.gradients: list[Tensor | None] = [None] * len(wanted)
        self.by_still: dict[str, tuple[Sent, Tensor]] = {}

    def by_weight(self, sent: Sent, drive: Tensor) -> None:
        """Add the gradient by a projection's weights, from that by the drive."""
        place = self.at[sent.link.weight]
        if self.wanted[place]:
            before = self.gradients[place]
            self.gradients[place] = self.arithmetic.by_weight(sent, drive, before)

    def by_input(self, sent: Sent, drive: Tensor, t: int) -> None:
        """Add the gradients by the frame shown at step t and by the weights it went through."""
        if not self.is_still:
            self._by_frame(sent, drive, t)
        elif sent.link.weight in self.by_still:
            self.by_still[sent.link.weight][1].add_(drive)
        else:
            self.by_still[sent.link.weight] = sent, drive.clone()

    def finish(self) -> None:
        """Add what was put off."""
        for sent, drive in self.by_still.values():
            self._by_frame(sent, drive, 0)

    def _by_frame(self, sent: Sent, drive: Tensor, t: int) -> None:
        self.by_weight(sent, drive)
        if self.wanted[t]:
            self.gradients[t] = self.arithmetic.by_source(sent, drive, self.gradients[t])


class Back:
    """The way back to all that was ``given``."""

    def __init__(self, way: "Way", wanted: Sequence[bool]):
        self.way, self.plan = way, way.plan
        self.given = Given(way.plan, len(way.frames), way.arithmetic, wanted)
        self.by_emitted: dict[tuple[str, int], Tensor] = {}

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
        self.given.finish()

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
            if link.is_input:
                self.given.by_input(sent, drive, t - link.delay)
            else:
                self._by_source(sent, drive, t - link.delay)
        given, place = self.given, self.given.at[self.plan.biases[area.name]]
        if given.wanted[place]:
            mine = self.plan.order.gathered(area, drive)
            given.gradients[place] = summed(given.gradients[place], mine)

    def _by_source(self, sent: Sent, drive: Tensor, t: int) -> None:
        drive = like(drive, sent.emitted.u)
        self.given.by_weight(sent, drive)
        here = (sent.link.source, t)
        before = self.by_emitted.get(here)
        self.by_emitted[here] = self.way.arithmetic.by_source(sent, drive, before)
