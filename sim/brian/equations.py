"""The step semantics as text that Brian2 runs, one statement per operation, in torch's order.

Each population has these variables, all dimensionless:

    bias         b_a
    arrived_k    what the k-th projection into the area delivers at this step
    kept_k_j     what hold j lets through of it, for the next step
    drive        drive_a[t]
    u            u_a[t]
    out          out_a[t], emitted at this step
    sent_i       out_a[t - i], for projections of delay i + 1 that carry more than spikes
    chosen_k     1 for the units that intervention k acts on, else 0

Only ``u`` is written by a statement that reads it: Brian2 turns ``x = x + y`` into ``x += y``,
which reorders ``y`` and, on its numpy target, also changes what ``x`` was assigned from before.
"""

from collections.abc import Iterator, Sequence

from networks import Area, InputUnit, RateUnit, SpikingUnit, Wiring
from sim.interventions import (
    Clamp,
    Hold,
    Inject,
    Intervention,
    Silence,
    UponArrival,
    UponUnits,
    concerns,
)

ACTIVATIONS = {
    "relu": "u * int(u > 0)",
    "tanh": "tanh(u)",
    "sigmoid": "1 / (1 + exp(-u))",
    "identity": "u",
}


def variables(wiring: Wiring, area: Area, acts: Sequence[Intervention], sent: int) -> list[str]:
    """The variables of the area's population; ``sent`` past emissions are kept."""
    names = ["out"]
    if area != wiring.input:
        names += ["bias", "drive", "u"]
        names += [f"arrived_{k}" for k in range(len(wiring.into(area.name)))]
        names += [
            f"kept_{k}_{j}"
            for k, j, act in _on_arrival(wiring, area, acts)
            if isinstance(act, Hold)
        ]
    names += [f"sent_{i}" for i in range(1, sent + 1)]
    return names + [f"chosen_{k}" for k, _ in _upon(area, acts)]


def update(
    wiring: Wiring, area: Area, acts: Sequence[Intervention], sent: int, source: str = ""
) -> str:
    """One step of the area; ``source`` is the expression that gives the input its stimulus."""
    statements = [
        f"sent_{i} = {f'sent_{i - 1}' if i > 1 else 'out'}" for i in reversed(range(1, sent + 1))
    ]
    if isinstance(area.unit, InputUnit):
        statements.append(f"free = {source}")
    else:
        statements += [*_drive(wiring, area, acts), *_unit(area.unit)]
    return "\n".join([*statements, *_clamped(area, acts)])


def _drive(wiring: Wiring, area: Area, acts: Sequence[Intervention]) -> Iterator[str]:
    """drive_a[t] = b_a + sum of what arrived, under what acts on it, + injected currents."""
    terms = {k: f"arrived_{k}" for k in range(len(wiring.into(area.name)))}
    for k, j, act in _on_arrival(wiring, area, acts):
        inside, last = _inside(act), terms[k]
        terms[k] = f"passed_{k}_{j}"
        if isinstance(act, Hold):
            yield f"passed_{k}_{j} = {last} * (1 - {inside}) + kept_{k}_{j} * {inside}"
            yield f"kept_{k}_{j} = passed_{k}_{j}"
        else:
            yield f"passed_{k}_{j} = {last} * ((1 - {inside}) + ({act.gain!r}) * {inside})"
    injected = [
        f"({act.current!r}) * chosen_{k} * {_inside(act)}"
        for k, act in _upon(area, acts)
        if isinstance(act, Inject)
    ]
    yield f"drive = {' + '.join(['bias', *terms.values(), *injected])}"
    yield from (f"arrived_{k} = 0" for k in terms)


def _on_arrival(
    wiring: Wiring, area: Area, acts: Sequence[Intervention]
) -> Iterator[tuple[int, int, UponArrival]]:
    """(k, j, act): intervention j acts on what the k-th projection into ``area`` delivers."""
    for k, p in enumerate(wiring.into(area.name)):
        for j, act in enumerate(acts):
            if concerns(act, p):
                yield k, j, act


def _unit(unit: RateUnit | SpikingUnit) -> Iterator[str]:
    """The unit's equation; see :mod:`sim.units`."""
    if isinstance(unit, SpikingUnit):
        yield f"u = drive + {unit.beta!r} * u - {unit.threshold!r} * out"
        yield f"free = int(u > {unit.threshold!r})"
    else:
        yield f"u = {1 - unit.leak!r} * u + {unit.leak!r} * drive" if unit.leak < 1 else "u = drive"
        yield f"free = {ACTIVATIONS[unit.activation]}"


def _clamped(area: Area, acts: Sequence[Intervention]) -> Iterator[str]:
    """What is emitted under clamps and silencing; the later act wins."""
    last = "free"
    for k, act in _upon(area, acts):
        if isinstance(act, Clamp | Silence):
            yield f"held_{k} = chosen_{k} * {_inside(act)}"
            yield f"free_{k} = {last} * (1 - held_{k}) + ({float(act.value)!r}) * held_{k}"
            last = f"free_{k}"
    yield f"out = {last}"


def _upon(area: Area, acts: Sequence[Intervention]) -> Iterator[tuple[int, UponUnits]]:
    """The interventions on units of ``area``, with their place among all."""
    for k, act in enumerate(acts):
        if isinstance(act, UponUnits) and act.area == area.name:
            yield k, act


def _inside(act: Intervention) -> str:
    """1 at the steps [start, stop) of ``act``, else 0."""
    before = "" if act.stop is None else f" and t_in_timesteps < {act.stop}"
    return f"int(t_in_timesteps >= {act.start}{before})"


def carries_more_than_spikes(wiring: Wiring, area: Area, acts: Sequence[Intervention]) -> bool:
    """Whether the area may emit values other than 0 and 1."""
    clamped = any(
        isinstance(act, Clamp) and act.area == area.name and act.value not in (0, 1) for act in acts
    )
    return clamped or not isinstance(area.unit, SpikingUnit)
