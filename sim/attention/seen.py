"""A whole stream: sensory network, gate and memory step by step, and what is remembered."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from networks.attention import Attention
from sim.attention.crowd import Crowd
from sim.attention.dynamics import AttentionState, Chance, Goal, at_rest, attend
from sim.attention.evidence import Stream, Watched, evidence
from sim.attention.pools import Emission, Graded, Pools, Spikes, unheard
from sim.network import Network

Moment = Callable[[int, Tensor, AttentionState], None]
"""Told of every step: its index, the output's potential, the state after it."""
Look = Callable[[Tensor | float], Tensor]
"""The output's potential (n, classes) one step on, seen at a contrast."""


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


def see(
    network: Network,
    stream: Stream,
    attention: Attention,
    goal: Goal,
    generator: torch.Generator,
    *,
    dt_ms: float,
    spiking: bool = False,
    moment: Moment = unwatched,
    emission: Emission = unheard,
    pools: Pools | None = None,
) -> Seen:
    """Show ``stream`` to ``network`` with ``attention`` behind it; chance is of ``generator``.

    The network never learns what is a target, or when. With ``spiking`` pools of cells stand for
    the variables of gate and memory, and ``emission`` is told of their spikes; ``pools`` that are
    given stand for them in any case. Where ``contrast_gain`` is set the gate acts back on what the
    network sees, one step later.
    """
    trials, items = stream.items.shape[:2]
    steps = items * stream.steps + network.wiring.first_answer
    return remember(
        Watched(network, stream).look, (steps, trials), attention, goal, generator,
        dt_ms=dt_ms, spiking=spiking, moment=moment, emission=emission, pools=pools,
    )  # fmt: skip


def remember(
    look: Look,
    shape: tuple[int, int],
    attention: Attention | Crowd,
    goal: Goal,
    generator: torch.Generator,
    *,
    dt_ms: float,
    spiking: bool = False,
    moment: Moment = unwatched,
    emission: Emission = unheard,
    pools: Pools | None = None,
) -> Seen:
    """What is remembered of ``shape`` (steps, trials) of what ``look`` gives; else as `see`."""
    steps, trials = shape
    if pools is None:
        pools = Graded()
        if spiking:
            pools = Spikes(attention.pool, attention.rate_hz, dt_ms, generator, emission)
    chance, state = Chance.drawn(attention, trials, generator), at_rest(attention, trials, dt_ms)
    when = torch.full_like(state.memory, torch.inf)
    peak = torch.full_like(state.memory, -torch.inf)
    for t in range(steps):
        gain = attention.contrast_gain
        potential = look(1 + gain * state.gate if gain else 1.0)
        found, cue = evidence(potential)
        state = attend(attention, state, found, cue, goal, chance, pools, dt_ms)
        when = torch.where((state.ignited > 0) & when.isinf(), t * dt_ms, when)
        peak = torch.maximum(peak, state.memory - attention.threshold)
        moment(t, potential, state)
    stamp = when + attention.order_ms * torch.randn(when.shape, generator=generator)
    return Seen(when, stamp, peak, state.consolidated)
