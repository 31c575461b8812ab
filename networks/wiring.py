"""A wiring: areas, projections, the number of steps and where the answer is read."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from networks.area import Area, InputUnit, Name, SpikingUnit
from networks.code import Poisson
from networks.described import Described
from networks.errors import BlindspotsError
from networks.projection import Convolution, OneToOne, Projection


class Wiring(Described):
    """What is wired to what: frozen, validated at construction, hashable, TOML and JSON.

    The stimulus enters at the single area whose unit is an ``InputUnit``. The answer is the
    potential ``u`` of area ``output`` (one unit per class, identity rate units), averaged over
    the steps that the stimulus can have reached (``readout="mean"``) or at the last one.
    Impossible wirings raise :class:`pydantic.ValidationError`, which names field and value.
    """

    name: Name
    areas: tuple[Area, ...]
    projections: tuple[Projection, ...]
    steps: Annotated[int, Field(ge=1)]
    output: Name = "output"
    readout: Literal["mean", "last"] = "mean"

    @model_validator(mode="after")
    def _can_be_honoured(self) -> Self:
        _check_areas(self)
        for projection in self.projections:
            _check_projection(self, projection)
        if self.longest_path("feedforward", "skip") is None:
            raise ValueError(
                "feedforward and skip projections close a cycle; call the one that leads back "
                "top-down"
            )
        names = [p.name for p in self.projections]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"projection '{twice[0]}' is given twice")
        if self.first_answer >= self.steps:
            raise ValueError(
                f"the stimulus reaches '{self.output}' at step {self.first_answer}, "
                f"after the last of {self.steps} steps (0 to {self.steps - 1})"
            )
        return self

    def area(self, name: str) -> Area:
        """The area of that name; KeyError otherwise."""
        return {a.name: a for a in self.areas}[name]

    @property
    def input(self) -> Area:
        """The area that the stimulus drives."""
        return next(a for a in self.areas if isinstance(a.unit, InputUnit))

    @property
    def stimulated(self) -> InputUnit:
        """The unit of the area :attr:`input`."""
        unit = self.input.unit
        assert isinstance(unit, InputUnit)
        return unit

    @property
    def is_random(self) -> bool:
        """Whether the same image is coded by another draw each time."""
        return isinstance(self.stimulated.code, Poisson)

    @property
    def spiking(self) -> dict[str, SpikingUnit]:
        """The areas of spiking units, by name, and the units."""
        return {a.name: a.unit for a in self.areas if isinstance(a.unit, SpikingUnit)}

    def into(self, area: str) -> tuple[Projection, ...]:
        """The projections that end in ``area``."""
        return tuple(p for p in self.projections if p.target == area)

    def arrival(self) -> dict[str, int]:
        """First step at which each area can feel a stimulus that starts at step 0.

        Areas that the stimulus never reaches are absent.
        """
        arrival = {self.input.name: 0}
        for _ in self.areas:
            for p in self.projections:
                if p.source in arrival:
                    at = arrival[p.source] + p.delay
                    arrival[p.target] = min(at, arrival.get(p.target, at))
        return arrival

    @property
    def first_answer(self) -> int:
        """First step at which the output can depend on the stimulus."""
        return self.arrival()[self.output]

    @property
    def answers(self) -> range:
        """The steps over which the answer is averaged."""
        return range(self.first_answer if self.readout == "mean" else self.steps - 1, self.steps)

    @property
    def is_acyclic(self) -> bool:
        """Whether no path leads from an area back to itself."""
        return self.longest_path() is not None

    def longest_path(self, *kinds: str) -> int | None:
        """Steps that the slowest path needs, or None where there is a cycle.

        Through projections of ``kinds`` alone, where they are given.
        """
        through = [p for p in self.projections if not kinds or p.kind in kinds]
        depth = {a.name: 0 for a in self.areas}
        for _ in range(len(self.areas) + 1):
            deeper = dict(depth)
            for p in through:
                deeper[p.target] = max(deeper[p.target], depth[p.source] + p.delay)
            if deeper == depth:
                return max(depth.values())
            depth = deeper
        return None

    @property
    def is_feedforward(self) -> bool:
        """Acyclic and memoryless, read once settled: equals one pass through plain layers."""
        longest = self.longest_path()
        return (
            longest is not None
            and longest <= self.answers.start
            and not any(a.has_memory for a in self.areas)
        )

    def replace(self, **changes: Any) -> "Wiring":
        """A copy with ``changes``, validated anew."""
        return Wiring(**{**dict(self), **changes})

    def to_json(self) -> str:
        """Text that :func:`from_json` reads back to an equal wiring."""
        return self.model_dump_json(indent=1, exclude_none=True)

    def to_toml(self) -> str:
        """Text that :func:`from_toml` reads back to an equal wiring."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def from_json(text: str) -> Wiring:
    """The wiring that ``text`` describes; BlindspotsError names what is wrong with it."""
    try:
        return _parse(json.loads(text))
    except json.JSONDecodeError as error:
        raise BlindspotsError(f"The wiring is not valid JSON: {error}.") from None


