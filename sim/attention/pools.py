"""What stands for a rate variable: the number itself, or the spikes of a pool of cells.

Every variable of :mod:`sim.attention.dynamics` is driven by an activity in [0, 1] that passes
through one of these, so that both readings share equations and parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from functools import cache
from math import ceil, exp, sqrt
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.attention import Attention
from sim.attention.crowd import Crowd

MEMBRANE_MS = 10.0
NOISE = 0.2  # of a membrane at rest, in thresholds: the 4 of 20 mV of networks.Physiology
SUBSTEP_MS = 2.5
CURRENTS = np.linspace(-0.5, 3.5, 81)


Emission = Callable[[str, Tensor], None]
"""Told at every step of each name's spikes (n, variables, cells), as numbers of them."""


def unheard(name: str, counts: Tensor) -> None:
    """Keeps no spikes."""


class Pools(Protocol):
    """Turns wanted activities into what is delivered.

    ``is_noisy`` says whether that fluctuates by itself.
    """

    is_noisy: bool

    def deliver(self, name: str, wanted: Tensor) -> Tensor:
        """What arrives during one step of a variable's wanted activity (n, variables) in [0, 1]."""

    def coincide(self, items: Tensor, goal: Tensor, window_ms: float) -> Tensor:
        """Coincidences of two wanted activities over their highest number, (n, variables).

        One spike waits for the other for ``window_ms`` on average.
        """

    def with_chance(self, generator: torch.Generator) -> Self:
        """A copy as it is now, whose chance to come is of ``generator``."""


class Graded:
    """The number itself: a pool without end."""

    is_noisy = False

    def deliver(self, name: str, wanted: Tensor) -> Tensor:
        """``wanted``."""
        return wanted

    def coincide(self, items: Tensor, goal: Tensor, window_ms: float) -> Tensor:
        """What independent trains of these rates are expected to have, their product."""
        return items * goal

    def with_chance(self, generator: torch.Generator) -> Self:
        """Itself: it has no chance, and no past."""
        return self


class Counted(ABC):
    """Pools of cells: what is delivered is their number of spikes over the highest one.

    For each variable ``size`` cells fire at up to ``rate_hz``. Gradients pass as through the number
    itself. ``told`` hears of all spikes.
    """

    is_noisy = True

    def __init__(self, size: int, rate_hz: float, dt_ms: float, told: Emission = unheard):
        self.size, self.rate_hz, self.dt_ms, self.told = size, rate_hz, dt_ms, told
        self.most = rate_hz * dt_ms / 1000  # spikes of a cell in a step
        self.waiting: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def counts(self, name: str, wanted: Tensor) -> Tensor:
        """Spikes (n, variables, cells) of the pools of ``name`` in one step."""

    def deliver(self, name: str, wanted: Tensor) -> Tensor:
        """Spikes of the pools of ``name`` over the highest number; (n, variables)."""
        got = self._spikes(name, wanted).mean(-1) / self.most
        return wanted + (got - wanted).detach()

    def coincide(self, items: Tensor, goal: Tensor, window_ms: float) -> Tensor:
        """Pairs of spikes of cells that stand opposite, over what the highest rates would give.

        A spike of either pool leaves a trace that decays with ``window_ms``, and counts for each
        later spike of the other pool by what is left of it; spikes of one step count in full.
        """
        first, second = self._spikes("items", items), self._spikes("goal", goal)
        kept = exp(-self.dt_ms / window_ms)
        old, other = self.waiting or (torch.zeros_like(first), torch.zeros_like(second))
        pairs = (first * second + first * other + old * second).mean(-1)
        self.waiting = (kept * (old + first), kept * (other + second))
        got = pairs / (self.most**2 * (1 + 2 * kept / (1 - kept)))
        wanted = items * goal
        return wanted + (got - wanted).detach()

    @abstractmethod
    def with_chance(self, generator: torch.Generator) -> Self:
        """A copy as it is now, whose chance to come is of ``generator``."""

    def _spikes(self, name: str, wanted: Tensor) -> Tensor:
        with torch.no_grad():
            counts = self.counts(name, wanted.detach().clamp(0, 1))
        self.told(name, counts)
        return counts


