"""Newman-Girvan modularity of trained weights and of activity, beside shuffled nulls.

For directed strengths w (Leicht & Newman 2008, Phys. Rev. Lett. 100:118703; for symmetric ones
Newman & Girvan 2004, Phys. Rev. E 69:026113), with m their sum and c_i the group of node i:

    Q = sum_ij (w_ij / m - out_i in_j / m^2) [c_i = c_j]

Nodes are the hidden units; a feature map is one. Strengths are sums of absolute weights, or, of
activity, correlations over the images as far as they are positive.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.semantics.activity import Floats, Ints
from networks import Area, Convolution, OneToOne, Projection, Wiring
from networks.derive import hidden

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

GRAPHS = ("weights", "activity")
PARTITIONS = {
    "module": "the wiring's modules",
    "preferred": "units of the same preferred class",
}
NULLS = {
    "labels": "groups shuffled among the units of each area",
    "strengths": "weights shuffled among the connections of the same two areas",
}
SHUFFLES = 100


def modularity(strength: Floats, group: Ints) -> float:
    """Q of ``strength`` (source, target) for nodes in ``group`` (node,); NaN without any edge."""
    member = (group[:, None] == np.unique(group)).astype(float)
    total = strength.sum()
    if not total:
        return float("nan")
    inside = (member * (strength @ member)).sum(0)
    leaving, arriving = strength.sum(1) @ member, strength.sum(0) @ member
    return float((inside / total - leaving * arriving / total**2).sum())


def nodes(wiring: Wiring) -> dict[str, slice]:
    """Where the units of each hidden area stand among the nodes."""
    ends = np.cumsum([0, *(area.channels for area in hidden(wiring))])
    return {
        area.name: slice(int(start), int(end))
        for area, (start, end) in zip(hidden(wiring), pairwise(ends), strict=True)
    }


def weight_strengths(network: "Network") -> Floats:
    """Absolute weights (source, target) between all hidden units."""
    from sim.parameters import weight_name

    wiring, values = network.wiring, network.circuit().values
    place = nodes(wiring)
    size = max(each.stop for each in place.values())
    strength = np.zeros((size, size))
    for p in wiring.projections:
        if p.source in place and p.target in place:
            between = strengths_of(
                p, values[weight_name(p)], wiring.area(p.source), wiring.area(p.target)
            )
            strength[place[p.source], place[p.target]] += between
    return strength


def strengths_of(projection: Projection, weight: "Tensor", source: Area, target: Area) -> Floats:
    """Absolute weights (source unit, target unit), summed over kernels and positions."""
    size = weight.detach().abs().double().cpu().numpy()
    if isinstance(projection.pattern, OneToOne):
        return np.diag(size.reshape(target.channels, -1).sum(1))
    if isinstance(projection.pattern, Convolution):
        return size.sum((2, 3)).T
    return size.reshape(target.channels, -1, source.channels, source.size // source.channels).sum(
        (1, 3)
    ).T  # fmt: skip


def activity_strengths(activity: Floats) -> Floats:
    """Positive correlations of units over the images of ``activity`` (image, unit); no self."""
    centred = activity - activity.mean(0)
    norm = np.linalg.norm(centred, axis=0)
    scaled = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    strength = np.clip(scaled.T @ scaled, 0, None)
    np.fill_diagonal(strength, 0)
    return strength


def with_shuffled_groups(
    strength: Floats, group: Ints, place: dict[str, slice], generator: np.random.Generator
) -> Floats:
    """Q (shuffle,) of the same strengths with the groups of each area's units shuffled."""

    def shuffled() -> Ints:
        return np.concatenate([generator.permutation(group[each]) for each in place.values()])

    return np.array([modularity(strength, shuffled()) for _ in range(SHUFFLES)])


def with_shuffled_strengths(
    strength: Floats, group: Ints, place: dict[str, slice], generator: np.random.Generator
) -> Floats:
    """Q (shuffle,) with strengths shuffled among the edges that there are from area to area.

    What is left above this null is what training put inside the groups, beyond the wiring.
    """
    blocks = [(source, target) for source in place.values() for target in place.values()]
    found = np.empty(SHUFFLES)
    for at in range(SHUFFLES):
        drawn = strength.copy()
        for block in blocks:
            values = strength[block]
            drawn[block][values > 0] = generator.permutation(values[values > 0])
        found[at] = modularity(drawn, group)
    return found


SHUFFLED = {"labels": with_shuffled_groups, "strengths": with_shuffled_strengths}


def unknown_yet() -> xr.Dataset:
    """The arrays of all modularities, with NaN everywhere."""
    axes = {"graph": list(GRAPHS), "partition": list(PARTITIONS), "null": list(NULLS)}
    sizes = {name: len(values) for name, values in axes.items()}
    dims = {
        "modularity": ("graph", "partition"),
        "modularity_initial": ("partition",),
        "modularity_null": ("graph", "partition", "null", "shuffle"),
    }
    sizes["shuffle"] = SHUFFLES
    return xr.Dataset(
        {
            name: (each, np.full([sizes[dim] for dim in each], np.nan))
            for name, each in dims.items()
        },
        coords=axes,
    )
