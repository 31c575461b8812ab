"""Networks that watch a whole stream and report two targets by themselves: no gate, no memory.

What they remember they hold in their own recurrent activity; there are no type nodes, no filter, no
tokens. Both end in two readouts of 11 classes, the digits and "none", for the first and the second
report.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from networks import Wiring
from networks.projection import Dense
from sim.attention.evidence import Stream, watched
from sim.network import Network
from sim.parameters import weight_name

REPORTS = 2
CHOICES = 11
NONE = 10  # that there is nothing more to report


class Wired(nn.Module):
    """A wiring (:func:`networks.viewing.viewing`, 22 classes) whose output is the two readouts.

    Dense lateral weights of the areas that are read start as the identity, so that at first a unit
    holds what it has: from random ones such units hardly learn to remember (Le, Jaitly & Hinton
    2015, arXiv:1504.00941). Those of areas before them do not: what sees is to let go of an item
    when the next one comes, or it tells none from another.
    """

    def __init__(self, wiring: Wiring, seed: int):
        super().__init__()
        self.network = Network.initial(wiring, seed)
        read = {p.source for p in wiring.into(wiring.output)}
        with torch.no_grad():
            for p in wiring.projections:
                if p.source == p.target and p.source in read and isinstance(p.pattern, Dense):
                    weight = self.network.values[weight_name(p)]
                    weight.copy_(torch.eye(len(weight)))

    def begin_with(self, values: Mapping[str, Tensor]) -> None:
        """Take these weights and biases, by name, as first values."""
        with torch.no_grad():
            for name, value in values.items():
                self.network.values[name].copy_(value)

    def forward(self, stream: Stream) -> Tensor:
        """Logits (n, steps, 2, 11) at each step, from when the first item can be felt on."""
        items, late = stream.items.shape[1], self.network.wiring.first_answer
        potentials = list(watched(self.network, stream, items * stream.steps + late))
        return torch.stack(potentials[late:], 1).unflatten(2, (REPORTS, CHOICES))


class Gated(nn.Module):
    """Gated recurrent units (Cho et al. 2014, EMNLP) over a layer of features of each frame."""

    def __init__(self, pixels: int, units: int, seed: int):
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.features = nn.Linear(pixels, units)
            self.memory = nn.GRU(units, units, batch_first=True)
            self.answer = nn.Linear(units, REPORTS * CHOICES)

    def forward(self, stream: Stream) -> Tensor:
        """Logits (n, steps, 2, 11) at each step."""
        felt = torch.relu(self.features(stream.items.flatten(2)))
        states, _ = self.memory(felt.repeat_interleave(stream.steps, 1))
        return self.answer(states).unflatten(2, (REPORTS, CHOICES))


Reporting = Wired | Gated
