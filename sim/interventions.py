"""Interventions: what an experimenter does to a running network over the steps [start, stop)."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeGuard, get_args

import torch
from pydantic import Field
from torch import Tensor

from networks import BlindspotsError, Projection, Wiring
from networks.described import Described
from networks.errors import unknown
from networks.projection import Kind


class _Window(Described):
    start: Annotated[int, Field(ge=0)] = 0
    stop: Annotated[int, Field(ge=0)] | None = None

    def acts_at(self, t: int) -> bool:
        """Whether step ``t`` lies in [start, stop)."""
        return self.start <= t and (self.stop is None or t < self.stop)


class Clamp(_Window):
    """Units of ``area`` (all, or the flat indices ``units``) emit ``value`` whatever their state.

    What is emitted is also what resets a spiking unit; its membrane goes on otherwise.
    """

    area: str
    value: float
    units: tuple[int, ...] | None = None


class Silence(_Window):
    """Units of ``area`` emit nothing."""

    area: str
    units: tuple[int, ...] | None = None
    value: Literal[0] = 0


class Inject(_Window):
    """``current`` is added to the drive of the units of ``area``."""

    area: str
    current: float
    units: tuple[int, ...] | None = None


class Lesion(_Window):
    """Nothing arrives through the projection ``cut``, through any of that kind, or of that area.

    An area's projections are those that lead into it and out of it. The window counts steps of
    arrival. A lesion for all time equals zero weights.
    """

    cut: str

    @property
    def through(self) -> str:
        """The projection, kind or area that is acted on."""
        return self.cut

    @property
    def gain(self) -> float:
        """What arrives is multiplied by this."""
        return 0.0


class Scale(_Window):
    """``gain`` times what it would be arrives ``through`` a projection, kind or area (as a lesion).

    A gain of 0 is a lesion, 1 changes nothing.
    """

    through: str
    gain: Annotated[float, Field(ge=0)]


class Hold(_Window):
    """What arrived at step ``start`` - 1 arrives again at each step of the window: frozen feedback.

    ``through`` names a projection, kind or area, as for a lesion.
    """

    through: str
    start: Annotated[int, Field(ge=1)]


Intervention = Clamp | Silence | Inject | Lesion | Scale | Hold
UponArrival = Lesion | Scale | Hold
"""Those that act on what arrives, in the order in which they are given."""
UponUnits = Clamp | Silence | Inject
Held = Mapping[tuple[int, str], Tensor]
"""What a hold repeats: by its place among the interventions and the projection's name."""


def check(wiring: Wiring, interventions: tuple[Intervention, ...]) -> None:
    """Raise BlindspotsError if an intervention names what the wiring does not have."""
    for act in interventions:
        if isinstance(act, UponArrival):
            _check_pathway(wiring, act.through)
        else:
            _check_units(wiring, act)


def _check_pathway(wiring: Wiring, through: str) -> None:
    kinds = {p.kind for p in wiring.projections}
    parts = [*(a.name for a in wiring.areas), *(p.name for p in wiring.projections), *kinds]
    if through in parts:
        return
    if through in get_args(Kind):
        raise BlindspotsError(
            f"'{wiring.name}' has no {through} projections to act on; name one of its kinds "
            f"({', '.join(sorted(kinds))}), or take a network that has {through} ones."
        )
    raise unknown("area, projection or kind of projection", through, parts, f"in '{wiring.name}'")


def _check_units(wiring: Wiring, act: UponUnits) -> None:
    areas = [a.name for a in wiring.areas]
    if act.area not in areas:
        raise unknown("area", act.area, areas, f"in '{wiring.name}'")
    size = wiring.area(act.area).size
    for unit in act.units or ():
        if not 0 <= unit < size:
            raise BlindspotsError(
                f"There is no unit {unit} in area '{act.area}'; choose from 0 to {size - 1}."
            )


def concerns(act: Intervention, projection: Projection) -> TypeGuard[UponArrival]:
    """Whether ``act`` may change what arrives through ``projection``."""
    touched = (projection.name, projection.source, projection.target, projection.kind)
    return isinstance(act, UponArrival) and act.through in touched


def delivered(
    interventions: tuple[Intervention, ...],
    projection: Projection,
    t: int,
    sent: Tensor | None,
    held: Held,
) -> tuple[Tensor | None, Held]:
    """What arrives of what was ``sent`` (None: nothing yet), and what holds may repeat of it.

    ``held`` is what the step before returned of this projection.
    """
    kept: dict[tuple[int, str], Tensor] = {}
    for place, act in enumerate(interventions):
        if not concerns(act, projection):
            continue
        if isinstance(act, Hold):
            key = place, projection.name
            sent = held.get(key) if act.acts_at(t) else sent
            if sent is not None:
                kept[key] = sent
        elif sent is not None:
            sent = gain_at(act, t) * sent
    return sent, kept


def gain_at(act: Lesion | Scale, t: int) -> float:
    """What arrives at step ``t`` is multiplied by this."""
    return act.gain if act.acts_at(t) else 1.0


def injected(interventions: tuple[Intervention, ...], area: str, t: int, drive: Tensor) -> Tensor:
    """The drive of ``area`` with the currents of step ``t``."""
    for act in interventions:
        if isinstance(act, Inject) and act.area == area and act.acts_at(t):
            drive = drive + act.current * _chosen(act.units, drive)
    return drive


def clamped(interventions: tuple[Intervention, ...], area: str, t: int, out: Tensor) -> Tensor:
    """What ``area`` emits at step ``t`` under clamps and silencing."""
    for act in interventions:
        if isinstance(act, Clamp | Silence) and act.area == area and act.acts_at(t):
            chosen = _chosen(act.units, out)
            out = torch.where(chosen.bool(), torch.full_like(out, act.value), out)
    return out


def holds(interventions: tuple[Intervention, ...], area: str) -> bool:
    """Whether units of ``area`` ever emit otherwise than of their own."""
    return any(isinstance(a, Clamp | Silence) and a.area == area for a in interventions)


def _chosen(units: tuple[int, ...] | None, like: Tensor) -> Tensor:
    """1 at ``units`` (flat indices) of one image's activity, 0 elsewhere; broadcastable."""
    if units is None:
        return torch.ones_like(like[:1])
    flat = torch.zeros_like(like[:1]).flatten()
    flat[list(units)] = 1
    return flat.reshape(like[:1].shape)
