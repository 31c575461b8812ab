"""Type nodes, gate and working memory: one pure step, the equations above the code.

By class k of item, with e_k the evidence for it, b that for an empty screen, m_k = sum over other
classes of theirs, f_k the task filter; [.]+ cuts at nought; time in seconds, dt the step:

    types      dV_k/dt = s_k e_k / tau_rise - V_k (e_k / tau_rise + m_k / tau_mask + b / tau_icon)
    gate       tau_gate dB/dt = -B + sigmoid(w_in sum_k f_k V_k(t - delay) + b_0 - w_E E + w_BB B)
    refractory tau_E dE/dt = -E + [anything is being consolidated]     (of the gate's fatigue: + B)
    memory     tau_x dx_k/dt = -x_k + [f_k V_k (1 + g B) - w_lat sum_{j != k} [x_j]+]+  + noise
    ignition   when x_k exceeds theta; then a token is consolidated, uninhibited by its rivals:
               dc_k/dt = kappa_k (1 + min(x_k, 3) / theta) / 2 / (1 + sharing (under way - 1))
               until c_k = 1, when it is bound, and inhibits the gate no more

A gate that coincidences open hears spikes of the items that meet spikes of the goal, whose own rate
the task raises and consolidation lowers; S = min(1, sum_k f_k V_k(t - delay)):

    goal       G = sigmoid(b_0 - w_E E + w_BB B)
    gate       tau_gate dB/dt = -B + 1 - exp(-w_in S G)

S G is the rate of coincidences of independent trains over its highest, and the right-hand side how
likely a cell of the gate hears one at least, where w_in of them come at the highest rates. Where
pools spike, those of S and G are paired cell by cell, and their spikes are what is counted.

The filter of a goal of categories is 1 for digits and ``leak`` for all else; that of what is cued
is leak + (1 - leak) C for every digit, with C a type node of the cue.

Each right-hand side's activity passes through a pool (:mod:`sim.attention.pools`); noise is added
where pools have none of their own. Ignition is a step, whose derivative is a surrogate's (fast
sigmoid, slope 2), so that attacks can follow it.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from snntorch import surrogate
from torch import Tensor

from networks.attention import Attention
from networks.viewing import DISTRACTOR, EMPTY
from sim.attention.crowd import Crowd
from sim.attention.pools import Pools

DIGITS = 10
Goal = Literal["category", "cue"]
SATURATION = 3.0  # of x, in consolidation
fires = surrogate.fast_sigmoid(2.0)


class AttentionState(NamedTuple):
    """All that the next step needs; (n, ...) by trial.

    ``types`` (n, 12): digits, distractor, cue. ``gate``, ``refractory`` (n,). ``memory``,
    ``consolidated`` and ``ignited`` (n, 10): input stage, share that is bound, and 1 from ignition
    on. ``saliences``: what the gate has yet to hear, the oldest first.
    """

    types: Tensor
    gate: Tensor
    refractory: Tensor
    memory: Tensor
    consolidated: Tensor
    ignited: Tensor
    saliences: tuple[Tensor, ...]

    @property
    def under_way(self) -> Tensor:
        """1 where a token has ignited and is not bound yet, (n, 10)."""
        return self.ignited * (self.consolidated < 1)


@dataclass(frozen=True)
class Chance:
    """What is drawn once for a trial (n, ...), and where each step's noise comes from.

    ``gains`` (n, 12) of type nodes and ``rates`` (n, 10) of consolidation are log-normal.
    """

    gains: Tensor
    rates: Tensor
    generator: torch.Generator

    @classmethod
    def drawn(cls, p: Attention | Crowd, trials: int, generator: torch.Generator) -> "Chance":
        """Of ``trials`` trials."""
        gains = torch.randn(trials, DIGITS + 2, generator=generator)
        rates = torch.randn(trials, DIGITS, generator=generator)
        return cls(
            torch.exp(p.encoding_spread * gains - p.encoding_spread**2 / 2),
            p.consolidation_per_s * torch.exp(p.consolidation_spread * rates),
            generator,
        )


def at_rest(p: Attention | Crowd, trials: int, dt_ms: float) -> AttentionState:
    """Nothing seen, nothing remembered."""
    delay = max(1, round(p.gate_delay_ms / dt_ms))
    none, digits = torch.zeros(trials), torch.zeros(trials, DIGITS)
    return AttentionState(
        torch.zeros(trials, DIGITS + 2), none, none, digits, digits, digits, (none,) * delay
    )


def attend(
    p: Attention | Crowd,
    state: AttentionState,
    evidence: Tensor,
    cue: Tensor,
    goal: Goal,
    chance: Chance,
    pools: Pools,
    dt_ms: float,
) -> AttentionState:
    """The state one step after ``evidence`` (n, 12) of items and ``cue`` (n,)."""
    dt = dt_ms / 1000
    types = _types(p, state.types, evidence, cue, chance, pools, dt_ms)
    passed = filter_of(p, types, goal) * types[:, : DIGITS + 1]
    gate = _gate(p, state, pools, dt_ms)
    memory = _memory(p, state, passed[:, :DIGITS], gate, chance, pools, dt_ms)
    ignited = torch.maximum(state.ignited, fires(memory - p.threshold))
    under_way = ignited * (state.consolidated < 1)
    others = (under_way.sum(1, keepdim=True) - 1).clamp_min(0)
    speed = (1 + memory.clamp(0, SATURATION) / p.threshold) / 2 / (1 + p.sharing * others)
    consolidated = state.consolidated + dt * chance.rates * speed * under_way
    tiring = state.gate if p.gate == "fatigue" else under_way.amax(1)
    heard = pools.deliver("refractory", tiring[:, None])[:, 0]
    refractory = state.refractory + dt_ms / p.refractory_ms * (heard - state.refractory)
    saliences = (*state.saliences[1:], passed.sum(1))
    return AttentionState(types, gate, refractory, memory, consolidated, ignited, saliences)


def filter_of(p: Attention | Crowd, types: Tensor, goal: Goal) -> Tensor:
    """What passes of each class, (n, 11): digits, and the distractor."""
    if goal == "cue":
        passes = p.leak + (1 - p.leak) * types[:, DIGITS + 1 :].clamp(0, 1)
        return passes.expand(-1, DIGITS + 1)
    passes = torch.ones(1, DIGITS + 1)
    passes[:, DISTRACTOR] = p.leak
    return passes


def goal_of(targets: str, instruction: str) -> Goal:
    """The goal of a task: what is ringed, where targets are, or the second alone is asked for."""
    return "cue" if targets == "cue" or instruction == "second" else "category"


def _types(
    p: Attention | Crowd,
    types: Tensor,
    evidence: Tensor,
    cue: Tensor,
    chance: Chance,
    pools: Pools,
    dt_ms: float,
) -> Tensor:
    arrives = pools.deliver("types", torch.cat([evidence, cue[:, None]], 1))
    items, empty, ring = arrives[:, :EMPTY], arrives[:, EMPTY : EMPTY + 1], arrives[:, EMPTY + 1 :]
    others = items.sum(1, keepdim=True) - items
    rises = torch.cat([items, ring], 1) / p.rise_ms
    unringed = (1 - ring - empty).clamp_min(0)
    falls = torch.cat([others, unringed], 1) / p.mask_ms + empty / p.icon_ms
    return types + dt_ms * (chance.gains * rises - types * (rises + falls))


def _gate(p: Attention | Crowd, state: AttentionState, pools: Pools, dt_ms: float) -> Tensor:
    if p.gate == "open":
        return torch.ones_like(state.gate)
    inside = p.gate_bias + p.gate_self * state.gate - p.refractoriness * state.refractory
    if p.gate == "coincidence":
        salient, goal = state.saliences[0].clamp(0, 1), torch.sigmoid(inside)
        meets = pools.coincide(salient[:, None], goal[:, None], p.coincidence_ms)[:, 0]
        wanted = -torch.expm1(-p.gate_input * meets)
    else:
        wanted = torch.sigmoid(p.gate_input * state.saliences[0] + inside)
    heard = pools.deliver("gate", wanted[:, None])[:, 0]
    return state.gate + dt_ms / p.gate_ms * (heard - state.gate)


def _memory(
    p: Attention | Crowd,
    state: AttentionState,
    passed: Tensor,
    gate: Tensor,
    chance: Chance,
    pools: Pools,
    dt_ms: float,
) -> Tensor:
    held = state.memory.clamp_min(0)
    rivals = (held.sum(1, keepdim=True) - held) * (1 - state.under_way)
    enters = passed * (1 + p.gate_gain * gate[:, None]) - p.rivalry * rivals
    highest = 1 + p.gate_gain
    heard = highest * pools.deliver("memory", enters.clamp_min(0) / highest)
    memory = state.memory + dt_ms / p.memory_ms * (heard - state.memory)
    if pools.is_noisy:
        return memory
    noise = torch.randn(passed.shape, generator=chance.generator)
    return memory + p.noise * (dt_ms / 1000) ** 0.5 * noise
