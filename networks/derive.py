"""Derivations: from one wiring, the others that a controlled comparison needs."""

from collections.abc import Callable
from itertools import product

from networks.area import Area, RateUnit, SpikingUnit
from networks.code import Code
from networks.count import live_edges, macs, parameters
from networks.errors import BlindspotsError
from networks.projection import FEEDBACK, Convolution, Dense, Kind, Projection, Sparse
from networks.wiring import Wiring


def hidden(wiring: Wiring) -> tuple[Area, ...]:
    """The areas between input and output."""
    return tuple(a for a in wiring.areas if a.name not in (wiring.input.name, wiring.output))


def without(wiring: Wiring, *kinds: Kind) -> Wiring:
    """The same areas without the projections of ``kinds`` ("lateral", "top-down", ...)."""
    kept = tuple(p for p in wiring.projections if p.kind not in kinds)
    return wiring.replace(projections=kept)


def feedforward_part(wiring: Wiring) -> Wiring:
    """The wiring without lateral and top-down projections."""
    return without(wiring, *FEEDBACK)


def modular(wiring: Wiring, modules: int = 4, between: float = 0.1) -> Wiring:
    """Hidden areas cut into ``modules``: full inside a module, ``between`` of the rest across.

    Input and output stay whole: every module sees the whole image and adds to every answer.
    """
    inner = {a.name for a in hidden(wiring)}
    areas = tuple(
        a.model_copy(update={"modules": modules}) if a.name in inner else a for a in wiring.areas
    )
    projections: list[Projection] = []
    for seed, p in enumerate(wiring.projections):
        if p.source in inner and p.target in inner:
            projections.append(p.model_copy(update={"modules": "within"}))
            across = _thinned(p, between, seed)
            projections.append(across.model_copy(update={"modules": "between"}))
        else:
            projections.append(p)
    return wiring.replace(areas=areas, projections=tuple(projections))


def sparse(wiring: Wiring, density: float = 0.2) -> Wiring:
    """Every projection except those into the output keeps ``density`` of its connections."""
    return wiring.replace(
        projections=tuple(
            p if p.target == wiring.output else _thinned(p, density, seed)
            for seed, p in enumerate(wiring.projections)
        )
    )


def _thinned(projection: Projection, density: float, seed: int) -> Projection:
    pattern = projection.pattern
    if isinstance(pattern, Convolution):
        thin: Convolution | Sparse = pattern.model_copy(update={"density": density, "seed": seed})
    elif isinstance(pattern, Dense):
        thin = Sparse(density=density, seed=seed)
    else:
        raise BlindspotsError(
            f"Projection '{projection.name}' is {pattern.model}; only dense and convolutional "
            "projections can be thinned."
        )
    return projection.model_copy(update={"pattern": thin})


def as_spiking(wiring: Wiring, unit: SpikingUnit | None = None, answers: int = 7) -> Wiring:
    """The twin whose hidden units are leaky integrate-and-fire; the read-out stays a rate.

    It runs ``answers`` steps from the first step that the stimulus can reach the output, and
    answers by their mean. Default unit: beta 0.9, threshold 1, fast sigmoid of slope 2.
    """
    if not hidden(wiring):
        raise BlindspotsError(f"'{wiring.name}' has no hidden units that could spike.")
    spiking = wiring.replace(areas=_with_units(wiring, unit or SpikingUnit()), readout="mean")
    return spiking.replace(steps=spiking.first_answer + answers)


def as_rate(wiring: Wiring, unit: RateUnit | None = None) -> Wiring:
    """The twin whose hidden units are rate units (default: memoryless ReLU); steps stay."""
    return wiring.replace(areas=_with_units(wiring, unit or RateUnit()))


def coded(wiring: Wiring, code: Code) -> Wiring:
    """The wiring whose input shows still images in ``code``."""
    shown = wiring.input.model_copy(
        update={"unit": wiring.stimulated.model_copy(update={"code": code})}
    )
    return wiring.replace(areas=tuple(shown if a == wiring.input else a for a in wiring.areas))


