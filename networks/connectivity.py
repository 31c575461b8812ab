"""Which connections a projection has: the one place that every simulator asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from networks.area import Area
from networks.projection import Convolution, OneToOne, Projection, Sparse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def weight_shape(projection: Projection, source: Area, target: Area) -> tuple[int, ...]:
    """Shape of the weights: (target, source), with (kernel, kernel) behind it for convolutions.

    A one-to-one projection has one weight per unit, (size,).
    """
    if isinstance(projection.pattern, OneToOne):
        return (target.size,)
    if isinstance(projection.pattern, Convolution):
        kernel = projection.pattern.kernel
        return (target.channels, source.channels, kernel, kernel)
    return (target.size, source.size)


def _pairs(projection: Projection, source: Area, target: Area) -> tuple[int, int]:
    """Numbers of (targets, sources) that are joined or not: channels, or single units."""
    if isinstance(projection.pattern, Convolution):
        return target.channels, source.channels
    return target.size, source.size


def _density(projection: Projection) -> float:
    pattern = projection.pattern
    return pattern.density if isinstance(pattern, Sparse | Convolution) else 1.0


def connections(projection: Projection, source: Area, target: Area) -> int:
    """How many (target, source) pairs are joined; for one-to-one, the number of units."""
    if isinstance(projection.pattern, OneToOne):
        return target.size
    targets, sources = _pairs(projection, source, target)
    allowed = targets * sources
    if projection.modules == "within":
        allowed //= source.modules
    elif projection.modules == "between":
        allowed -= allowed // source.modules
    return max(1, round(_density(projection) * allowed))


def mask(projection: Projection, source: Area, target: Area) -> NDArray[np.bool_] | None:
    """True where a connection exists, or None where all do.

    Shape (targets, sources); for convolutions of channels. The draw of a sparse pattern depends
    on its seed and sizes alone, so every simulator and machine sees the same connections.
    """
    import numpy as np  # here, so that the command line starts without it

    if isinstance(projection.pattern, OneToOne):
        return None
    if projection.modules == "all" and _density(projection) == 1.0:
        return None
    targets, sources = _pairs(projection, source, target)
    allowed = np.ones((targets, sources), dtype=bool)
    if projection.modules != "all":
        module_of_target = np.arange(targets) // (targets // target.modules)
        module_of_source = np.arange(sources) // (sources // source.modules)
        same = module_of_target[:, None] == module_of_source[None, :]
        allowed = same if projection.modules == "within" else ~same
    candidates = np.flatnonzero(allowed)
    seed = getattr(projection.pattern, "seed", 0)
    chosen = np.random.default_rng(seed).choice(
        candidates, size=connections(projection, source, target), replace=False
    )
    drawn = np.zeros(targets * sources, dtype=bool)
    drawn[chosen] = True
    return drawn.reshape(targets, sources)


def fan_in(projection: Projection, source: Area, target: Area) -> float:
    """Mean number of inputs that one target unit gets through the projection."""
    if isinstance(projection.pattern, OneToOne):
        return 1.0
    targets, _ = _pairs(projection, source, target)
    inputs = connections(projection, source, target) / targets
    if isinstance(projection.pattern, Convolution):
        pattern = projection.pattern
        inputs *= pattern.kernel**2 / (1 if pattern.upward else pattern.stride**2)
    return inputs


def source_signs(projection: Projection, source: Area) -> NDArray[np.float64] | None:
    """+1 or -1 per source unit (convolutions: channel) as ``sign`` demands; None when free.

    All units of a channel share its sign, so that a unit has one sign in all its projections.
    """
    import numpy as np  # as above

    if projection.sign is None:
        return None
    signs = np.full(source.channels, -1.0 if projection.sign == "inhibitory" else 1.0)
    if projection.sign == "dale":
        assert source.excitatory is not None
        signs[round(source.excitatory * source.channels) :] = -1.0
    if isinstance(projection.pattern, Convolution):
        return signs
    return np.repeat(signs, source.size // source.channels)
