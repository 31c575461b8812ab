"""Networks as NIR graphs, and back.

NIR (Pedersen et al. 2024, "Neuromorphic intermediate representation") describes networks in
continuous time: nodes with equations, joined by edges. Here an area becomes a ``LIF`` or ``LI``
node, a projection a ``Delay`` followed by its weights. Under forward Euler with the step dt,

    tau dv/dt = (v_leak - v) + r I   becomes   v[t] = beta v[t-1] + I[t]

with tau = dt / (1 - beta) and r = tau / dt, the convention of snnTorch's own exporter. What NIR
cannot say goes into the graph's metadata, as text, with a warning.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks import (
    Area,
    BlindspotsError,
    Constant,
    Convolution,
    OneToOne,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
    from_json,
)
from networks.connectivity import mask
from sim.exchange.library import library, positive, whole
from sim.exchange.unfold import folded, unfolded
from sim.network import Network
from sim.parameters import bias_name, weight_name

VERSION = 1
"""Of what the metadata hold; raised when that changes."""
FILE_IS_OTHER = (OSError, KeyError, ValueError, TypeError, AssertionError, AttributeError)

Array = NDArray[Any]


class Unsaid(UserWarning):
    """A format cannot say all of a network; the rest went into metadata."""


def unsaid(network: Network) -> tuple[str, ...]:
    """What NIR's nodes and edges cannot say of ``network``, one clause each."""
    wiring = network.wiring
    pairs = [(p, wiring.area(p.source), wiring.area(p.target)) for p in wiring.projections]
    spiking = any(isinstance(a.unit, SpikingUnit) for a in wiring.areas)
    clauses = {
        "the reset, which subtracts the threshold one step after the spike": spiking,
        "the surrogate gradient of the spikes": spiking,
        "the step dt and the synchronous order of updates": True,
        "the number of steps and the steps over which the answer is averaged": True,
        "which zeros are absent connections": any(mask(*pair) is not None for pair in pairs),
        "the signs that weights must keep": any(p.sign for p, _, _ in pairs),
        "the modules of areas": any(a.modules > 1 for a in wiring.areas),
        "transposed convolutions, which become matrices": not _keeps_grids(wiring),
        "the code of the input": not isinstance(wiring.stimulated.code, Constant),
    }
    return tuple(clause for clause, holds in clauses.items() if holds)


def to_nir(network: Network, dt_ms: float = 1.0) -> Any:
    """``network`` as a ``nir.NIRGraph``; times in seconds, one step lasting ``dt_ms``.

    Weights are those that act (masked and signed). An :class:`Unsaid` warning lists what only
    the metadata say. Raises BlindspotsError for what NIR has no node for: rate units other than
    leaky identities, and areas that nothing reaches.
    """
    graph = _graph(network, positive(dt_ms))
    warnings.warn(
        f"NIR cannot say {'; '.join(unsaid(network))}: see the metadata.", Unsaid, stacklevel=2
    )
    return graph


def write_nir(network: Network, path: Path, dt_ms: float = 1.0) -> None:
    """The graph of :func:`to_nir` into the file ``path`` (HDF5)."""
    nir = library("nir", "nir")
    graph = to_nir(network, dt_ms)
    with whole(path) as draft:
        nir.write(draft, graph)


def read_nir(path: Path) -> Network:
    """The network in a file of :func:`write_nir`; BlindspotsError where it holds none."""
    nir = library("nir", "nir")
    try:
        graph = nir.read(path)
    except FILE_IS_OTHER as error:
        raise BlindspotsError(f"'{path}' cannot be read as a NIR graph ({error}).") from None
    return from_nir(graph)


def from_nir(graph: Any) -> Network:
    """The network of a graph of :func:`to_nir`: wiring from the metadata, weights from the nodes.

    Weights may have been changed by others. Raises BlindspotsError where the graph has no wiring,
    or any other part of a node says otherwise than the wiring.
    """
    said = graph.metadata if isinstance(graph.metadata, Mapping) else {}
    if "wiring" not in said or int(said.get("blindspots", 0)) != VERSION:
        raise BlindspotsError(
            "The NIR graph has no wiring in its metadata, without which its reset, step and order "
            "of updates are unknown; export it with blindspots."
        )
    wiring, dt_ms = from_json(_text(said["wiring"])), float(said["dt_ms"])
    try:
        network = Network(wiring, _parameters(wiring, graph.nodes))
    except (KeyError, AttributeError, ValueError) as error:
        raise BlindspotsError(
            f"The NIR graph lacks a part of '{wiring.name}', the wiring in its metadata ({error})."
        ) from None
    _check_same(graph, _graph(network, dt_ms))
    return network


