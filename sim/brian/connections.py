"""Every pattern as a list of single connections: what explicit synapses are made of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks import Area, Convolution, OneToOne, Projection, Wiring
from networks.connectivity import connections, mask


class Connections(NamedTuple):
    """Connection k leads from unit ``sources[k]`` to unit ``targets[k]`` at ``weights[k]``."""

    targets: NDArray[np.int64]
    sources: NDArray[np.int64]
    weights: NDArray[np.float64]


def connected(
    projection: Projection, source: Area, target: Area, weight: NDArray[np.float64]
) -> Connections:
    """The connections of ``projection`` between flat indices, by its acting ``weight``.

    ``weight`` is shaped as :func:`networks.connectivity.weight_shape` says.
    """
    if isinstance(projection.pattern, OneToOne):
        units = np.arange(target.size)
        return Connections(units, units, weight)
    kept = mask(projection, source, target)
    targets, sources = np.nonzero(np.ones(weight.shape[:2], bool) if kept is None else kept)
    if not isinstance(projection.pattern, Convolution):
        return Connections(targets, sources, weight[targets, sources])
    on_target, on_source, tap = _places(projection.pattern, source, target)
    of_target, of_source = (int(np.prod(area.shape[1:])) for area in (target, source))
    kernels = weight.reshape(*weight.shape[:2], -1)
    return Connections(
        (targets[:, None] * of_target + on_target).ravel(),
        (sources[:, None] * of_source + on_source).ravel(),
        kernels[targets[:, None], sources[:, None], tap].ravel(),
    )


def _places(
    pattern: Convolution, source: Area, target: Area
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(place in the target's grid, place in the source's, tap of the kernel), all flat.

    Tap (a, b) joins place (i, j) of the coarse grid to place (i s + a - k // 2, j s + b - k // 2)
    of the fine one, where that exists; upward from fine to coarse, downward from coarse to fine.
    """
    fine, coarse = (source, target) if pattern.upward else (target, source)
    k, (high, wide) = pattern.kernel, fine.shape[1:]
    i, j, a, b = np.indices((*coarse.shape[1:], k, k)).reshape(4, -1)
    row, column = i * pattern.stride + a - k // 2, j * pattern.stride + b - k // 2
    exists = (row >= 0) & (row < high) & (column >= 0) & (column < wide)
    on_fine = (row * wide + column)[exists]
    on_coarse = (i * coarse.shape[2] + j)[exists]
    tap = (a * k + b)[exists]
    return (on_coarse, on_fine, tap) if pattern.upward else (on_fine, on_coarse, tap)


def synapses_per_image(wiring: Wiring) -> int:
    """How many connections one copy of ``wiring`` has."""
    return sum(_count(p, wiring.area(p.source), wiring.area(p.target)) for p in wiring.projections)


def _count(projection: Projection, source: Area, target: Area) -> int:
    joined = connections(projection, source, target)
    if not isinstance(projection.pattern, Convolution):
        return joined
    return joined * len(_places(projection.pattern, source, target)[0])
