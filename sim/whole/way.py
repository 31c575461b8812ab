"""The way there: a flat network from its first step to its last."""

from collections.abc import Sequence

from torch import Tensor

from networks import Projection, Wiring
from networks.area import Area
from sim.parameters import bias_name, weight_name
from sim.whole.plain import Emitted, Plain, Sent
from sim.whole.plan import plan_of


class Way:
    """A network on its way through time.

    ``potentials`` (area, t) holds u[t], (N, units), or (1, units) while all images still share one
    past. ``given`` are frames and then parameters, as in `Plan.names`.
    """

    def __init__(self, wiring: Wiring, arithmetic: Plain, shown: int, given: Sequence[Tensor]):
        self.wiring, self.plan, self.shown = wiring, plan_of(wiring), shown
        self.arithmetic = arithmetic
        self.frames = given[:shown]
        self.values = dict(zip(self.plan.names, given[shown:], strict=True))
        self.potentials: dict[tuple[str, int], Tensor] = {}
        self.emitted: dict[tuple[str, int], Emitted] = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        still: dict[str, Tensor] = {}
        for t in range(self.wiring.steps):
            for area in self.plan.at(t):
                self.potentials[area.name, t] = self._potential(area, t, still)
            for area in self.plan.at(t):
                self.emission(area, t)
                self.emitted.pop((area.name, t - self.plan.longest), None)
                if not keep and area.name != self.wiring.output:
                    self.potentials.pop((area.name, t - 1), None)
        return [self.potentials[self.wiring.output, t] for t in self.wiring.answers]

    def emission(self, area: Area, t: int) -> Emitted:
        """What the area emitted at step t."""
        key = (area.name, t)
        if key not in self.emitted:
            self.emitted[key] = self.arithmetic.emitted(area, self.potentials[key])
        return self.emitted[key]

    def sent(self, p: Projection, t: int) -> Sent:
        """What set out through ``p`` at step t."""
        weight = self.values[weight_name(p)]
        if p.source == self.wiring.input.name:
            frame = self.frames[t if self.shown > 1 else 0]
            return Sent(p, Emitted(self.wiring.input, frame), weight)
        return Sent(p, self.emission(self.plan.named[p.source], t), weight)

    def _potential(self, area: Area, t: int, still: dict[str, Tensor]) -> Tensor:
        drives: list[Tensor | Sent] = []
        for p in self.plan.into[area.name]:
            if t < p.delay:
                continue
            sent = self.sent(p, t - p.delay)
            if p.source == self.wiring.input.name and self.shown == 1:
                if p.name not in still:
                    still[p.name] = sent.arrives()
                drives.append(still[p.name])
            else:
                drives.append(sent)
        before = self.emission(area, t - 1) if t else None
        return self.arithmetic.potential(area, self.values[bias_name(area.name)], drives, before)