def _graph(network: Network, dt_ms: float) -> Any:
    nir, wiring = library("nir", "nir"), network.wiring
    values = {k: v.detach().cpu().numpy() for k, v in network.circuit().values.items()}
    dt, grids = dt_ms / 1000, _keeps_grids(wiring)
    start, nodes, edges = wiring.input.name, {}, []
    nodes[start] = nir.Input({"input": np.array(wiring.input.shape)})
    threshold = wiring.stimulated.threshold
    if threshold is not None:
        nodes[f"threshold:{start}"] = nir.Threshold(np.full(wiring.input.shape, threshold))
        edges.append((start, f"threshold:{start}"))
    for area in wiring.areas:
        if area != wiring.input:
            nodes[area.name] = _neurons(nir, wiring, area, _shape(area, wiring, grids), dt)
    for p in wiring.projections:
        chain = _chain(nir, wiring, p, values, grids, dt)
        first = f"threshold:{start}" if threshold is not None and p.source == start else p.source
        nodes |= chain
        edges += list(zip([first, *chain], [*chain, p.target], strict=True))
    nodes["answer:"] = nir.Output({"output": np.array(wiring.area(wiring.output).shape)})
    edges.append((wiring.output, "answer:"))
    return nir.NIRGraph(nodes, edges, metadata=_metadata(network, dt_ms))


def _metadata(network: Network, dt_ms: float) -> dict[str, Any]:
    return {
        "blindspots": VERSION,
        "wiring": network.wiring.to_json(),
        "dt_ms": float(dt_ms),
        "discretisation": "forward Euler: tau = dt / (1 - beta), r = tau / dt; times in seconds",
        "reset": "v -= v_threshold at the step after the spike; v_reset is not used",
        "order": "all areas at once; a delay of d dt delivers at t what was emitted at t - d dt",
        "unsaid": json.dumps(unsaid(network)),
    }


def _neurons(nir: Any, wiring: Wiring, area: Area, shape: tuple[int, ...], dt: float) -> Any:
    """The node of one area; its arrays have ``shape``."""
    if not wiring.into(area.name):
        raise BlindspotsError(
            f"Nothing reaches area '{area.name}' of '{wiring.name}', and NIR takes such a node for "
            "an input; remove the area, or give it a projection."
        )

    def full(value: float) -> Array:
        return np.full(shape, value)

    unit = area.unit
    if isinstance(unit, SpikingUnit):
        slow = 1 / (1 - unit.beta)
        return nir.LIF(
            tau=full(dt * slow),
            r=full(slow),
            v_leak=full(0),
            v_threshold=full(unit.threshold),
            v_reset=full(0),
        )
    assert isinstance(unit, RateUnit)
    if unit.activation != "identity":
        raise BlindspotsError(
            f"NIR has no node for the {unit.activation} units of area '{area.name}' of "
            f"'{wiring.name}'; export a spiking network."
        )
    return nir.LI(tau=full(dt / unit.leak), r=full(1), v_leak=full(0))


