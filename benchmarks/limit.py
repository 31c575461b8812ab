"""What a dense training step takes at least by PyTorch: its matrix products and convolutions."""

from collections.abc import Callable

import torch

from networks import Convolution, Projection, Wiring
from networks.connectivity import weight_shape
from sim.whole.grids import LAST, Grids
from sim.whole.plan import first_steps, last_steps


def products_alone(wiring: Wiring, batch: int) -> Callable[[], None]:
    """Only the dense products and convolutions that a step cannot do without, by PyTorch: less is
    possible where spikes are few, or where kernels are faster. Forward, input gradient, weight
    gradient; the image's drive once.

    What all images share, before the input has arrived, and what no longer reaches the answer is
    left out.
    """
    first, last = first_steps(wiring), last_steps(wiring)
    parts = [
        part_of(wiring, p, batch, 1 if p.source == wiring.input.name else steps)
        for p in wiring.projections
        if (steps := last[p.target] + 1 - first[p.source] - p.delay) > 0
    ]

    def products() -> None:
        for part in parts:
            part()

    return products


def part_of(wiring: Wiring, p: Projection, batch: int, steps: int) -> Callable[[], None]:
    """Those of one projection, which is used so often."""
    source, target = wiring.area(p.source), wiring.area(p.target)
    out, error = torch.randn(batch, source.size), torch.randn(batch, target.size)
    weight, is_inner = torch.randn(weight_shape(p, source, target)), source != wiring.input
    sources, errors = out.repeat(steps, 1), error.repeat(steps, 1)

    def convolutions() -> None:
        for _ in range(steps):
            grids.arrives(out, weight)
            grids.by_weight(error, out, weight)
            if is_inner:
                grids.by_source(error, out, weight)

    def products() -> None:
        for _ in range(steps):
            torch.mm(out, weight.T)
            if is_inner:
                torch.mm(error, weight)
        torch.mm(errors.T, sources)

    if not isinstance(p.pattern, Convolution):
        return products
    grids = Grids(p.pattern, source, target, LAST)  # which takes the least time
    weight = weight.contiguous(memory_format=torch.channels_last)
    return convolutions
