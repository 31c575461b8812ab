"""The way back: gradients of all that a flat network was given, from its last step to its first."""

from collections.abc import Sequence

from torch import Tensor

from networks import RateUnit
from networks.area import Area
from sim.parameters import bias_name, weight_name
from sim.whole.plain import Sent, like, summed
from sim.whole.way import Way


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
            for area in reversed(self.way.plan.at(t)):
                is_read = area.name == wiring.output and t in wiring.answers
                answer = gradient[t - wiring.answers.start] if is_read else None
                du = self._by_potential(area, t, later.pop(area.name, None), answer)
                if du is not None:
                    later[area.name] = du
                    self._hand_on(area, t, du)
        for p in reversed(wiring.projections):
            if p.name in self.by_still:
                self._by_frame(self.way.sent(p, 0), self.by_still[p.name], 0)

    def _by_potential(
        self, area: Area, t: int, later: Tensor | None, answer: Tensor | None
    ) -> Tensor | None:
        u, emitted = self.way.potentials[area.name, t], self.by_emitted.pop((area.name, t), None)
        du = self.way.arithmetic.by_potential(area, u, emitted, later)
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
                self._by_source(self.way.sent(p, sent), drive, sent)
            elif self.is_still:
                before = self.by_still.get(p.name)
                self.by_still[p.name] = drive.clone() if before is None else before.add_(drive)
            else:
                self._by_frame(self.way.sent(p, sent), drive, sent)
        place = self.at[bias_name(area.name)]
        if self.wanted[place]:
            self.gradients[place] = summed(self.gradients[place], drive.sum(0))

    def _by_source(self, sent: Sent, drive: Tensor, t: int) -> None:
        drive = like(drive, sent.emitted.u)
        self._by_weight(sent, drive)
        here = (sent.projection.source, t)
        self.by_emitted[here] = self.way.arithmetic.by_source(
            sent, drive, self.by_emitted.get(here)
        )

    def _by_frame(self, sent: Sent, drive: Tensor, t: int) -> None:
        self._by_weight(sent, drive)
        if self.wanted[t]:
            before = self.gradients[t]
            self.gradients[t] = self.way.arithmetic.by_source(sent, drive, before)

    def _by_weight(self, sent: Sent, drive: Tensor) -> None:
        place = self.at[weight_name(sent.projection)]
        if self.wanted[place]:
            before = self.gradients[place]
            self.gradients[place] = self.way.arithmetic.by_weight(sent, drive, before)
