"""The corruptions by name, with their levels; the functions are looked up when asked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import degrees
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    from experiments.corruptions.corrupt import CorruptionFunction

Level = tuple[float, ...]
Kind = Literal["mnist-c", "sweep"]


@dataclass(frozen=True)
class Corruption:
    """One corruption: what it is called, how strong it can be, and where its code is.

    Attributes:
        name: what the user writes; for MNIST-C, what its authors write.
        module: module of this room that holds the function.
        attribute: name of the function there.
        unit: what the first parameter of a level is, with its unit; empty where there is none.
        levels: what the function is given at severity 1, 2, ...
        default: the severity at which MNIST-C was made; 0 for a sweep, which has none.
        neutral: the first parameter at which a sweep leaves the image as it is.
    """

    name: str
    module: str
    attribute: str
    unit: str
    levels: tuple[Level, ...]
    default: int = 0
    neutral: float = 0.0

    @property
    def kind(self) -> Kind:
        """Of MNIST-C, or a sweep."""
        return "mnist-c" if self.default else "sweep"

    @property
    def function(self) -> "CorruptionFunction":
        """The corruption itself; the first look-up imports SciPy."""
        found = getattr(import_module(f"experiments.corruptions.{self.module}"), self.attribute)
        return cast("CorruptionFunction", found)

    def level(self, severity: int | None = None) -> Level:
        """The parameters at a severity from 1; without one, those that MNIST-C was made with."""
        if severity is None and not self.default:
            raise BlindspotsError(
                f"The sweep '{self.name}' has no default; choose a level from 1 to "
                f"{len(self.levels)}."
            )
        at = self.default if severity is None else severity
        if not 1 <= at <= len(self.levels):
            raise BlindspotsError(
                f"'{self.name}' has no severity {at}; choose from 1 to {len(self.levels)}."
            )
        return self.levels[at - 1]


def _each(*values: float) -> tuple[Level, ...]:
    return tuple((value,) for value in values)


_ANGLES = (0.2, 0.4, 0.6, 0.8, 1.0)  # radians
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
_MOTION = ((3, 10), (5, 15), (8, 15), (12, 15), (15, 20))
_FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
_SPATTER = (
    *((0.69, 0.65, 0.3, 4, 0.6), (0.68, 0.65, 0.3, 3, 0.6), (0.68, 0.65, 0.3, 2, 0.5)),
    *((0.65, 0.65, 0.3, 1, 1.5), (0.65, 0.67, 0.4, 1, 1.5)),
)
_ONE: tuple[Level, ...] = ((),)

MNIST_C = (
    Corruption(
        "shot_noise", "noise", "shot", "photons at full intensity", _each(60, 25, 12, 5, 3), 5
    ),
    Corruption(
        "impulse_noise",
        "noise",
        "impulse",
        "share of pixels",
        _each(0.03, 0.06, 0.09, 0.17, 0.27),
        4,
    ),
    Corruption("glass_blur", "blur", "glass", "sigma of the blur (pixels)", _GLASS, 1),
    Corruption("motion_blur", "blur", "motion", "sigma of the streak (pixels)", _MOTION, 1),
    Corruption("shear", "geometry", "shear", "angle (degrees)", _each(*map(degrees, _ANGLES)), 2),
    Corruption("scale", "geometry", "scale", "size (factor)", _each(0.9, 0.8, 0.7, 0.6, 0.5), 3),
    Corruption("rotate", "geometry", "rotate", "angle (degrees)", _each(*map(degrees, _ANGLES)), 2),
    Corruption(
        "brightness", "light", "brightness", "added intensity", _each(0.1, 0.2, 0.3, 0.4, 0.5), 5
    ),
    Corruption(
        "translate",
        "geometry",
        "translate",
        "shift per axis (pixels)",
        _each(1, 2, 3, 4, 5),
        3,
    ),
    Corruption("stripe", "marks", "stripe", "", _ONE, 1),
    Corruption("fog", "light", "fog", "fog against the image (intensity)", _FOG, 5),
    Corruption("spatter", "marks", "spatter", "threshold of the drops (intensity)", _SPATTER, 4),
    Corruption("dotted_line", "marks", "dotted_line", "", _ONE, 1),
    Corruption("zigzag", "marks", "zigzag", "", _ONE, 1),
    Corruption("canny_edges", "edges", "canny", "", _ONE, 1),
)
"""The corruptions of MNIST-C, in its order. Constants: its code, which the paper refers to."""

SWEEPS = (
    Corruption("rotation", "geometry", "rotate", "angle (degrees)", _each(10, 20, 30, 45, 60, 90)),
    Corruption(
        "translation",
        "geometry",
        "translate",
        "shift per axis (pixels)",
        _each(1, 2, 3, 4, 5, 6, 8),
    ),
    Corruption(
        "scaling",
        "geometry",
        "scale",
        "size (factor)",
        _each(0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4),
        neutral=1.0,
    ),
    Corruption(
        "lighting",
        "light",
        "brightness",
        "added intensity",
        _each(-0.8, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.8),
    ),
    Corruption(
        "contrast",
        "light",
        "contrast",
        "factor",
        _each(0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
        neutral=1.0,
    ),
    Corruption(
        "gaussian_noise",
        "noise",
        "gaussian",
        "standard deviation (intensity)",
        _each(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
    ),
)
"""One property each from little to much, in ascending order of the parameter."""

CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType({c.name: c for c in MNIST_C + SWEEPS})
"""Every corruption by name, in the order in which they are listed."""

GROUPS = {"mnist-c": MNIST_C, "sweeps": SWEEPS}


def corruption_named(name: str) -> Corruption:
    """The corruption of that name; BlindspotsError, naming the nearest, where there is none."""
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    return CORRUPTIONS[name]


def corruptions_named(names: Iterable[str]) -> tuple[Corruption, ...]:
    """Those of the names, each once; "mnist-c" and "sweeps" stand for all of either.

    Raises BlindspotsError, naming the nearest, where a name stands for none.
    """
    found: dict[str, Corruption] = {}
    for name in names:
        if name not in CORRUPTIONS and name not in GROUPS:
            raise unknown("corruption", name, (*GROUPS, *CORRUPTIONS))
        for each in GROUPS.get(name) or (CORRUPTIONS[name],):
            found[each.name] = each
    return tuple(found.values())
