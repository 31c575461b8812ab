"""Other gradients than a network's own: through other surrogates, paths and moments of time.

A spike has no derivative, so an attack on a spiking network rests on a choice; the surrogate that
trained it is one among many, and seldom the most harmful one. In a network with feedback, an attack
also chooses through which projections, and how far back in time, it follows the loss, and which
moments of the answer it looks at. Each choice is a guide (`victim.Guide`) for any attack along
gradients; the network itself stays the judge.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from experiments.attacks.chance import Expected
from experiments.attacks.crowd import Crowd
from experiments.attacks.victim import Guide, Model
from networks import SpikingUnit, Wiring
from networks.projection import FEEDBACK
from sim import Network
from sim.population import Population
from sim.rule import PLAIN, Rule, Shape, adaptive, graded, surrogate
from sim.step import Circuit
from sim.unroll import potentials

Reading = Literal["mean", "last", "each"]
SHAPES: tuple[Shape, ...] = ("fast_sigmoid", "atan", "sigmoid", "triangle", "rectangle")
SLOPES = (0.5, 1.0, 2.0, 5.0, 10.0, 25.0)
SHARPNESS = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Way:
    """How a guide goes back through a network.

    Attributes:
        family: "surrogate", "adaptive", "straight-through", "smooth", "reset", "space", "time",
            "paths".
        rule: the derivative of a spike, and the projections that pass it on.
        reading: whose loss is raised: of the answer ("mean" over its steps, as the network gives
            it), of its "last" step, or the mean of the losses of "each" step.
        steps: through how many last steps of the answer's time the gradient goes back; 0: all.
        less: a rule whose gradient is taken off; the logits stay as they are.
    """

    family: str
    rule: Rule = PLAIN
    reading: Reading = "mean"
    steps: int = 0
    less: Rule | None = None

    def through(self, network: Network | Expected | Crowd) -> Guide:
        """The guide: inputs (N, ...) to logits (N, K), or (T, N, K) for the loss of each step.

        Of the average of draws it gives the logits of every draw, for the loss of each.
        """
        if isinstance(network, Expected):
            return network.along(self.through(network.network))  # type: ignore[arg-type]
        if isinstance(network, Crowd):
            question = self.stacked()
            return replace(network, asked=lambda some, shown: some.ask(shown, question))
        return lambda points: self(network.circuit(), network.frames(points))

    def __call__(self, circuit: Circuit, frames: Sequence[Tensor]) -> Tensor:
        """Logits (N, K), or (T, N, K), of what a circuit is shown."""
        cut = max(circuit.wiring.steps - self.steps, 0) if self.steps else 0
        rows = potentials(circuit, frames, rule=self.rule, cut=cut)
        if self.less:
            other = potentials(circuit, frames, rule=self.less, cut=cut)
            rows = rows - (other - other.detach())
        return {"mean": lambda: rows.mean(0), "last": lambda: rows[-1], "each": lambda: rows}[
            self.reading
        ]()

    def stacked(self) -> "Way":
        """The same, but for an axis of individuals, of which snnTorch's own surrogates know not."""

        def own(rule: Rule) -> Rule:
            return rule._replace(fire=trained) if rule.fire is PLAIN.fire else rule

        return replace(self, rule=own(self.rule), less=self.less and own(self.less))


def trained(unit: SpikingUnit, above: Tensor) -> Tensor:
    """Spikes with the surrogate of training, as `PLAIN` has them from snnTorch."""
    return surrogate(unit.surrogate, unit.slope)(unit, above)


def ways(model: Model) -> dict[str, Way]:
    """Every way back through a model that this module knows, by name; none for what it is not.

    Spiking networks have surrogates of five shapes and six slopes, adaptive ones, straight-through,
    smooth twins and a gradient through space alone; all that step through time have readings,
    truncations and, where there is feedback, paths. A random network's average has those of the
    network.
    """
    model = model.network if isinstance(model, Expected) else model
    asked = model.population if isinstance(model, Crowd) else model
    if not isinstance(asked, Network | Population) or asked.wiring.is_feedforward:
        return {}
    return dict(_ways(asked.wiring))


def _ways(wiring: Wiring) -> Iterator[tuple[str, Way]]:
    if wiring.spiking:
        for shape in SHAPES:
            for slope in SLOPES:
                yield f"{shape} {slope:g}", Way("surrogate", Rule(surrogate(shape, slope)))
        straight: Callable[..., Tensor] = surrogate("straight_through_estimator", 1)
        yield "straight-through", Way("straight-through", Rule(straight))
        for sharpness in SHARPNESS:
            yield f"adaptive {sharpness:g}", Way("adaptive", Rule(adaptive("atan", sharpness)))
        for slope in (2.0, 5.0, 10.0):
            yield f"smooth {slope:g}", Way("smooth", Rule(graded(slope), resets=True))
        yield "through the reset", Way("reset", PLAIN._replace(resets=True))
    if any(a.has_memory for a in wiring.areas):
        yield "space alone", Way("space", PLAIN._replace(carries=False))
    yield "each step", Way("time", reading="each")
    yield "last step", Way("time", reading="last")
    yield "half the time", Way("time", steps=-(-wiring.steps // 2))
    if any(p.kind in FEEDBACK for p in wiring.projections):
        forward = PLAIN._replace(blocked=frozenset(FEEDBACK))
        yield "feedforward paths", Way("paths", forward)
        yield "feedback paths", Way("paths", less=forward)
