"""The size of a wiring: parameters, and multiply-accumulates per image."""

from networks.connectivity import connections
from networks.projection import Convolution, Projection
from networks.wiring import Wiring

Edge = tuple[Projection, int]


def parameters(wiring: Wiring) -> int:
    """Trainable numbers: existing connections and one bias per unit (grid: per channel)."""
    weights = 0
    for p in wiring.projections:
        kernel = p.pattern.kernel**2 if isinstance(p.pattern, Convolution) else 1
        weights += kernel * connections(p, wiring.area(p.source), wiring.area(p.target))
    return weights + sum(a.channels for a in wiring.areas if a != wiring.input)


def macs(wiring: Wiring) -> int:
    """Multiply-accumulates that one image's answer needs.

    A feedforward wiring passes each projection once. Otherwise every projection counts at every
    step at which it carries the stimulus towards a read-out; a simulator may do better (a still
    image's input drive is the same at every step) or worse. Spikes count as dense activity.
    """
    if wiring.is_feedforward:
        return sum(macs_per_step(wiring, p) for p in wiring.projections)
    return sum(macs_per_step(wiring, p) for p, _ in live_edges(wiring))


def macs_per_step(wiring: Wiring, projection: Projection) -> int:
    """Multiply-accumulates of one projection at one step; zero padding counts."""
    source, target = wiring.area(projection.source), wiring.area(projection.target)
    per_place = connections(projection, source, target)
    if not isinstance(projection.pattern, Convolution):
        return per_place
    coarse = target if projection.pattern.upward else source
    return per_place * projection.pattern.kernel**2 * coarse.shape[1] * coarse.shape[2]


def live_edges(wiring: Wiring) -> tuple[Edge, ...]:
    """The (projection, arrival step) pairs that the stimulus passes on its way to the answer.

    The network unrolled in time, without what the stimulus has not reached yet and without what
    can no longer reach a read-out.
    """
    arrival = wiring.arrival()
    wanted = {(wiring.output, t) for t in wiring.answers}
    live: set[Edge] = set()
    for t in range(wiring.steps - 1, 0, -1):
        for area in wiring.areas:
            if (area.name, t) not in wanted:
                continue
            if area.has_memory:
                wanted.add((area.name, t - 1))
            for p in wiring.into(area.name):
                if p.source in arrival and arrival[p.source] <= t - p.delay:
                    live.add((p, t))
                    wanted.add((p.source, t - p.delay))
    order = {p: i for i, p in enumerate(wiring.projections)}
    return tuple(sorted(live, key=lambda edge: (edge[1], order[edge[0]])))
