"""What the command ``dynamics`` is asked for, checked, and the units of work that answer it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from experiments.attacks.names import Norm, attack_named
from experiments.bench import Bench
from experiments.dynamics.conditions import Crafted
from experiments.dynamics.intervene import Intervene, pathways
from experiments.dynamics.subject import Subject, subject
from experiments.dynamics.watch import Watch
from experiments.finished import chosen, identity_of, place_of, seed_of
from experiments.inputs import Craft
from experiments.kept import Kept
from experiments.result import individual_directory, set_name
from experiments.single import read_inputs
from experiments.spec import read_spec
from networks import DETAILED
from networks.errors import BlindspotsError, unknown
from networks.projection import FEEDBACK
from networks.wiring import read_wiring

RECORDED = 10  # images of which everything is kept, where no more are asked for
OWN = "own"
NEAREST = "fmn-l2"  # the attack that seeks the smallest change, where the run has none


@dataclass(frozen=True)
class Question:
    """Which perturbation of which images of a run; ``origin`` names who the inputs are crafted on.

    ``recorded`` are the places of the images whose recordings are kept; those that were asked
    for come first, if any were (``asked_for``).
    """

    run: Path
    attack: str
    epsilon: float
    origin: str
    images: int
    recorded: tuple[int, ...]
    asked_for: bool = False

    @property
    def out(self) -> Path:
        """Where everything goes."""
        on = "" if self.origin == OWN else f"-{self.origin}"
        return self.run / "dynamics" / f"{self.attack}-{self.epsilon:g}{on}"

    @property
    def norm(self) -> Norm:
        """Of the attack."""
        return attack_named(self.attack).norm


def question(
    run: Path,
    compared: xr.Dataset,
    *,
    attack: str | None,
    epsilon: float | None,
    origin: str | None,
    images: int,
    shown: Sequence[int],
) -> Question:
    """The question, with the run's references for what is not asked.

    ``shown`` are indices in the test set of images to keep, before the first few.

    Raises:
        BlindspotsError: there is no such attack, budget, origin or image.
    """
    attack = attack or str(compared.attrs["reference_attack"])
    if attack_named(attack).kind == "noise":
        raise BlindspotsError(
            f"'{attack}' is noise, which leads nobody on purpose and is shown anyway; choose an "
            "attack with --attack."
        )
    epsilon = float(compared.attrs["reference_epsilon"]) if epsilon is None else epsilon
    if not (math.isfinite(epsilon) and 0 < epsilon <= 1):
        raise BlindspotsError(f"Epsilon is {epsilon:g}; give a budget above 0 and up to 1.")
    sources = [str(each) for each in compared["source"].to_numpy()]
    if origin and origin not in sources:
        raise unknown("network", origin, sources, f"among those that '{run}' crafted on")
    places = [place_of(compared, run, image) for image in dict.fromkeys(shown)]
    images = max(images, 1 + max(places, default=0))
    rest = [place for place in range(images) if place not in places]
    recorded = (*places, *rest[: max(0, RECORDED - len(places))])
    return Question(run, attack, epsilon, origin or OWN, images, recorded, bool(places))


def subjects(
    run: Path, compared: xr.Dataset, names: Sequence[str], individual: int | None
) -> list[Subject]:
    """Individuals of ``names``: all of them, or that one.

    By default of all networks that blindspots trained; those in cells are watched when named.
    """
    known = [str(name) for name in compared["network"].to_numpy()]
    roles = compared["role"].to_series()
    for name in names:
        (there,) = chosen(compared, run, [name if name in known else name.removesuffix(DETAILED)])
        if roles[there] == "brought":
            raise BlindspotsError(
                f"'{name}' was brought as a module, so that blindspots knows none of its areas to "
                "watch; name a network that it trained."
            )
    trained = [n for n in known if not n.endswith(DETAILED) and roles[n] != "brought"]
    indices = range(compared.sizes["individual"]) if individual is None else [individual]
    found = [
        (name, i)
        for name in names or trained
        for i in indices
        if individual is not None or is_there(run, name, i)
    ]
    return [subject(run, compared, name, i) for name, i in found]


def is_there(run: Path, name: str, individual: int) -> bool:
    """Whether to look for that individual; of cells that only `detailed` made, the first alone."""
    return individual == 0 or individual_directory(run, name, individual).is_dir()


def crafted(asked: Question, who: Subject, bench: Bench) -> Crafted:
    """The adversarial inputs for an individual: those of the run, or such as are crafted first.

    Cells are shown what was crafted on their trained twin.
    """
    origin = who.twin if asked.origin == OWN else asked.origin
    path = asked.run / "inputs" / set_name(origin, who.individual, asked.attack)
    if path.exists():
        _, facts = read_inputs(path)
        if asked.epsilon in facts["epsilons"]:
            return Crafted(
                asked.attack, asked.epsilon, origin, path.resolve(), facts["sha256"], None
            )
    if asked.origin != OWN:
        raise BlindspotsError(
            f"'{asked.run}' keeps no {asked.attack} inputs at epsilon {asked.epsilon:g} crafted on "
            f"'{origin}', individual {who.individual}; choose an attack and a budget of the run, "
            "or leave out --crafted-on."
        )
    unit = craft(asked, who, asked.attack, (asked.epsilon,), bench)
    return Crafted(asked.attack, asked.epsilon, origin, None, "", unit)


def craft(
    asked: Question, who: Subject, attack: str, epsilons: tuple[float, ...], bench: Bench
) -> Craft:
    """Inputs of that attack on the trained individual, with the options of the run."""
    options = read_spec(asked.run / "spec.toml").options.get(attack, {})
    trained = individual_directory(asked.run, who.twin, who.individual).resolve()
    return Craft(
        *(Kept(trained, identity_of(trained), bench), attack, epsilons, asked.images),
        seed=seed_of(trained),
        bench=bench,
        options=tuple(sorted(options.items())),
    )


def watches(asked: Question, found: Sequence[Subject], bench: Bench) -> list[Watch]:
    """The unit that watches each individual."""
    return [
        Watch(
            who, crafted(asked, who, bench), asked.images, asked.recorded,
            seed_of(individual_directory(asked.run, who.twin, who.individual)), bench,
            asked.asked_for,
        )
        for who in found
    ]  # fmt: skip


def interventions(
    asked: Question, watched: Sequence[Watch], wanted: Sequence[str]
) -> list[Intervene]:
    """The unit that intervenes on each individual with feedback.

    Where ``wanted`` pathways are named, every network must have them.

    Raises:
        BlindspotsError: one has not, or none has any feedback.
    """
    for each in wanted:
        if each not in FEEDBACK:
            raise unknown("pathway", each, FEEDBACK)
    units = []
    for watch in watched:
        has = pathways(read_wiring(watch.subject.directory / "wiring.json"))
        for each in wanted:
            if each not in has:
                raise BlindspotsError(
                    f"'{watch.subject.network}' has no {each} projections to intervene on; name "
                    f"networks that have them, such as {'fc-bl' if each == 'lateral' else 'fc-bt'}."
                )
        if has and not watch.subject.in_cells:
            units.append(
                Intervene(
                    watch.subject, watch.crafted, asked.norm, asked.images, watch.seed, watch.bench
                )
            )
    if not units:
        raise BlindspotsError(
            "None of the networks has lateral or top-down projections on torch to intervene on; "
            "leave out --interventions, or name a network that has, such as fc-blt."
        )
    return units


def distortions(
    asked: Question, found: Sequence[Subject], compared: xr.Dataset, bench: Bench
) -> dict[tuple[str, int], Craft]:
    """Searches for the nearest input that fools, of individuals that the run has none of."""
    wanted = {}
    for who in found:
        if who.in_cells or has_distortion(compared, who, asked.images):
            continue
        wanted[who.network, who.individual] = craft(asked, who, NEAREST, (1.0,), bench)
    return wanted


def has_distortion(compared: xr.Dataset, who: Subject, images: int) -> bool:
    """Whether the run measured the smallest change that fools this individual."""
    if "minimum_distortion" not in compared:
        return False
    here = compared["minimum_distortion"].sel(network=who.network, individual=who.individual)
    return bool(here[:images].notnull().any())
