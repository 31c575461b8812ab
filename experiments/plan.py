"""From a specification to the units of work that answer it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.attacks.names import attack_named
from experiments.bench import Bench
from experiments.corruptions.comparison import corrupted_scores, corrupted_sets
from experiments.individuals import Brought, Embody, Model, Train
from experiments.inputs import Corrupt, Craft
from experiments.scoring import Score
from experiments.spec import MOST_INDIVIDUALS, Spec
from experiments.store import key_of
from networks import DETAILED, Physiology, Wiring, macs, parameters, read_wiring, wiring_named
from networks.catalogue import recurrence, role, units
from networks.errors import BlindspotsError

INDEPENDENT = "independent-"


@dataclass(frozen=True)
class Entry:
    """One network of the comparison: its name, and its wiring unless the user brings a callable.

    With a ``physiology`` it is the wiring's trained network in cells.
    """

    name: str
    wiring: Wiring | None
    physiology: Physiology | None = None

    def individual(self, spec: Spec, index: int, bench: Bench, first_seed: int = 0) -> Model | None:
        """Its individual of that index; a brought network has index 0 alone."""
        if self.wiring:
            first = 2 * MOST_INDIVIDUALS * spec.seed + first_seed
            trained = Train(self.wiring, spec.recipe(self.wiring), first + index, bench)
            return Embody(trained, self.physiology) if self.physiology else trained
        if index:
            return None
        from experiments.bring import fingerprint

        return Brought(self.name, fingerprint(self.name, bench), bench)

    def described(self) -> dict[str, str | int]:
        """Its coordinates in the result; -1 stands for a number that is not known."""
        facts: dict[str, str | int]
        if self.wiring is None:
            from experiments.bring import size_of

            facts = {"parameters": size_of(self.name), "macs": -1, "modules": 1}
            return facts | {"recurrence": "unknown", "units": "unknown", "role": "brought"}
        facts = {
            "parameters": parameters(self.wiring),
            "macs": macs(self.wiring),
            "modules": max(a.modules for a in self.wiring.areas),
            "recurrence": recurrence(self.wiring),
            "units": units(self.wiring),
            "role": role(self.name),
        }
        if self.physiology:
            facts |= {"macs": -1, "units": "cells", "role": f"in cells: {self.wiring.name}"}
        return facts


def entry(name: str) -> Entry:
    """The network that ``name`` stands for: of the catalogue, a wiring file, an import path."""
    if name.endswith((".toml", ".json")):
        wiring = read_wiring(Path(name))
        if _is_known(wiring.name) and wiring_named(wiring.name) != wiring:
            raise BlindspotsError(
                f"The wiring in '{name}' bears the name '{wiring.name}' of another network of the "
                "catalogue; give it a name of its own."
            )
        return Entry(wiring.name, wiring)
    if ":" in name:
        return Entry(name, None)
    return Entry(name, wiring_named(name))


def _is_known(name: str) -> bool:
    try:
        return bool(wiring_named(name))
    except BlindspotsError:
        return False


@dataclass(frozen=True)
class Plan:
    """All units of a comparison, by their place in its result.

    ``individuals[network, i]``, ``sources[source, i]`` (networks that inputs are crafted on: the
    independent ones, and every network itself), ``sets[source, i, attack]`` and
    ``scores[network, i, source, attack]``, where source and attack are "" for the clean images.
    ``corrupted[corruption]`` is the same for all, ``corrupted_scores[network, i, corruption]``.
    No gradient is followed through networks in cells, and they take far longer: they are sources of
    attacks by query alone, and are scored on what was crafted on the independent sources, on their
    trained twins and on themselves.
    """

    entries: tuple[Entry, ...]
    individuals: dict[tuple[str, int], Model]
    sources: dict[tuple[str, int], Model]
    sets: dict[tuple[str, int, str], Craft]
    scores: dict[tuple[str, int, str, str], Score]
    corrupted: dict[str, Corrupt]
    corrupted_scores: dict[tuple[str, int, str], Score]

    @property
    def asked(self) -> tuple[Score, ...]:
        """All that is to be known."""
        return (*self.scores.values(), *self.corrupted_scores.values())


def entries_of(spec: Spec) -> tuple[Entry, ...]:
    """The networks of a comparison; BlindspotsError where a name stands for none, or for two."""
    entries = tuple(entry(name) for name in spec.networks)
    if spec.engine == "detailed":
        entries += _in_cells(spec, entries)
    names = [e.name for e in entries]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise BlindspotsError(f"Two networks are called '{twice[0]}'; rename one of the wirings.")
    for name in spec.sources:
        _feedforward(name)
    return entries


def _in_cells(spec: Spec, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The spiking networks of ``entries`` once more, as cells."""
    spiking = [e.wiring for e in entries if e.wiring and units(e.wiring) == "spiking"]
    if not spiking:
        raise BlindspotsError(
            "None of the networks spikes, so the detailed engine has no cells to simulate; add a "
            "spiking network such as fc-blt-spiking."
        )
    physiology = spec.physiology or Physiology()
    for wiring in spiking:
        for area, unit in wiring.spiking.items():
            physiology.time_constant_ms(area, unit)  # says so now if there is no membrane
    return tuple(Entry(wiring.name + DETAILED, wiring, physiology) for wiring in spiking)


