"""Projections: what one area sends to another, by which pattern and after which delay."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from networks.area import Name
from networks.described import Described


class Dense(Described):
    """Every unit to every unit."""

    model: Literal["dense"] = "dense"

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        return "dense"


class Sparse(Described):
    """Each possible connection exists with probability ``density``, drawn once from ``seed``.

    Between grids ``Convolution`` takes a density of its own.
    """

    model: Literal["sparse"] = "sparse"
    density: Annotated[float, Field(gt=0, le=1)]
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        return f"sparse {self.density:g}"


class Convolution(Described):
    """The same odd, zero-padded ``kernel`` everywhere on the grid.

    ``stride`` s maps height h to ceil(h / s); ``upward=False`` is its transpose, which maps the
    coarse grid back onto the fine one (top-down). ``density`` < 1 keeps that fraction of the
    channel-to-channel kernels, drawn once from ``seed``.
    """

    model: Literal["convolution"] = "convolution"
    kernel: Annotated[int, Field(ge=1)]
    stride: Annotated[int, Field(ge=1)] = 1
    upward: bool = True
    density: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _kernel_is_odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"a convolution's kernel must be odd, not {self.kernel}")
        return self

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        words = [f"{'' if self.upward else 'transposed '}conv {self.kernel}x{self.kernel}"]
        words += [f"stride {self.stride}"] if self.stride > 1 else []
        words += [f"density {self.density:g}"] if self.density < 1 else []
        return ", ".join(words)


class OneToOne(Described):
    """Unit i to unit i, each with its own weight."""

    model: Literal["one-to-one"] = "one-to-one"

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        return "one-to-one"


Pattern = Annotated[Dense | Sparse | Convolution | OneToOne, Field(discriminator="model")]
Kind = Literal["feedforward", "lateral", "top-down", "skip"]
KINDS: tuple[Kind, ...] = ("feedforward", "skip", "lateral", "top-down")
"""In the order in which they are listed and drawn."""
FEEDBACK: tuple[Kind, ...] = ("lateral", "top-down")
"""The kinds that close loops."""
DRIVES = ("bias", *KINDS)
"""The parts of an area's drive."""


class Projection(Described):
    """One bundle of connections. What ``source`` emits at step t arrives at step t + ``delay``.

    ``modules`` limits it to connections inside a module ("within") or across ("between").
    ``sign`` constrains the weights: all positive ("excitatory"), all negative ("inhibitory"), or
    by each source unit's own type ("dale": see ``Area.excitatory``); None leaves them free.
    """

    source: Name
    target: Name
    kind: Kind = "feedforward"
    pattern: Pattern = Dense()
    modules: Literal["all", "within", "between"] = "all"
    delay: Annotated[int, Field(ge=1)] = 1
    sign: Literal["excitatory", "inhibitory", "dale"] | None = None

    @property
    def name(self) -> str:
        """``source>target``, with the part of the modules that it serves; unique in a wiring."""
        part = "" if self.modules == "all" else f":{self.modules}"
        return f"{self.source}>{self.target}{part}"

    @property
    def label(self) -> str:
        """Pattern, part of the modules and sign in few words, for tables and drawings."""
        part = "" if self.modules == "all" else f" {self.modules} modules"
        return self.pattern.label + part + (f", {self.sign}" if self.sign else "")
