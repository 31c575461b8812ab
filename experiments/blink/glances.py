"""What the first areas of a wiring learn from single pictures, before they see any stream.

A network that is to learn all at once what a digit looks like and what to do with it, from two
answers at the end of a stream, learns neither in reasonable time. So its areas that are driven by
the input start with features that tell digits, and distractors, apart.
"""

import torch
from torch.nn import functional as F

from experiments.adam import Adam
from experiments.blink.recipes import Schooling
from experiments.blink.schooling import descend, lesson
from experiments.data.dataset import Split
from networks import Wiring
from networks.derive import feedforward_part
from networks.viewing import CUE, viewing
from sim import Network
from sim.parameters import bias_name, weight_name

BATCH = 512  # pictures
DISTRACTORS = 0.6  # share of pictures: in streams they are most


def glanced(
    wiring: Wiring, batches: int, rate: float, noise: float, split: Split, seed: int
) -> dict[str, torch.Tensor]:
    """First values, by name, of the projections from the input and of the areas they drive.

    They are those of the wiring's feedforward part, memoryless, once it has learned to say of
    ``batches`` of training pictures which digit or distractor each is, in noise with standard
    deviations up to ``noise``. Diverged where the loss is not finite.
    """
    school = Schooling(noise=noise, distractors=DISTRACTORS, blanks=0, rings=0)
    network = Network.initial(viewing(feedforward_part(wiring), 1.0, 1.0), seed)
    generator = torch.Generator().manual_seed(seed)
    optimiser = Adam(network.parameters(), weight_decay=1e-4)
    for i in range(batches):
        drawn = torch.randint(len(split.labels), (BATCH,), generator=generator)
        taught = lesson(split.images[drawn], split.labels[drawn], school, generator)
        said = network(taught.items.flatten(0, 1))[:, :CUE]
        lost = F.cross_entropy(said, taught.kinds.flatten())
        descend(network, optimiser, lost, rate, i / batches)
    first = [p for p in wiring.projections if p.source == wiring.input.name]
    names = dict.fromkeys([*map(weight_name, first), *(bias_name(p.target) for p in first)])
    return {name: network.values[name].detach().clone() for name in names}
