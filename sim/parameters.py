"""Parameters of a wiring: their names, shapes, first values and what the simulator uses of them."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from networks import BlindspotsError, Convolution, Projection, Wiring
from networks.connectivity import fan_in, mask, source_signs, weight_shape
from networks.projection import FEEDBACK

Parameters = Mapping[str, Tensor]


def weight_name(projection: Projection) -> str:
    """Key of a projection's weights."""
    return f"weight/{projection.name}"


def bias_name(area: str) -> str:
    """Key of an area's biases: one per unit, or per channel of a grid."""
    return f"bias/{area}"


def shapes(wiring: Wiring) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter, by name."""
    weights = {
        weight_name(p): weight_shape(p, wiring.area(p.source), wiring.area(p.target))
        for p in wiring.projections
    }
    biases = {bias_name(a.name): (a.channels,) for a in wiring.areas if a != wiring.input}
    return weights | biases


def initial_parameters(
    wiring: Wiring, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Uniform in +-1/sqrt(fan-in) of the projection; lateral and top-down at half that.

    Halving keeps the loops' gain below one at the start, so that activity does not run away.
    """

    def uniform(shape: tuple[int, ...], bound: float) -> Tensor:
        return (torch.rand(shape, generator=generator, dtype=dtype) * 2 - 1) * bound

    values: dict[str, Tensor] = {}
    first_bound: dict[str, float] = {}
    for p in wiring.projections:
        source, target = wiring.area(p.source), wiring.area(p.target)
        bound = 1 / sqrt(fan_in(p, source, target))
        first_bound.setdefault(p.target, bound)
        gain = 0.5 if p.kind in FEEDBACK else 1.0
        values[weight_name(p)] = uniform(weight_shape(p, source, target), gain * bound)
    for area in wiring.areas:
        if area != wiring.input:
            bound = first_bound.get(area.name, 0.0)
            values[bias_name(area.name)] = uniform((area.channels,), bound)
    return values


def check(wiring: Wiring, parameters: Parameters) -> None:
    """Raise BlindspotsError unless ``parameters`` are exactly those of ``wiring``."""
    expected = shapes(wiring)
    for name in expected.keys() | parameters.keys():
        given = tuple(parameters[name].shape) if name in parameters else None
        if name not in expected:
            raise BlindspotsError(f"Parameter '{name}' does not belong to '{wiring.name}'.")
        if given != expected[name]:
            raise BlindspotsError(
                f"Parameter '{name}' of '{wiring.name}' has shape {given}, "
                f"but its wiring needs {expected[name]}."
            )


def constraints(wiring: Wiring) -> dict[str, tuple[Tensor | None, Tensor | None]]:
    """(mask, sign) of each projection's weights, None where nothing constrains them."""
    found = {}
    for p in wiring.projections:
        source, target = wiring.area(p.source), wiring.area(p.target)
        kept, signs = mask(p, source, target), source_signs(p, source)
        spread = (..., None, None) if isinstance(p.pattern, Convolution) else (...,)
        found[weight_name(p)] = (
            None if kept is None else torch.from_numpy(kept[spread]),
            None if signs is None else torch.from_numpy(np.asarray(signs[spread])),
        )
    return found


def constrained(weight: Tensor, kept: Tensor | None, sign: Tensor | None) -> Tensor:
    """The weights that act: absolute values times the sign, and zero where nothing connects."""
    if sign is not None:
        weight = weight.abs() * sign.to(weight.dtype)
    return weight if kept is None else weight * kept.to(weight.dtype)
