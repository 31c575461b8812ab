"""The way there: a network from its first step to its last."""

from collections.abc import Sequence

from torch import Tensor

from networks.area import Area
from sim.whole.back import Back
from sim.whole.plain import Emitted, Plain, Sent
from sim.whole.plan import Link, Plan


class Way:
    """A network on its way through time.

    ``past`` (area, t) holds u[t] and what follows from it. ``given`` are frames and then
    parameters, as in `Plan.names`. ``apart`` > 0 steps lie between the moments from which it can
    set out again; 0: it need not.
    """

    def __init__(
        self, plan: Plan, arithmetic: Plain, shown: int, given: Sequence[Tensor], apart: int = 0
    ):
        self.plan, self.arithmetic, self.is_still, self.apart = plan, arithmetic, shown == 1, apart
        self.frames = [Emitted(plan.input, frame) for frame in given[:shown]]
        self.values = dict(zip(plan.names, given[shown:], strict=True))
        self.past: dict[tuple[str, int], Emitted] = {}
        self.still: dict[str, Tensor] = {}

    def there(self, *, keep: bool) -> list[Tensor]:
        """The output's potential at each step of the answer; no past is kept that is not asked."""
        answer = []
        for t in range(self.plan.steps):
            self.step(t)
            if t in self.plan.answers:
                answer.append(self.past[self.plan.output, t].u)
            self.leave(t - self.plan.longest, keep=keep and self.is_mark(t - self.plan.longest))
        for t in range(self.plan.steps - self.plan.longest, self.plan.steps):
            self.leave(t, keep=keep and self.is_mark(t))
        return answer

    def back(self, gradient: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of all that was given, from that by the answer; None where not wanted."""
        back = Back(self, wanted)
        back.unroll(gradient)
        return back.given.gradients

    def again(self, t: int) -> None:
        """Take once more what is not known of the steps since the last mark, up to step t."""
        if self.apart:
            for at in range(t - t % self.apart, t + 1):
                if not self.is_known(at):
                    self.step(at)

    def step(self, t: int) -> None:
        """Take step t."""
        now = [(area, self._potential(area, t)) for area in self.plan.at(t)]
        for area, u in now:
            self.past[area.name, t] = self.arithmetic.emitted(area, u)

    def is_known(self, t: int) -> bool:
        """Whether all that the answer depends on at step t is there."""
        return all((area.name, t) in self.past for area in self.plan.at(t))

    def is_mark(self, t: int) -> bool:
        """Whether step t is asked for where the network sets out again."""
        return not self.apart or t % self.apart >= self.apart - self.plan.longest

    def leave(self, t: int, *, keep: bool) -> None:
        """Forget of step t what can be found again, or all of it."""
        for area in self.plan.areas:
            if not keep:
                self.past.pop((area.name, t), None)
            elif (area.name, t) in self.past:
                self.past[area.name, t].forget()

    def sent(self, link: Link, t: int) -> Sent:
        """What set out at step t."""
        if link.is_input:
            emitted = self.frames[0 if self.is_still else t]
        else:
            emitted = self.past[link.source, t]
        return Sent(link, emitted, self.values[link.weight])

    def _potential(self, area: Area, t: int) -> Tensor:
        drives: list[Tensor | Sent] = []
        for link in self.plan.into[area.name]:
            if t < link.delay:
                continue
            sent = self.sent(link, t - link.delay)
            if link.is_input and self.is_still:
                if link.weight not in self.still:
                    self.still[link.weight] = sent.arrives()
                drives.append(self.still[link.weight])
            else:
                drives.append(sent)
        bias = self.values[self.plan.biases[area.name]]
        row = self.plan.order.spread(area, bias)
        return self.arithmetic.potential(area, row, drives, self.past.get((area.name, t - 1)))
