"""A whole stream: sensory network, gate and memory step by step, and what is remembered."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from networks.attention import Attention
from sim.attention.crowd import Crowd
from sim.attention.dynamics import AttentionState, Chance, Goal, at_rest, attend
from sim.attention.evidence import Kept, Stream, Watched, evidence
from sim.attention.pools import Graded, Pools
from sim.network import Network

Moment = Callable[[int, Tensor, AttentionState], None]
"""Told of every step: its index, the output's potential, the state after it."""


def unwatched(t: int, potential: Tensor, state: AttentionState) -> None:
    """Keeps nothing."""


class Seen(NamedTuple):
    """What a stream leaves behind, by trial and digit.

    ``ignited_ms`` (n, 10): when the item entered memory, inf where it never did. ``stamped_ms``:
    the same as its token says, with noise. ``peak`` (n, 10): how far memory's input rose above the
    threshold at its highest, which carries a gradient. ``consolidated`` (n, 10) at the end.
    """

    ignited_ms: Tensor
    stamped_ms: Tensor
    peak: Tensor
    consolidated: Tensor

    def reports(self, slots: int) -> tuple[Tensor, Tensor]:
        """The first ``slots`` digits by stamp (n, slots), -1 for none, and when they ignited."""
        stamp, digit = self.stamped_ms.sort(1)
        identity = torch.where(stamp.isfinite(), digit, -torch.ones_like(digit))[:, :slots]
        when = self.ignited_ms.gather(1, digit)[:, :slots]
        return identity, torch.where(when.isfinite(), when, torch.nan)


class Watching:
    """A stream that is being watched; it may be left at any step, and gone on with in copies.

    ``eye`` says what the sensory network answers; other arguments as of :func:`see`.
    """

    def __init__(
        self,
        eye: Watched | Kept,
        attention: Attention | Crowd,
        goal: Goal,
        generator: torch.Generator,
        *,
        dt_ms: float,
        pools: Pools | None = None,
    ):
        self.steps, trials = eye.shape
        self.attention, self.goal, self.dt_ms = attention, goal, dt_ms
        self.pools = pools or Graded()
        self.chance = Chance.drawn(attention, trials, generator)
        self.eye, self.state = eye, at_rest(attention, trials, dt_ms)
        self.when = torch.full_like(self.state.memory, torch.inf)
        self.peak = torch.full_like(self.state.memory, -torch.inf)

    def until(self, end: int | None = None, moment: Moment = unwatched) -> "Watching":
        """Itself, before step ``end`` or, by default, after all; ``moment`` is told of each."""
        p, gain = self.attention, self.attention.contrast_gain
        for t in range(self.eye.t, self.steps if end is None else min(end, self.steps)):
            potential = self.eye.look(1 + gain * self.state.gate if gain else 1.0)
            self.state = attend(
                *(p, self.state, *evidence(potential)),
                *(self.goal, self.chance, self.pools, self.dt_ms),
            )
            self.when = torch.where(
                (self.state.ignited > 0) & self.when.isinf(), t * self.dt_ms, self.when
            )
            self.peak = torch.maximum(self.peak, self.state.memory - p.threshold)
            moment(t, potential, self.state)
        return self

    def before(self, items: Tensor) -> "Watching":
        """A copy that goes on from this step before other ``items`` (n, items, 1, 28, 28).

        It meets the same chance as this one would. What has been shown so far is to be the same.
        """
        other = copy(self)
        generator = self.chance.generator.clone_state()
        other.chance = replace(self.chance, generator=generator)
        other.pools, other.eye = self.pools.with_chance(generator), self.eye.before(items)
        return other

    def seen(self) -> Seen:
        """What is left behind so far; stamps of time are drawn."""
        jitter = torch.randn(self.when.shape, generator=self.chance.generator)
        stamp = self.when + self.attention.order_ms * jitter
        return Seen(self.when, stamp, self.peak, self.state.consolidated)


def see(
    network: Network,
    stream: Stream,
    attention: Attention,
    goal: Goal,
    generator: torch.Generator,
    *,
    dt_ms: float,
    moment: Moment = unwatched,
    pools: Pools | None = None,
) -> Seen:
    """Show ``stream`` to ``network`` with ``attention`` behind it; chance is of ``generator``.

    The network never learns what is a target, or when. ``pools`` (:func:`sim.attention.pools_of`)
    stand for the variables of gate and memory; without them those are numbers (the rate reading).
    Where ``contrast_gain`` is set the gate acts back on what the network sees, one step later.
    """
    eye = Watched(network, stream)
    return remember(eye, attention, goal, generator, dt_ms=dt_ms, moment=moment, pools=pools)


def remember(
    eye: Watched | Kept,
    attention: Attention | Crowd,
    goal: Goal,
    generator: torch.Generator,
    *,
    dt_ms: float,
    moment: Moment = unwatched,
    pools: Pools | None = None,
) -> Seen:
    """What is remembered of what ``eye`` has of a stream; else as :func:`see`."""
    watching = Watching(eye, attention, goal, generator, dt_ms=dt_ms, pools=pools)
    return watching.until(moment=moment).seen()
