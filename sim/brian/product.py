"""The product path: one matrix product per projection and step carries all images' emissions."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from networks import Convolution, OneToOne, Projection
from sim.brian.connections import connected
from sim.brian.populations import Scene
from sim.parameters import weight_name

Array = NDArray[np.float64]


def product_operation(brian2: Any, clock: Any, scene: Scene, groups: Mapping[str, Any]) -> Any:
    """The operation that stands in for synapses, in their slot of Brian2's schedule.

    What it delivers at the end of step t is read at step t + 1: for a projection of d steps, what
    its source emitted at t + 1 - d.
    """
    wiring = scene.wiring
    emitted = {a.name: _values(groups[a.name], "out", scene.images) for a in wiring.areas}
    past: dict[str, deque[Array]] = {
        a.name: deque(
            maxlen=max((p.delay for p in wiring.projections if p.source == a.name), default=1)
        )
        for a in wiring.areas
    }
    carriers = [
        (p, _values(groups[a.name], f"arrived_{k}", scene.images), carrier(scene, p))
        for a in wiring.areas
        for k, p in enumerate(wiring.into(a.name))
    ]

    def deliver() -> None:
        for name, out in emitted.items():
            past[name].appendleft(out.copy())
        for p, arrived, carry in carriers:
            if len(past[p.source]) >= p.delay:
                arrived[:] = carry(past[p.source][p.delay - 1])

    return brian2.NetworkOperation(deliver, clock=clock, when="synapses")


def _values(group: Any, variable: str, images: int) -> Array:
    """Brian2's own array of a variable, to read and to write, as (images, size)."""
    array: Array = group.variables[variable].get_value()
    return array.reshape(images, -1)


def carrier(scene: Scene, projection: Projection) -> Callable[[Array], Array]:
    """W_p out: emissions (images, source size) to what arrives (images, target size).

    The last product is kept: while the same is emitted, as by a still stimulus, the same arrives.
    """
    weights = matrix(scene, projection)
    last: list[Array] = []

    def carry(out: Array) -> Array:
        if not last or not np.array_equal(last[0], out):
            last[:] = [out, (weights @ out.T).T]
        return last[1]

    return carry


def matrix(scene: Scene, projection: Projection) -> Array | csr_array:
    """The (target, source) weights: a sparse matrix for convolutions and one-to-one."""
    source = scene.wiring.area(projection.source)
    target = scene.wiring.area(projection.target)
    weight = scene.values[weight_name(projection)]
    if not isinstance(projection.pattern, Convolution | OneToOne):
        return weight
    joined = connected(projection, source, target, weight)
    return csr_array(
        (joined.weights, (joined.targets, joined.sources)), shape=(target.size, source.size)
    )