def from_toml(text: str) -> Wiring:
    """The wiring that ``text`` describes; BlindspotsError names what is wrong with it."""
    try:
        return _parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BlindspotsError(f"The wiring is not valid TOML: {error}.") from None


def read_wiring(path: Path) -> Wiring:
    """The wiring in a ``.toml`` or ``.json`` file."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BlindspotsError(f"The wiring '{path}' cannot be read: {error}.") from None
    return from_json(text) if path.suffix == ".json" else from_toml(text)


def _parse(values: Mapping[str, Any]) -> Wiring:
    try:
        return Wiring.model_validate(values)
    except ValidationError as error:
        raise BlindspotsError(f"The wiring cannot be used: {explain(error)}.") from None


def explain(error: ValidationError) -> str:
    """One clause per mistake: the field, what is wrong with it, and the value given."""
    clauses = []
    for mistake in error.errors():
        where = ".".join(str(part) for part in mistake["loc"]) or "the whole"
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "value_error":
            clauses.append(message)
        elif mistake["type"] == "extra_forbidden":
            clauses.append(f"'{where}' is not a known setting")
        else:
            clauses.append(f"{where}: {message[0].lower()}{message[1:]}, not {mistake['input']!r}")
    return "; ".join(clauses)


def _check_areas(wiring: Wiring) -> None:
    names = [a.name for a in wiring.areas]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"area '{twice[0]}' is given twice")
    inputs = [a.name for a in wiring.areas if isinstance(a.unit, InputUnit)]
    if len(inputs) != 1:
        raise ValueError(f"a wiring needs exactly one input area, not {inputs}")
    if wiring.output not in names:
        raise ValueError(f"the output area '{wiring.output}' is not among the areas {names}")
    unit = wiring.area(wiring.output).unit
    if unit.model != "rate" or unit.activation != "identity":
        raise ValueError(
            f"the output area '{wiring.output}' must have identity rate units, whose potential "
            "is the answer"
        )
    for projection in wiring.projections:
        for end in (projection.source, projection.target):
            if end not in names:
                raise ValueError(
                    f"projection '{projection.name}' dangles: there is no area '{end}'"
                )
    if wiring.output not in wiring.arrival():
        raise ValueError(f"no path leads from '{inputs[0]}' to the output '{wiring.output}'")


def _check_projection(wiring: Wiring, projection: Projection) -> None:
    source, target = wiring.area(projection.source), wiring.area(projection.target)
    says = f"projection '{projection.name}'"
    if isinstance(target.unit, InputUnit):
        raise ValueError(f"{says} ends in the input area, which only the stimulus drives")
    if projection.kind == "lateral" and source != target:
        raise ValueError(f"{says} is lateral but joins two areas; lateral stays inside one")
    if projection.modules != "all" and (source.modules != target.modules or source.modules == 1):
        raise ValueError(
            f"{says} runs {projection.modules} modules, but the areas have "
            f"{source.modules} and {target.modules}; both need the same number, at least 2"
        )
    if projection.sign == "dale" and source.excitatory is None:
        raise ValueError(f"{says} has sign 'dale', but '{source.name}' sets no excitatory fraction")
    _check_pattern(projection, source, target)


def _check_pattern(projection: Projection, source: Area, target: Area) -> None:
    pattern, says = projection.pattern, f"projection '{projection.name}'"
    if isinstance(pattern, OneToOne) and source.shape != target.shape:
        raise ValueError(f"{says} is one-to-one between shapes {source.shape} and {target.shape}")
    if isinstance(pattern, OneToOne) and projection.modules == "between":
        raise ValueError(f"{says} is one-to-one, which joins nothing between modules")
    if isinstance(pattern, Convolution):
        if not (source.is_grid and target.is_grid):
            raise ValueError(
                f"{says} is a convolution, which needs (channels, height, width) at both ends, "
                f"not {source.shape} and {target.shape}"
            )
        fine, coarse = (source, target) if pattern.upward else (target, source)
        expected = tuple(-(-side // pattern.stride) for side in fine.shape[1:])
        if coarse.shape[1:] != expected:
            raise ValueError(
                f"{says} with stride {pattern.stride} maps {fine.shape[1:]} to {expected}, "
                f"not {coarse.shape[1:]}"
            )
