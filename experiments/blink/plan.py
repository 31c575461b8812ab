"""Which units of work a blink experiment has."""

from dataclasses import dataclass

from experiments.bench import Bench
from experiments.blink.endtoend import Rehearse
from experiments.blink.film import Film
from experiments.blink.spec import BlinkSpec
from experiments.blink.table import Observer
from experiments.blink.task import conditions
from experiments.blink.units import Observing, Show, Teach, Titrate
from experiments.store import key_of

Place = tuple[str, int, str]
"""Observer, individual, condition."""


@dataclass(frozen=True)
class BlinkPlan:
    """Units by place; ``titrated`` by observer and network, ``filmed`` by observer.

    ``taught`` is by network, and by observer where it is trained end to end.
    """

    taught: dict[tuple[str, int], Observing]
    titrated: dict[tuple[str, int], Titrate]
    shows: dict[Place, Show]
    filmed: dict[str, Film]


def blink_plan(spec: BlinkSpec, bench: Bench) -> BlinkPlan:
    """The units of ``spec``; individual i has sensory network i modulo their number."""
    tasks = conditions(spec.task)
    taught: dict[tuple[str, int], Observing] = {}
    titrated, shows = {}, {}
    for name, observed in spec.observers.items():
        for i in range(min(spec.sensory, spec.individuals_of(name))):
            unit = looking(spec, name, spec.seed + i, bench)
            taught[name if observed.end_to_end else observed.network, i] = unit
            titrated[name, i] = Titrate(
                unit,
                spec.usual_attention(name),
                spec.is_spiking(name),
                spec.task,
                spec.contrast,
                spec.level,
            )
        for individual in range(spec.individuals_of(name)):
            for condition in spec.shown_to(name):
                shows[name, individual, condition] = Show(
                    name,
                    individual,
                    condition,
                    tasks[condition],
                    spec.per_lag_of(name, condition),
                    spec.attention_of(name, individual),
                    titrated[name, individual % spec.sensory],
                    seed_of_trials(spec, individual),
                )
    filmed = {
        name: Film(shows[name, 0, "dual"])
        for name, observed in spec.observers.items()
        if not observed.control and "dual" in spec.shown_to(name)
    }
    return BlinkPlan(taught, titrated, shows, filmed)


def looking(spec: BlinkSpec, observer: str, seed: int, bench: Bench) -> Observing:
    """The network that an observer looks with, or is."""
    observed = spec.observers[observer]
    if not observed.end_to_end:
        return Teach(observed.network, seed, spec.schooling, bench)
    how = spec.rehearsal_of(observer)
    return Rehearse(observed.network, seed, how, spec.task, spec.contrast, bench)


def seed_of_trials(spec: BlinkSpec, individual: int) -> int:
    """Where the chance of an individual's trials begins; the same for all observers."""
    return int(key_of(trials=spec.seed, individual=individual)[:8], 16)


def observer_of(spec: BlinkSpec, name: str, individual: int) -> Observer:
    """Who the individual is, for the table of trials."""
    family = spec.observers[name].network
    kind = "spiking" if spec.is_spiking(name) else "rate"
    return Observer(name, individual, seed_of_trials(spec, individual), family, kind)
