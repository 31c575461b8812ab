"""The same network with some of its projections weaker or stronger."""

import math
from collections.abc import Collection

from networks import BlindspotsError
from networks.projection import Kind
from sim.network import Network
from sim.parameters import weight_name


def scaled(network: Network, kinds: Collection[Kind], gain: float) -> Network:
    """A copy in which the projections of ``kinds`` deliver ``gain`` times what they did.

    The wiring stays: at gain 0 the projections are there and deliver nothing, which answers as
    :func:`networks.derive.without` does. The copy runs on every simulator.

    Raises BlindspotsError where the gain is below 0 (which the sign of a projection may forbid) or
    not finite, or no projection is of these kinds.
    """
    if not (math.isfinite(gain) and gain >= 0):
        raise BlindspotsError(f"The gain of projections is {gain}; give 0 or more.")
    chosen = {weight_name(p) for p in network.wiring.projections if p.kind in kinds}
    if not chosen:
        raise BlindspotsError(
            f"'{network.wiring.name}' has no {' or '.join(sorted(kinds))} projections to scale."
        )
    values = {
        name: (gain if name in chosen else 1) * value.detach()
        for name, value in network.values.items()
    }
    return Network(network.wiring, values, network.generator)
