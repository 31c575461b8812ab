"""Which frames are attacked, on whom, and who judges them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.attacks.names import Norm
from experiments.blink.adversarial.cast import Cast
from experiments.blink.adversarial.craft import Provoke
from experiments.blink.adversarial.individual import Individual
from experiments.blink.adversarial.judge import Judge
from experiments.blink.adversarial.scene import FARTHEST, Scene, Where
from experiments.blink.adversarial.universal import Induce
from experiments.blink.plan import seed_of_trials
from networks.errors import BlindspotsError, unknown

GRADIENT: dict[Norm, str] = {"linf": "pgd-linf", "l2": "pgd-l2"}
QUERIES: Norm = "linf"  # of the attack without gradients
DRAWS, JUDGED = 2, 3  # of the noise inside: in crafting, and afresh in judging
GENTLE = {"relative_step": 4.0, "random_start": False}  # steps that are not lost at the box
QUERIED = 2  # individuals of a kind that are attacked without gradients
BATCH = 24  # streams in a step towards a universal distractor
ALONE = 6  # times as many trials of a lone target as of a lag
BEFORE = 2  # items, at which it is crafted


@dataclass(frozen=True)
class Effort:
    """What a user sets; budgets rise, and their middle one is the reference.

    ``individuals`` of each kind are attacked, ``controls`` of each control, and ``lone`` before a
    lone target, too; of spiking observers, whose attacks take ten times as long, no more than
    ``individuals``. ``norms`` beside the first are not tried on controls. Without ``queries`` there
    is no attack without gradients.
    """

    norms: tuple[Norm, ...] = ("linf", "l2")
    target: tuple[float, ...] = (0.02, 0.04, 0.08)
    distractor: tuple[float, ...] = (0.05, 0.1, 0.2)
    universal: float = 0.4
    lags: tuple[int, ...] = (1, 2, 3, 5, 8)
    steps: int = 8
    universal_steps: int = 20
    queries: int = 100
    per_lag: int = 16
    individuals: int = 3
    controls: int = 2
    lone: int = 24

    def budgets(self, where: Where) -> tuple[float, ...]:
        """For a kind of frame."""
        return self.distractor if where == "distractor" else self.target

    def reference(self, where: Where | Literal["universal"]) -> float:
        """The budget at which others judge."""
        if where == "universal":
            return self.universal
        budgets = self.budgets(where)
        return budgets[len(budgets) // 2]

    def alone(self, spiking: bool) -> int:
        """How many of a kind are attacked before a lone target."""
        return min(self.lone, self.individuals) if spiking else self.lone

    def check(self) -> None:
        """Raise BlindspotsError where nothing could be attacked."""
        for name, values in (("norm", self.norms), ("lag", self.lags),
                             ("budget", self.target), ("budget", self.distractor)):  # fmt: skip
            if not values:
                raise BlindspotsError(f"No {name} was given; give one or more.")
        for lag in self.lags:
            if not 1 <= lag <= FARTHEST:
                raise BlindspotsError(
                    f"A lag of {lag} items cannot be shown; give lags from 1 to {FARTHEST}."
                )
        for budget in (*self.target, *self.distractor, self.universal):
            if not budget > 0:
                raise BlindspotsError(f"A budget of {budget:g} is none; give budgets above 0.")


def norms_named(names: Sequence[str]) -> tuple[Norm, ...]:
    """The norms of those names; BlindspotsError where there is no attack under one."""
    for name in names:
        if name not in GRADIENT:
            raise unknown("norm", name, GRADIENT)
    return tuple(norm for norm in GRADIENT if norm in names)


@dataclass(frozen=True)
class AttackPlan:
    """Judgements by place.

    ``own`` by frame, norm, network, individual: by whom they were crafted on, at all budgets.
    ``others`` by frame, network, individual, judge: at the reference, under the first norm.
    ``queried`` by network, individual: T2's frame at the reference, without gradients.
    """

    own: dict[tuple[Where, Norm, str, int], Judge] = field(default_factory=dict)
    others: dict[tuple[str, str, int, str], Judge] = field(default_factory=dict)
    queried: dict[tuple[str, int], Judge] = field(default_factory=dict)

    def units(self) -> Iterator[Judge]:
        """All of them."""
        yield from self.own.values()
        yield from self.others.values()
        yield from self.queried.values()


def attack_plan(cast: Cast, kinds: list[str], effort: Effort) -> AttackPlan:
    """What an effort asks of some kinds of observers; controls attack themselves alone."""
    plan = AttackPlan()
    for kind in kinds:
        control = cast.is_control(kind)
        for i in cast.numbers(kind, effort.controls if control else effort.individuals):
            who = cast.individual(kind, i)
            for norm in effort.norms[:1] if control else effort.norms:
                for where in ("target", "distractor"):
                    crafted = provoke(cast, who, where, GRADIENT[norm], effort)
                    plan.own[where, norm, kind, i] = Judge(crafted, who, crafted.epsilons, JUDGED)
            if not control:
                _judged_by_others(plan, cast, who, effort)
        if not control:
            for i in cast.numbers(kind, effort.alone(cast.spec.is_spiking(kind))):
                who, norm = cast.individual(kind, i), effort.norms[0]
                crafted = provoke(cast, who, "alone", GRADIENT[norm], effort)
                plan.own["alone", norm, kind, i] = Judge(crafted, who, crafted.epsilons, JUDGED)
            for i in cast.numbers(kind, min(QUERIED, effort.individuals) if effort.queries else 0):
                who = cast.individual(kind, i)
                crafted = provoke(cast, who, "target", "square-linf", effort)
                plan.queried[kind, i] = Judge(crafted, who, crafted.epsilons, JUDGED)
    return plan


def _judged_by_others(plan: AttackPlan, cast: Cast, who: Individual, effort: Effort) -> None:
    judges, norm = cast.judges(who.kind, who.number), effort.norms[0]
    at = (who.kind, who.number)
    universal = Induce(
        who,
        scene(cast, who, "distractor", effort),
        BEFORE,
        norm,
        (effort.universal,),
        effort.universal_steps,
        BATCH,
    )
    for where in ("target", "distractor"):
        own = plan.own[where, norm, *at]
        plan.others[where, *at, "itself"] = own
        for name, judge in judges.items():
            shown = (effort.reference(where),)
            plan.others[where, *at, name] = Judge(own.crafted, judge, shown, JUDGED)
    for name, judge in {"itself": who, **judges}.items():
        plan.others["universal", *at, name] = Judge(universal, judge, universal.epsilons, JUDGED)


def provoke(cast: Cast, who: Individual, where: Where, attack: str, effort: Effort) -> Provoke:
    """The attack on one kind of frame of one individual."""
    by_queries = attack not in GRADIENT.values()
    options: dict[str, Any] = (
        {"queries": effort.queries} if by_queries else {"steps": effort.steps, **GENTLE}
    )
    return Provoke(
        who,
        scene(cast, who, where, effort),
        attack,
        (effort.reference(where),) if by_queries else effort.budgets(where),
        tuple(options.items()),
        DRAWS,
    )


def scene(cast: Cast, who: Individual, where: Where, effort: Effort) -> Scene:
    """The streams of one individual, the same for all kinds; of a lone target, for all individuals.

    Individuals are compared by what it takes to make them lose a lone target, so that all must see
    the same ones.
    """
    is_alone = where == "alone"
    per_lag = effort.per_lag * (ALONE if is_alone else 1)
    seed = seed_of_trials(cast.spec, 0 if is_alone else who.number)
    return Scene(cast.spec.task, where, effort.lags, per_lag, seed)