class Spikes(Counted):
    """Leaky integrate-and-fire cells, driven to fire at the activity that they stand for.

        tau du/dt = -u + I + noise,    u is put to 0 when it exceeds 1

    with tau 10 ms, in substeps of at most 2.5 ms, exact between them for a constant I and white
    noise of standard deviation 0.2 at rest. A cell that is to fire at ``wanted * rate_hz`` gets the
    current at which such cells do (measured once, :func:`currents_and_rates`).
    """

    def __init__(
        self,
        size: int,
        rate_hz: float,
        dt_ms: float,
        generator: torch.Generator,
        told: Emission = unheard,
    ):
        super().__init__(size, rate_hz, dt_ms, told)
        self.generator = generator
        self.membranes: dict[str, Tensor] = {}

    def counts(self, name: str, wanted: Tensor) -> Tensor:
        """Spikes (n, variables, cells) of one step."""
        current = current_for(wanted * self.rate_hz)[..., None]
        u = self.membranes.get(name)
        if u is None:
            u = torch.rand((*wanted.shape, self.size), generator=self.generator)
        self.membranes[name], counts = fired(u, current, self.dt_ms, self.generator)
        return counts

    def with_chance(self, generator: torch.Generator) -> Self:
        """A copy with the same membranes, whose noise to come is of ``generator``."""
        other = copy(self)
        other.generator, other.membranes = generator, dict(self.membranes)
        return other


def pools_of(
    p: Attention | Crowd,
    dt_ms: float,
    generator: torch.Generator,
    *,
    spiking: bool,
    told: Emission = unheard,
) -> Pools:
    """Those of one reading: the numbers themselves, or spikes, which ``told`` hears of."""
    return Spikes(p.pool, p.rate_hz, dt_ms, generator, told) if spiking else Graded()


def fired(
    u: Tensor, current: Tensor, dt_ms: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(membranes, spikes) of cells (..., cells) after ``dt_ms`` of a constant current (..., 1)."""
    substeps = ceil(dt_ms / SUBSTEP_MS)
    keeps = exp(-dt_ms / substeps / MEMBRANE_MS)
    shakes = NOISE * sqrt(1 - keeps**2)
    counts = torch.zeros_like(u)
    for _ in range(substeps):
        u = torch.empty_like(u).normal_(0, shakes, generator=generator).add_(u, alpha=keeps)
        u.add_(current, alpha=1 - keeps)
        fires = u > 1
        counts += fires
        u.masked_fill_(fires, 0)
    return u, counts


def current_for(rate_hz: Tensor) -> Tensor:
    """The constant current (threshold = 1) at which cells fire at ``rate_hz`` on average."""
    rates, currents = currents_and_rates()
    place = torch.searchsorted(rates, rate_hz.contiguous()).clamp(1, len(rates) - 1)
    share = (rate_hz - rates[place - 1]) / (rates[place] - rates[place - 1]).clamp_min(1e-9)
    return torch.lerp(currents[place - 1], currents[place], share.clamp(0, 1))


@cache
def currents_and_rates() -> tuple[Tensor, Tensor]:
    """Rates (Hz) of cells, rising, and the currents at which they fire so; measured over 2 s."""
    generator = torch.Generator().manual_seed(0)
    current = torch.tensor(CURRENTS, dtype=torch.float32)[:, None]
    u = torch.zeros(len(CURRENTS), 200)
    u, _ = fired(u, current, 200.0, generator)
    _, counts = fired(u, current, 2000.0, generator)
    rates: NDArray[np.float32] = np.maximum.accumulate(counts.mean(1).numpy() / 2)
    first = np.flatnonzero(rates > 0)[0] - 1
    return torch.tensor(rates[first:]), current[first:, 0]
