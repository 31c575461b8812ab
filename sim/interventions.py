"""Interventions: what an experimenter does to a running network over the steps [start, stop)."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from networks import Projection, Wiring
from networks.described import Described
from networks.errors import unknown


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
    """Nothing arrives through the projection ``cut``, or through any that touches area ``cut``.

    The window counts steps of arrival. A lesion for all time equals zero weights.
    """

    cut: str


Intervention = Clamp | Silence | Inject | Lesion


def check(wiring: Wiring, interventions: tuple[Intervention, ...]) -> None:
    """Raise BlindspotsError if an intervention names what the wiring does not have."""
    areas = [a.name for a in wiring.areas]
    for act in interventions:
        if isinstance(act, Lesion):
            parts = areas + [p.name for p in wiring.projections]
            if act.cut not in parts:
                raise unknown(f"area or projection of '{wiring.name}'", act.cut, parts)
        elif act.area not in areas:
            raise unknown(f"area of '{wiring.name}'", act.area, areas)
        else:
            size = wiring.area(act.area).size
            for unit in act.units or ():
                if not 0 <= unit < size:
                    raise unknown(f"unit of area '{act.area}'", str(unit), [f"0 to {size - 1}"])


def is_cut(interventions: tuple[Intervention, ...], projection: Projection, t: int) -> bool:
    """Whether a lesion stops what would arrive through ``projection`` at step ``t``."""
    touched = (projection.name, projection.source, projection.target)
    return any(isinstance(a, Lesion) and a.acts_at(t) and a.cut in touched for a in interventions)


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


def _chosen(units: tuple[int, ...] | None, like: Tensor) -> Tensor:
    """1 at ``units`` (flat indices) of one image's activity, 0 elsewhere; broadcastable."""
    if units is None:
        return torch.ones_like(like[:1])
    flat = torch.zeros_like(like[:1]).flatten()
    flat[list(units)] = 1
    return flat.reshape(like[:1].shape)
