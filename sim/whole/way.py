"""The way there: a flat network from its first step to its last."""

from collections.abc import Sequence

from torch import Tensor

from networks.area import Area
from sim.whole.plain import Emitted, Plain, Sent
from sim.whole.plan import Link, Plan


class Way:
    """A network on its way through time.

    ``past`` (area, t) holds u[t] and what follows from it. ``given`` are frames and then
    parameters, as in `Plan.names`.
    """

    def __init__(self, plan: Plan, arithmetic: Plain, shown: int, given: Sequence[Tensor]):
        self.plan, self.arithmetic, self.is_still = plan, arithmetic, shown == 1
        self.frames = [Emitted(plan.input, frame) for frame in given[:shown]]
        self.values = dict(zip(plan.names, given[shown:], strict=True))
        self.past: dict[tuple[str, int], Emitted] = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        plan, still, answer = self.plan, dict[str, Tensor](), []
        for t in range(plan.steps):
            now = [(area, self._potential(area, t, still)) for area in plan.at(t)]
            for area, u in now:
                self.past[area.name, t] = self.arithmetic.emitted(area, u)
                if area.name == plan.output and t in plan.answers:
                    answer.append(u)
            for area in plan.areas:
                self.leave(area.name, t - plan.longest, keep=keep)
        return answer

    def leave(self, area: str, t: int, *, keep: bool) -> None:
        """Forget of step t what can be found again, or all of it."""
        if keep and (area, t) in self.past:
            self.past[area, t].forget()
        elif not keep:
            self.past.pop((area, t), None)

    def sent(self, link: Link, t: int) -> Sent:
        """What set out at step t."""
        if link.is_input:
            emitted = self.frames[0 if self.is_still else t]
        else:
            emitted = self.past[link.source, t]
        return Sent(link, emitted, self.values[link.weight])

    def _potential(self, area: Area, t: int, still: dict[str, Tensor]) -> Tensor:
        drives: list[Tensor | Sent] = []
        for link in self.plan.into[area.name]:
            if t < link.delay:
                continue
            sent = self.sent(link, t - link.delay)
            if link.is_input and self.is_still:
                if link.weight not in still:
                    still[link.weight] = sent.arrives()
                drives.append(still[link.weight])
            else:
                drives.append(sent)
        bias = self.values[self.plan.biases[area.name]].reshape(1, -1)
        return self.arithmetic.potential(area, bias, drives, self.past.get((area.name, t - 1)))
