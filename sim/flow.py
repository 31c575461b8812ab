"""A rate network under a still stimulus as a map of its whole state onto the next."""

from collections.abc import Mapping

import torch
from torch import Tensor

from networks import BlindspotsError, RateUnit
from sim.network import Network, in_float64
from sim.step import State, step
from sim.units import ACTIVATIONS
from sim.unroll import still_drives, through_time


class Flow:
    """z[t+1] = F(z[t]), in float64, of N images at once.

    z (N, ``size``) holds the potentials u_a[t], u_a[t-1], ... of each area but the input, for as
    many steps as the longest delay out of ``a``: what a rate unit emits follows from its potential,
    so that this is the whole state, and with delays of 1 it is u[t] alone.

    Raises BlindspotsError where units spike or the input is not constant.
    """

    def __init__(self, network: Network, stimulus: Tensor):
        twin = in_float64(network)
        self.wiring, self.circuit = twin.wiring, twin.circuit()
        name = self.wiring.name
        if self.wiring.spiking:
            raise BlindspotsError(
                f"'{name}' spikes, so its step is no smooth map; take its rate twin, "
                "or measure finite differences (sim.lyapunov.difference)."
            )
        self.frames = twin.frames(stimulus.detach().cpu().double())
        if any(frame is not self.frames[0] for frame in self.frames):
            raise BlindspotsError(
                f"The input of '{name}' changes from step to step; keep it still."
            )
        self.still = still_drives(self.circuit, self.frames[0])
        self.areas = [a for a in self.wiring.areas if a != self.wiring.input]
        self.depth = {
            a.name: max((p.delay for p in self.wiring.projections if p.source == a.name), default=1)
            for a in self.wiring.areas
        }

    @property
    def size(self) -> int:
        """How many numbers the state of one image has."""
        return sum(a.size * self.depth[a.name] for a in self.areas)

    def __call__(self, z: Tensor) -> Tensor:
        """F(z)."""
        wiring, past = self.wiring, self._past(z)
        shown = self.frames[0].expand(len(z), *wiring.input.shape)
        emitted = {wiring.input.name: (shown,) * self.depth[wiring.input.name]}
        for area in self.areas:
            assert isinstance(area.unit, RateUnit)
            squash = ACTIVATIONS[area.unit.activation]
            emitted[area.name] = tuple(squash(u) for u in past[area.name])
        before = State({name: us[0] for name, us in past.items()}, emitted)
        after, _ = step(self.circuit, before, shown, 0, still=self.still)
        return self._state({a: (after.potentials[a], *us[:-1]) for a, us in past.items()})

    def rested(self, potentials: Tensor) -> Tensor:
        """The state of a network that has long had these potentials (N, units)."""
        parts = potentials.split([a.size for a in self.areas], 1)
        rows = zip(self.areas, parts, strict=True)
        return torch.cat([part.repeat(1, self.depth[area.name]) for area, part in rows], 1)

    def potentials(self, z: Tensor) -> Tensor:
        """u[t] of the areas one after the other, (N, units)."""
        return torch.cat([us[0].flatten(1) for us in self._past(z).values()], 1)

    def reached(self) -> tuple[int, Tensor]:
        """The first step at which all areas feel the stimulus and have a past, and z then."""
        first = max(*self.wiring.arrival().values(), max(self.depth.values()) - 1)
        if first >= self.wiring.steps:
            raise BlindspotsError(
                f"'{self.wiring.name}' has {self.wiring.steps} steps, but its slowest area has a "
                f"past from step {first} on; give the wiring more steps."
            )
        made = [m.state.potentials for m in through_time(self.circuit, self.frames)][: first + 1]
        past = {a.name: [us[a.name] for us in reversed(made)] for a in self.areas}
        images = len(self.frames[0])
        return first, self._state(
            {
                name: tuple(u.expand(images, *u.shape[1:]) for u in us[: self.depth[name]])
                for name, us in past.items()
            }
        )

    def _past(self, z: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """u_a[t], u_a[t-1], ... of each area, (N, *shape)."""
        parts = z.split([a.size * self.depth[a.name] for a in self.areas], 1)
        return {
            area.name: part.reshape(len(z), -1, *area.shape).unbind(1)
            for area, part in zip(self.areas, parts, strict=True)
        }

    def _state(self, past: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        return torch.cat([u.flatten(1) for us in past.values() for u in us], 1)