def _with_units(wiring: Wiring, unit: RateUnit | SpikingUnit) -> tuple[Area, ...]:
    inner = {a.name for a in hidden(wiring)}
    return tuple(
        a.model_copy(update={"unit": unit}) if a.name in inner else a for a in wiring.areas
    )


def unrolled(wiring: Wiring) -> Wiring:
    """The feedforward network of equal compute: one area per area and step, weights untied.

    Each live (projection, step) of the recurrent wiring becomes a projection of its own, so that
    multiply-accumulates per image are the same by construction (Spoerer et al. 2017 compare with
    such controls). Needs memoryless units.
    """
    if remembering := [a.name for a in wiring.areas if a.has_memory]:
        raise BlindspotsError(
            f"'{wiring.name}' cannot be unrolled into a feedforward network: the units of "
            f"'{remembering[0]}' have memory."
        )
    still = {wiring.input.name, wiring.output}
    for p in wiring.projections:
        if p.source == wiring.output or ({p.source, p.target} == still and len(wiring.answers) > 1):
            raise BlindspotsError(
                f"'{wiring.name}' cannot be unrolled at equal compute: projection '{p.name}' "
                "repeats itself between areas that stay one each."
            )

    def at(area: str, step: int) -> str:
        return area if area in still else f"{area}@{step}"

    projections = {
        (at(p.source, t - p.delay), at(p.target, t), p.modules): p.model_copy(
            update={
                "source": at(p.source, t - p.delay),
                "target": at(p.target, t),
                "kind": "feedforward",
                "delay": 1,
            }
        )
        for p, t in live_edges(wiring)
    }
    live = {(p.target, t) for p, t in live_edges(wiring)}
    areas = [wiring.input]
    for t in range(wiring.steps):
        areas += [
            a.model_copy(update={"name": at(a.name, t)})
            for a in hidden(wiring)
            if (a.name, t) in live
        ]
    areas.append(wiring.area(wiring.output))
    return wiring.replace(
        areas=tuple(areas),
        projections=tuple(projections.values()),
        steps=wiring.steps,
        readout="last",
    )


def widened_to_match(
    wiring: Wiring, *, parameter_count: int | None = None, mac_count: int | None = None
) -> Wiring:
    """Hidden areas scaled together until parameters, or multiply-accumulates, match best.

    Give exactly one target. Sizes stay multiples of the number of modules.
    """
    if (parameter_count is None) == (mac_count is None):
        raise BlindspotsError("Give either parameter_count or mac_count to match, not both.")
    if not hidden(wiring):
        raise BlindspotsError(f"'{wiring.name}' has no hidden areas that could be widened.")
    measure: Callable[[Wiring], int] = parameters if mac_count is None else macs
    target = parameter_count if mac_count is None else mac_count
    assert target is not None
    low, high = 0.01, 1.0
    while measure(_scaled(wiring, high)) < target:
        high *= 2
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if measure(_scaled(wiring, middle)) < target else (low, middle)
    nudges = product(range(-3, 4), repeat=min(2, len(hidden(wiring))))
    return min(
        (_scaled(wiring, high, nudge) for nudge in nudges),
        key=lambda candidate: abs(measure(candidate) - target),
    )


def _scaled(wiring: Wiring, factor: float, nudges: tuple[int, ...] = ()) -> Wiring:
    """Hidden areas ``factor`` times as wide, the first ones nudged by whole modules' widths."""
    inner = {a.name: i for i, a in enumerate(hidden(wiring))}
    areas = []
    for a in wiring.areas:
        if a.name in inner:
            nudge = nudges[inner[a.name]] if inner[a.name] < len(nudges) else 0
            groups = max(1, round(a.channels * factor / a.modules) + nudge)
            shape = (groups * a.modules, *a.shape[1:])
            areas.append(a.model_copy(update={"shape": shape}))
        else:
            areas.append(a)
    return wiring.replace(areas=tuple(areas))
