"""Areas: populations of units and the model that each unit follows."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from networks.code import Code, Constant
from networks.described import Described

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_@-]*$", max_length=64)]


class InputUnit(Described):
    """A unit that emits the stimulus in its ``code``; with ``threshold``, 1 where it exceeds that.

    Thresholding has no useful derivative: attacks see the identity (straight-through; Bengio et
    al. 2013), as a referee's adaptive attack would (BPDA; Athalye et al. 2018).
    """

    model: Literal["input"] = "input"
    threshold: Annotated[float, Field(ge=0, lt=1)] | None = None
    code: Code = Constant()

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        coded = "input" if self.code.model == "constant" else f"input, {self.code.model} coded"
        return coded if self.threshold is None else f"{coded}, binarised at {self.threshold:g}"


class RateUnit(Described):
    """``u[t] = (1 - leak) u[t-1] + leak drive[t]``, ``out[t] = f(u[t])``.

    ``leak`` is dt / tau in (0, 1]; at 1 the unit has no memory.
    """

    model: Literal["rate"] = "rate"
    activation: Literal["relu", "tanh", "sigmoid", "identity"] = "relu"
    leak: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def label(self) -> str:
        """In few words, for tables and drawings."""
        return f"rate, {self.activation}" + (f", leak {self.leak:g}" if self.leak < 1 else "")


class SpikingUnit(Described):
    """Leaky integrate-and-fire with reset by subtraction, as snnTorch's ``Leaky``.

    ``u[t] = beta u[t-1] + drive[t] - threshold out[t-1]``, ``out[t] = 1 if u[t] > threshold``;
    the derivative of ``out`` is the named surrogate of ``snntorch.surrogate`` at ``slope``.
    """

    model: Literal["lif"] = "lif"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.9
    threshold: Annotated[float, Field(gt=0)] = 1.0
    surrogate: Literal["fast_sigmoid", "atan", "sigmoid", "straight_through_estimator"] = (
        "fast_sigmoid"
    )
    slope: Annotated[float, Field(gt=0)] = 2.0

    @property
    def label(self) -> str:
        """In few words, for tables and drawings; the surrogate is training's affair."""
        return f"LIF, beta {self.beta:g}, threshold {self.threshold:g}"


Unit = Annotated[InputUnit | RateUnit | SpikingUnit, Field(discriminator="model")]


class Area(Described):
    """A population of units of one model.

    ``shape`` is ``(size,)`` or ``(channels, height, width)``. With ``modules`` > 1 the units
    (for a grid: its channels) are cut into that many equal, consecutive groups. ``excitatory``
    is the fraction of units (channels) whose outgoing weights are positive where a projection
    asks for ``sign="dale"``; the others are inhibitory.
    """

    name: Name
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    unit: Unit = RateUnit()
    modules: Annotated[int, Field(ge=1)] = 1
    excitatory: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _shape_can_be_honoured(self) -> Self:
        if len(self.shape) not in (1, 3):
            raise ValueError(
                f"area '{self.name}' has shape {self.shape}; "
                "give (size,) or (channels, height, width)"
            )
        if self.shape[0] % self.modules:
            raise ValueError(
                f"area '{self.name}' cannot be cut into {self.modules} equal modules: "
                f"{self.shape[0]} is not a multiple of {self.modules}"
            )
        return self

    @property
    def size(self) -> int:
        """Number of units."""
        return prod(self.shape)

    @property
    def channels(self) -> int:
        """Number of units of a flat area, of channels of a grid: what modules and signs cut."""
        return self.shape[0]

    @property
    def is_grid(self) -> bool:
        """Whether the units lie on a (channels, height, width) grid."""
        return len(self.shape) == 3

    @property
    def has_memory(self) -> bool:
        """Whether the state outlives one step."""
        return self.unit.model == "lif" or (self.unit.model == "rate" and self.unit.leak < 1)
