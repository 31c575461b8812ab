"""Who crafts and who answers: every individual answers what was crafted on every individual."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from experiments.attacks.names import ATTACKS, attack_named
from experiments.bench import Bench
from experiments.individuals import Embody, Train
from experiments.inputs import Craft
from experiments.plan import INDEPENDENT, Plan, plan
from experiments.result import individual_directory, set_name
from experiments.scoring import Score
from experiments.spec import Spec
from experiments.store import damaged, fresh_unit, link
from experiments.units import is_complete
from networks.errors import BlindspotsError, unknown, unknown_number
from networks.wiring import explain

PER_PART = 2  # individuals, so that two share a part of the training images and two do not
Person = tuple[str, int]  # network and individual


@dataclass(frozen=True)
class Exchange:
    """One population under one attack at one budget.

    ``crossed[network, i, source, j]`` scores individual i of the network on what was crafted on
    individual j of the source, ``noisy[network, i, noise]`` on noise of the same norm, and
    ``clean[network, i]`` on the images as they are. Cells take far longer than their trained
    units, so individual i of theirs answers what was crafted on individuals i alone.
    """

    spec: Spec
    attack: str
    epsilon: float
    bench: Bench

    @cached_property
    def plan(self) -> Plan:
        """The comparison's units, of which this takes the individuals and the sets."""
        return plan(self.spec, self.bench)

    def at(self, attack: str) -> int:
        """The place of the budget among those that the sets of ``attack`` hold."""
        return self.spec.epsilons_of(attack).index(self.epsilon)

    @cached_property
    def noises(self) -> tuple[str, ...]:
        """Noise controls of the attack's norm."""
        norm = attack_named(self.attack).norm
        alike = (attack_named(name) for name in self.spec.attacks)
        return tuple(a.name for a in alike if a.kind == "noise" and a.norm == norm)

    @cached_property
    def sets(self) -> dict[Person, Craft]:
        """What was crafted on each individual that is scored, too."""
        places = self.plan.sets.items()
        return {(s, j): u for (s, j, a), u in places if a == self.attack and _is_scored(s)}

    @property
    def sources(self) -> list[str]:
        """The networks that inputs were crafted on."""
        return list(dict.fromkeys(source for source, _ in self.sets))

    @cached_property
    def clean(self) -> dict[Person, Score]:
        """On clean images."""
        return {
            person: Score(model, None, self.spec.images, self.bench)
            for person, model in self.plan.individuals.items()
        }

    @cached_property
    def noisy(self) -> dict[tuple[str, int, str], Score]:
        """On noise; individual i of every network on the same draw."""
        drawn = INDEPENDENT + self.spec.sources[0]
        return {
            (name, i, noise): self._score(name, i, self.plan.sets[drawn, i, noise])
            for name, i in self.plan.individuals
            for noise in self.noises
        }

    @cached_property
    def crossed(self) -> dict[tuple[str, int, str, int], Score]:
        """On what was crafted on everyone."""
        return {
            (name, i, source, j): self._score(name, i, craft)
            for (name, i), model in self.plan.individuals.items()
            for (source, j), craft in self.sets.items()
            if i == j or not isinstance(model, Embody)
        }

    @property
    def scores(self) -> Iterator[Score]:
        """All of them."""
        for each in (self.clean, self.noisy, self.crossed):
            yield from each.values()

    def _score(self, name: str, i: int, craft: Craft) -> Score:
        return Score(self.plan.individuals[name, i], craft, self.spec.images, self.bench)

    @property
    def parts(self) -> int:
        """Of the training images; 1 where everyone saw all of them."""
        return int(self.spec.training.get("parts", 1))

    def part(self, individual: int) -> int:
        """Which part of the training images the individual of that index saw."""
        seeds = {
            model.seed
            for (_, i), model in self.plan.individuals.items()
            if i == individual and isinstance(model, Train)
        }
        return min(seeds, default=0) % self.parts


def _is_scored(source: str) -> bool:
    return not source.startswith(INDEPENDENT)


def of_run(run: Path, spec: Spec, attack: str, epsilon: float, bench: Bench) -> Exchange:
    """The individuals and saved inputs of a finished comparison.

    Raises BlindspotsError where it discarded its inputs, or has no such attack or epsilon.
    """
    if spec.keep != "all":
        raise BlindspotsError(
            f"'{run}' discarded what was crafted on its networks (keep = \"{spec.keep}\"); run a "
            'comparison with keep = "all" into another directory.'
        )
    _check_aimed(attack, spec.attacks, run)
    if epsilon not in spec.epsilons_of(attack):
        known = spec.epsilons_of(attack)
        raise unknown_number("epsilon", epsilon, known, f"of {attack} in '{run}'")
    return Exchange(spec, attack, epsilon, bench)


def in_parts(
    run: Path, spec: Spec, attack: str, epsilon: float, bench: Bench, parts: int
) -> Exchange:
    """The networks of a comparison, trained anew on disjoint parts of the training images.

    Each part is seen by two individuals of every network (Szegedy et al. 2014, section 4.2, have
    one). Everything else is as in the comparison.
    """
    _check_aimed(attack, ATTACKS, run)
    norm = attack_named(attack).norm
    noises = [n for n, a in ATTACKS.items() if a.kind == "noise" and a.norm == norm]
    networks = [n for n in spec.networks if ":" not in n]  # nobody here can train what is brought
    changes = {
        "networks": networks,
        "individuals": PER_PART * parts,
        "attacks": [*noises, attack],
        "epsilons": [epsilon],
        "reference_attack": attack,
        "reference_epsilon": epsilon,
        "training": {**spec.training, "parts": parts},
        "options": {k: v for k, v in spec.options.items() if k in (attack, *noises)},
        "keep": "all",
        "engine": "torch",
        "physiology": None,
    }
    try:
        divided = Spec.model_validate(spec.model_dump() | changes)
    except ValidationError as error:
        raise BlindspotsError(f"'{run}' cannot be divided: {explain(error)}.") from None
    return Exchange(divided, attack, epsilon, bench)


def _check_aimed(attack: str, known: Mapping[str, object] | tuple[str, ...], run: Path) -> None:
    if attack not in known:
        raise unknown("attack", attack, known, f"in '{run}'")
    if attack_named(attack).kind == "noise":
        aimed = [a for a in known if attack_named(a).kind != "noise"]
        raise BlindspotsError(
            f"'{attack}' is noise, which is crafted on no network and shown anyway; choose an "
            f"attack with --attack: {', '.join(aimed) or f'there is none in {run}'}."
        )


def restore(run: Path, exchange: Exchange) -> None:
    """Bring units that the cache has lost from the run, as long as nobody may delete them.

    Raises BlindspotsError where the run was made by other software, or on another device, with
    which its units cannot be told to be the same.
    """
    for (name, i), model in exchange.plan.individuals.items():
        directory = individual_directory(run, name, i)
        if not isinstance(model, Train) or not directory.is_dir():
            continue
        if _key_in(directory / "training.json") != model.key:
            raise BlindspotsError(
                f"'{run}' was made by another version of blindspots or on another device than here "
                f"({exchange.bench.software} on {exchange.bench.device}); choose its --device, or "
                "run the comparison again into another directory."
            )
        _bring(directory, model)
    for (source, j), craft in exchange.sets.items():
        directory = run / "inputs" / set_name(source, j, exchange.attack)
        if directory.is_dir():
            _bring(directory, craft)


def _key_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None


def _bring(directory: Path, unit: Train | Craft) -> None:
    if not is_complete(unit):
        with fresh_unit(unit.stage, unit.key) as there:
            link(directory, there)