def _chain(
    nir: Any, wiring: Wiring, p: Projection, values: Mapping[str, Array], grids: bool, dt: float
) -> dict[str, Any]:
    """The nodes between the two areas of a projection, in order."""
    source, target = wiring.area(p.source), wiring.area(p.target)
    given = source.shape if p.source == wiring.input.name else _shape(source, wiring, grids)
    weight, bias = values[weight_name(p)], None
    if p == _carrier(wiring, p.target):
        bias = values[bias_name(p.target)]
    chain: dict[str, Any] = {f"delay:{p.name}": nir.Delay(np.full(given, p.delay * dt))}
    if isinstance(p.pattern, Convolution) and grids:
        if bias is None:
            bias = np.zeros(target.channels, weight.dtype)
        return chain | {p.name: _convolution(nir, p.pattern, source, weight, bias)}
    if len(given) > 1 and not (grids and target.is_grid):
        chain[f"flatten:{p.name}"] = nir.Flatten({"input": np.array(given)}, start_dim=0)
        given = (source.size,)
    if isinstance(p.pattern, OneToOne) and bias is None:
        return chain | {p.name: nir.Scale(weight.reshape(given))}
    matrix = _matrix(p, source, target, weight)
    if bias is None:
        return chain | {p.name: nir.Linear(matrix)}
    each = np.repeat(bias, target.size // target.channels)
    return chain | {p.name: nir.Affine(matrix, each)}


def _convolution(nir: Any, pattern: Convolution, source: Area, weight: Array, bias: Array) -> Any:
    return nir.Conv2d(
        input_shape=source.shape[1:],
        weight=weight,
        stride=pattern.stride,
        padding=pattern.kernel // 2,
        dilation=1,
        groups=1,
        bias=bias,
    )


def _matrix(p: Projection, source: Area, target: Area, weight: Array) -> Array:
    if isinstance(p.pattern, OneToOne):
        return np.diag(weight)
    if isinstance(p.pattern, Convolution):
        return unfolded(p, source, target, weight)
    return weight


def _shape(area: Area, wiring: Wiring, grids: bool) -> tuple[int, ...]:
    """Shape of the area's node: its own where NIR can keep grids, else flat."""
    return area.shape if grids else (area.size,)


def _keeps_grids(wiring: Wiring) -> bool:
    """Whether each grid gets plain convolutions and one-to-one projections alone.

    NIR can neither transpose a convolution nor turn a vector into a grid.
    """
    for area in wiring.areas:
        patterns = [p.pattern for p in wiring.into(area.name)]
        plain = [isinstance(each, Convolution) and each.upward for each in patterns]
        single = [isinstance(each, OneToOne) for each in patterns]
        fits = all(a or b for a, b in zip(plain, single, strict=True)) and any(plain)
        if area.is_grid and area != wiring.input and not fits:
            return False
    return True


def _carrier(wiring: Wiring, area: str) -> Projection:
    """The projection whose node adds the area's bias: the first that is not one-to-one, if any.

    The bias stands behind the delay, so that it acts from the first step on.
    """
    into = wiring.into(area)
    return next((p for p in into if not isinstance(p.pattern, OneToOne)), into[0])


def _parameters(wiring: Wiring, nodes: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights and biases as the nodes have them."""
    values = {}
    for p in wiring.projections:
        node, (source, target) = nodes[p.name], (wiring.area(p.source), wiring.area(p.target))
        if isinstance(p.pattern, OneToOne):
            weight = node.scale.ravel() if hasattr(node, "scale") else np.diag(node.weight)
        elif isinstance(p.pattern, Convolution) and node.weight.ndim == 2:
            weight = folded(p, source, target, node.weight)
        else:
            weight = node.weight
        values[weight_name(p)] = torch.tensor(weight)
    for area in wiring.areas:
        if area != wiring.input:
            bias = nodes[_carrier(wiring, area.name).name].bias
            each = bias.reshape(area.channels, -1)[:, 0]
            values[bias_name(area.name)] = torch.tensor(each)
    return values


def _check_same(graph: Any, expected: Any) -> None:
    """Raise BlindspotsError where a graph is not the one that its own network would become."""
    edges = [{tuple(edge) for edge in each.edges} for each in (graph, expected)]
    if odd := sorted(graph.nodes.keys() ^ expected.nodes.keys()):
        raise _differs(odd[0], "is not in both")
    if edges[0] != edges[1]:
        raise _differs(" to ".join(sorted(edges[0] ^ edges[1])[0]), "is not an edge in both")
    for name, node in expected.nodes.items():
        found, wanted = graph.nodes[name].to_dict(), node.to_dict()
        for key, value in wanted.items():
            if key != "metadata" and not np.array_equal(found.get(key), value):
                raise _differs(name, f"has another {key}")


def _differs(node: str, how: str) -> BlindspotsError:
    return BlindspotsError(
        f"The NIR graph and the wiring in its metadata disagree: '{node}' {how}; only weights and "
        "biases may be changed elsewhere."
    )


def _text(value: Any) -> str:
    """Text as HDF5 may give it back."""
    return value.decode() if isinstance(value, bytes) else str(value)
