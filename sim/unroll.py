"""The loop through time, and the answer that is read at its end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sim.interventions import Intervention, holds
from sim.parameters import weight_name
from sim.rule import PLAIN, Rule
from sim.step import Circuit, State, step, transmit


class Moment(NamedTuple):
    """A step that was made: its index, the state after it, and the drive of each area."""

    t: int
    state: State
    drives: Mapping[str, Tensor]


def through_time(
    circuit: Circuit,
    frames: Sequence[Tensor],
    *,
    interventions: tuple[Intervention, ...] = (),
    rule: Rule = PLAIN,
    cut: int = 0,
    since: Moment | None = None,
) -> Iterator[Moment]:
    """Every step of the wiring in turn; a still stimulus drives the first areas from one product.

    They go on from the moment ``since``, where it is given.

    ``rule`` says what a gradient follows. None flows from step ``cut`` on back to the state before
    it (truncated backpropagation through time); 0 cuts nothing.
    """
    wiring, state = circuit.wiring, since.state if since else State()
    is_still = all(f is frames[0] for f in frames) and not holds(interventions, wiring.input.name)
    still = still_drives(circuit, frames[0]) if is_still else None
    for t in range(since.t + 1 if since else 0, wiring.steps):
        if t == cut:
            state = state.detached()
        state, drives = step(
            circuit, state, frames[t], t, still=still, interventions=interventions, rule=rule
        )
        yield Moment(t, state, drives)


def still_drives(circuit: Circuit, stimulus: Tensor) -> dict[str, Tensor]:
    """The drive that each projection from the input delivers while the stimulus stays."""
    wiring = circuit.wiring
    return {
        p.name: transmit(p, circuit.values[weight_name(p)], stimulus, wiring.area(p.target).shape)
        for p in wiring.projections
        if p.source == wiring.input.name
    }


def potentials(
    circuit: Circuit,
    frames: Sequence[Tensor],
    *,
    interventions: tuple[Intervention, ...] = (),
    rule: Rule = PLAIN,
    cut: int = 0,
) -> Tensor:
    """The output's potential at each step of the answer, (answer steps, N, classes)."""
    wiring = circuit.wiring
    moments = through_time(circuit, frames, interventions=interventions, rule=rule, cut=cut)
    rows = [m.state.potentials[wiring.output] for m in moments if m.t in wiring.answers]
    return torch.stack([row.expand(len(frames[0]), -1) for row in rows])
