"""The specification of a comparison: everything that determines its numbers, and nothing else."""

import tomllib
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from experiments.attacks.names import attack_named
from experiments.corruptions import corruptions_named
from experiments.recipe import Recipe, recipe_for
from networks import Physiology, Wiring
from networks.described import Described
from networks.errors import BlindspotsError, unknown
from networks.wiring import explain

PRESETS = ("quick", "standard", "full", "adversarial", "adversarial-full")
MOST_INDIVIDUALS = 1000  # the independent sources' seeds start above


class Spec(Described):
    """A comparison, as its TOML file states it.

    ``networks``: names of the catalogue, wiring files (.toml, .json), or ``module:attribute`` for
    any callable from images to logits. ``sources``: feedforward networks of the catalogue that are
    trained once more with other seeds, to craft the inputs that all networks share; they are never
    scored. ``effort`` scales the epochs of every recipe; ``training`` overrides settings of
    :class:`experiments.recipe.Recipe` for all networks. ``options`` holds settings by attack, such
    as ``options.pgd-linf.steps``. ``reference_attack`` at ``reference_epsilon`` is what the
    verdict, the forest and the transfer figure speak of. ``keep`` says which crafted inputs stay
    on disk after they were scored: "all", or "independent" for those that all networks share.
    ``corruptions`` are names of :data:`experiments.corruptions.CORRUPTIONS`, "mnist-c" or "sweeps";
    those of MNIST-C are made at its own severity, or with ``severities = "all"`` at all of them,
    or read from the directory ``mnist_c`` that holds its files.
    With ``engine = "detailed"`` every spiking network has a row more, ``NAME@cells``: the same
    trained weights in cells, whose parameters ``physiology`` overrides
    (:class:`networks.Physiology`).
    """

    title: str = ""
    networks: Annotated[tuple[str, ...], Field(min_length=1)]
    sources: Annotated[tuple[str, ...], Field(min_length=1)] = ("fc-b",)
    individuals: Annotated[int, Field(ge=1, le=MOST_INDIVIDUALS)] = 2
    images: Annotated[int, Field(ge=1)] = 500
    attacks: Annotated[tuple[str, ...], Field(min_length=1)]
    epsilons: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]
    reference_attack: str
    reference_epsilon: float
    ensemble_epsilons: tuple[float, ...] = ()
    corruptions: tuple[str, ...] = ()
    severities: Literal["default", "all"] = "default"
    mnist_c: str | None = None
    effort: Annotated[float, Field(gt=0)] = 1.0
    training: dict[str, Any] = Field(default={})
    options: dict[str, dict[str, Any]] = Field(default={})
    seed: Annotated[int, Field(ge=0)] = 0
    keep: Annotated[str, Field(pattern="^(all|independent)$")] = "all"
    engine: Literal["torch", "detailed"] = "torch"
    physiology: Physiology | None = None

    @model_validator(mode="before")
    @classmethod
    def _cells_in_full(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("engine") == "detailed":
            return {**values, "physiology": values.get("physiology") or {}}
        return values

    @model_validator(mode="after")
    def _can_be_honoured(self) -> Self:
        for what in ("networks", "sources", "attacks", "corruptions"):
            values = getattr(self, what)
            if twice := sorted({v for v in values if values.count(v) > 1}):
                raise ValueError(f"{what}: '{twice[0]}' is given twice")
        for name in (*self.attacks, *self.options):
            _known(attack_named, name)
        _known(corruptions_named, self.corruptions)
        if self.mnist_c and self.severities == "all":
            raise ValueError("severities: the files of MNIST-C hold one severity; write default")
        if not all(a < b for a, b in pairwise(self.epsilons)):
            raise ValueError(f"epsilons: give them in ascending order, not {self.epsilons}")
        if self.reference_attack not in self.attacks:
            raise ValueError(f"reference_attack: '{self.reference_attack}' is not among attacks")
        if self.reference_epsilon not in self.epsilons:
            raise ValueError(f"reference_epsilon: {self.reference_epsilon} is not among epsilons")
        for epsilon in self.ensemble_epsilons:
            if epsilon not in self.epsilons:
                raise ValueError(f"ensemble_epsilons: {epsilon} is not among epsilons")
        if self.physiology and self.engine != "detailed":
            raise ValueError('physiology: it needs engine = "detailed"')
        Recipe.model_validate({"epochs": 1, "batch": 1, "rate": 1, **self.training})
        return self

    def epsilons_of(self, attack: str) -> tuple[float, ...]:
        """The budgets at which ``attack`` is run, ascending."""
        if attack_named(attack).kind != "ensemble":
            return self.epsilons
        wanted = self.ensemble_epsilons or (self.reference_epsilon,)
        return tuple(each for each in self.epsilons if each in wanted)

    def recipe(self, wiring: Wiring) -> Recipe:
        """How ``wiring`` is trained under this specification."""
        usual = recipe_for(wiring)
        epochs = max(1, round(usual.epochs * self.effort))
        return Recipe.model_validate({**dict(usual), "epochs": epochs, **self.training})

    def to_toml(self) -> str:
        """Text that :func:`read_spec` reads back to an equal specification."""
        return tomli_w.dumps(
            self.model_dump(mode="json", exclude_none=True), multiline_strings=False
        )


def _known(look_up: Callable[[Any], Any], names: Any) -> None:
    try:
        look_up(names)
    except BlindspotsError as error:
        raise ValueError(str(error).rstrip(".")) from None


def preset(name: str) -> dict[str, Any]:
    """The settings of a preset, to be overridden and given to :func:`spec_from`."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return tomllib.loads((files("experiments") / "presets" / f"{name}.toml").read_text())


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BlindspotsError(f"The settings in '{path}' cannot be read: {error}.") from None


def spec_from(settings: dict[str, Any], **overrides: Any) -> Spec:
    """The specification of ``settings``; those ``overrides`` that are not None replace them.

    Where attacks or epsilons are overridden, the reference moves to what is there: the last attack
    that is no noise, and the epsilon nearest to the one before. Raises BlindspotsError, naming
    what cannot be honoured.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    values = {**settings, **given}
    attacks, epsilons = values.get("attacks", ()), sorted(set(values.get("epsilons", ())))
    if "epsilons" in given:
        values["epsilons"] = epsilons
    if attacks and values.get("reference_attack") not in attacks:
        for name in attacks:
            attack_named(name)
        aimed = [a for a in attacks if attack_named(a).kind != "noise"]
        values["reference_attack"] = (aimed or list(attacks))[-1]
    if epsilons and values.get("reference_epsilon") not in epsilons:
        wanted = values.get("reference_epsilon", 0.1)
        values["reference_epsilon"] = min(epsilons, key=lambda e: abs(e - wanted))
    try:
        return Spec.model_validate(values)
    except ValidationError as error:
        sentence = f"The comparison cannot be run: {explain(error)}."
        raise BlindspotsError(sentence.replace("?.", "?")) from None


def read_spec(path: Path) -> Spec:
    """The specification in a TOML file; BlindspotsError names what is wrong with it."""
    return spec_from(read_settings(path))