def plan(spec: Spec, bench: Bench) -> Plan:
    """Individual i of every network is scored on what is crafted on individual i of each source."""
    entries = entries_of(spec)
    independent = [Entry(INDEPENDENT + name, _feedforward(name)) for name in spec.sources]
    individuals, sources = {}, {}
    for i in range(spec.individuals):
        for each in independent:
            model = each.individual(spec, i, bench, first_seed=MOST_INDIVIDUALS)
            assert model is not None
            sources[each.name, i] = model
        for each in entries:
            model = each.individual(spec, i, bench)
            if model is not None:
                individuals[each.name, i] = sources[each.name, i] = model
    sets = {
        (source, i, attack): _craft(spec, attack, i, model, bench)
        for (source, i), model in sources.items()
        for attack in spec.attacks
        if _can_be_crafted(attack, source, model)
    }
    sources = {place: model for place, model in sources.items() if _is_source(place, sets)}
    scores = dict(_scores(spec, bench, individuals, sets))
    corrupted = corrupted_sets(spec, bench)
    answers = dict(corrupted_scores(corrupted, individuals))
    return Plan(entries, individuals, sources, sets, scores, corrupted, answers)


def _can_be_crafted(attack: str, source: str, model: Model) -> bool:
    """Noise is drawn once for all; no gradient is followed through cells."""
    kind = attack_named(attack).kind
    if isinstance(model, Embody):
        return kind == "query"
    return kind != "noise" or source.startswith(INDEPENDENT)


def _is_source(place: tuple[str, int], sets: dict[tuple[str, int, str], Craft]) -> bool:
    return any(place == (source, i) for source, i, _ in sets)


def _feedforward(name: str) -> Wiring:
    wiring = wiring_named(name)
    if not wiring.is_feedforward:
        raise BlindspotsError(
            f"The source '{name}' is not feedforward; the inputs that all share are crafted on "
            "feedforward networks, such as fc-b. Every network is a source of its own anyway."
        )
    return wiring


def _craft(spec: Spec, attack: str, index: int, model: Model, bench: Bench) -> Craft:
    chance = int(key_of(seed=spec.seed, attack=attack, individual=index)[:12], 16)
    options = tuple(sorted(spec.options.get(attack, {}).items()))
    return Craft(model, attack, spec.epsilons_of(attack), spec.images, chance, bench, options)


def _scores(
    spec: Spec,
    bench: Bench,
    individuals: dict[tuple[str, int], Model],
    sets: dict[tuple[str, int, str], Craft],
) -> Iterator[tuple[tuple[str, int, str, str], Score]]:
    for (name, i), model in individuals.items():
        yield (name, i, "", ""), Score(model, None, spec.images, bench)
        for (source, j, attack), craft in sets.items():
            if i == j and (not isinstance(model, Embody) or _concerns(source, name)):
                yield (name, i, source, attack), Score(model, craft, spec.images, bench)


def _concerns(source: str, name: str) -> bool:
    """Whether a network in cells is scored on what was crafted on ``source``."""
    return source.startswith(INDEPENDENT) or source in (name, name.removesuffix(DETAILED))
