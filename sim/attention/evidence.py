"""From frames to evidence: a sensory network that watches a stream, step by step.

    e_k[t] = exp(o_k[t]) / sum_j exp(o_j[t])        (k: the digits, a distractor, an empty screen)
    cue[t] = 1 / (1 + exp(-o_cue[t]))

with o the output's potential (:mod:`networks.viewing`).
"""

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor

from networks import BlindspotsError, Projection, Wiring
from networks.viewing import CUE, check_watches
from sim.network import Network
from sim.step import Circuit, State, step
from sim.unroll import still_drives


class Stream(NamedTuple):
    """Items (n, items, 1, 28, 28) in [0, 1], each shown for ``steps`` steps."""

    items: Tensor
    steps: int


def evidence(potential: Tensor) -> tuple[Tensor, Tensor]:
    """Evidence (n, 12) for each class of item, and for a cue (n,), from the output's potential."""
    return torch.softmax(potential[:, :CUE], 1), torch.sigmoid(potential[:, CUE])


class Watched:
    """A network that watches a stream: one call for each step, with the contrast it is seen at.

    What the items send through the input's projections is computed once for each item; contrast
    multiplies it, since those projections are linear. A spiking input code has no place here.
    """

    def __init__(self, network: Network, stream: Stream):
        check_watches(network.wiring)
        self.circuit: Circuit = network.circuit()
        self.stream, self.state, self.t = stream, State(), 0
        self.longest = max(p.delay for p in _from_input(network.wiring))
        self.sent: dict[int, dict[str, Tensor]] = {}
        self.contrasts: list[Tensor | float] = []

    @property
    def shape(self) -> tuple[int, int]:
        """Steps until the last item has been felt, and trials."""
        trials, items = self.stream.items.shape[:2]
        return items * self.stream.steps + self.circuit.wiring.first_answer, trials

    def look(self, contrast: Tensor | float = 1.0) -> Tensor:
        """The output's potential (n, classes) one step on; ``contrast`` (n,) of what is seen."""
        self.contrasts.append(contrast)
        wiring = self.circuit.wiring
        arrives = {}
        for p in _from_input(wiring):
            shown = self.t - p.delay
            if shown >= 0:
                drive = self._drive(shown, p.name)
                arrives[p.name] = drive * _as(self.contrasts[shown], drive)
        frame = self.stream.items[:, self._item(self.t)]
        self.state, _ = step(self.circuit, self.state, frame, self.t, still=arrives)
        self.t += 1
        return self.state.potentials[wiring.output].expand(len(frame), -1)

    def before(self, items: Tensor) -> "Watched":
        """A copy at the same step that sees other ``items`` from now on; this one stays as it is.

        What has been shown so far is to be the same in both.
        """
        other = copy(self)
        other.stream = self.stream._replace(items=items)
        other.sent, other.contrasts = {}, list(self.contrasts)
        return other

    def _item(self, t: int) -> int:
        return min(t // self.stream.steps, self.stream.items.shape[1] - 1)

    def _drive(self, t: int, projection: str) -> Tensor:
        item = self._item(t)
        if item not in self.sent:
            self.sent = {k: v for k, v in self.sent.items() if k >= item - self.longest}
            self.sent[item] = still_drives(self.circuit, self.stream.items[:, item])
        return self.sent[item][projection]


class Kept:
    """What a network answered to a stream once, potentials (time, n, classes), step by step again.

    It was seen as it is, so that no gate can act back on it.
    """

    def __init__(self, potentials: Tensor):
        self.potentials, self.t = potentials, 0

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and trials."""
        return self.potentials.shape[0], self.potentials.shape[1]

    def before(self, items: Tensor) -> "Kept":
        """Never: BlindspotsError, since what was seen once is all that there is."""
        raise BlindspotsError("What was seen once cannot be seen before other items; show it anew.")

    def look(self, contrast: Tensor | float = 1.0) -> Tensor:
        """The potential one step on; BlindspotsError at any contrast but 1."""
        if not isinstance(contrast, float) or contrast != 1:
            raise BlindspotsError(
                "What was seen once cannot be seen again at another contrast; set contrast_gain "
                "to 0."
            )
        self.t += 1
        return self.potentials[self.t - 1]


def watched(network: Network, stream: Stream, steps: int) -> Iterator[Tensor]:
    """The output's potential (n, classes) at each of ``steps`` steps, seen as it is."""
    eye = Watched(network, stream)
    for _ in range(steps):
        yield eye.look()


def _from_input(wiring: Wiring) -> list[Projection]:
    return [p for p in wiring.projections if p.source == wiring.input.name]


def _as(contrast: Tensor | float, drive: Tensor) -> Tensor | float:
    """The contrast of each trial beside its drive (n, *shape)."""
    if isinstance(contrast, float):
        return contrast
    return contrast.reshape(-1, *[1] * (drive.ndim - 1))
