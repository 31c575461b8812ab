"""Brian2 groups of a detailed run: cells that spike, and rate units as they were trained.

Neuron ``image * size + unit`` is the copy of ``unit`` that sees ``image``.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from networks import Area, InputUnit, RateUnit
from networks.physiology import Physiology
from sim.brian.detailed.body import Body
from sim.brian.equations import ACTIVATIONS

SYNAPSES = {  # what arrives in spikes, and the drive that does not
    "jumps": "drive",
    "currents": "excitation - inhibition + drive",
    "conductances": "(excitation + int(drive > 0*amp) * drive / D_e) * (E_e - v) "
    "+ (inhibition - int(drive < 0*amp) * drive / D_i) * (E_i - v)",
}
UNITS = {"currents": "amp", "conductances": "siemens"}


def equations(physiology: Physiology) -> str:
    """The equations of a cell, in Brian2's notation."""
    return "\n".join(_equations(physiology))


def _equations(physiology: Physiology) -> Iterator[str]:
    synapses, adapts = physiology.synapses, physiology.has("adaptation")
    held = " (unless refractory)" if physiology.has("refractoriness") else ""
    outward = " - adaptation" if adapts else ""
    inward = f"{SYNAPSES[synapses]} + injected{outward}"
    yield f"dv/dt = (E_L - v) / tau_m + ({inward}) / C : volt{held}"
    if synapses in UNITS:
        yield f"dexcitation/dt = -excitation / tau_e : {UNITS[synapses]}"
        yield f"dinhibition/dt = -inhibition / tau_i : {UNITS[synapses]}"
    if adapts:
        yield "dadaptation/dt = -adaptation / tau_a : amp"
    yield "drive : amp"
    yield "injected : amp"
    yield "theta : volt (constant)"
    yield "tau_m : second (constant)"
    yield "silenced : boolean"
    yield "forced : boolean"


def reset(physiology: Physiology) -> str:
    """What a spike does to its cell; the trained subtraction acts after the next step's leak.

    Neither kind of cell spikes again before its refractory time is over: one step in a trained
    unit, whose membrane goes on meanwhile.
    """
    fixed, off = "v = V_reset", "v -= (theta - E_L) * exp(dt / tau_m)"
    statements = [fixed if physiology.has("reset") else off]
    if physiology.has("adaptation"):
        statements.append("adaptation += b")
    return "\n".join(statements)


def constants(brian2: Any, physiology: Physiology) -> dict[str, Any]:
    """The parameters that the equations name."""
    ms, mv, pa = brian2.ms, brian2.mV, brian2.pA
    return {
        "E_L": physiology.rest_mv * mv,
        "V_reset": physiology.reset_mv * mv,
        "C": physiology.capacitance_pf * brian2.pF,
        "E_e": physiology.reversal_excitatory_mv * mv,
        "E_i": physiology.reversal_inhibitory_mv * mv,
        "D_e": physiology.driving_mv[0] * mv,
        "D_i": physiology.driving_mv[1] * mv,
        "tau_e": physiology.tau_excitatory_ms * ms,
        "tau_i": physiology.tau_inhibitory_ms * ms,
        "tau_a": physiology.tau_adaptation_ms * ms,
        "b": physiology.adaptation_pa * pa,
    }


def populate(brian2: Any, clock: Any, body: Body, images: int) -> dict[str, Any]:
    """One group per area, all ``images`` copies of its units."""
    return {area.name: _group(brian2, clock, body, area, images) for area in body.wiring.areas}


def _group(brian2: Any, clock: Any, body: Body, area: Area, images: int) -> Any:
    if area.name in body.thresholds:
        return _cells(brian2, clock, body, area, images)
    if isinstance(area.unit, InputUnit):
        return brian2.NeuronGroup(images * area.size, "out : 1", clock=clock, namespace={})
    group = brian2.NeuronGroup(
        images * area.size, "drive : 1\nu : 1\nout : 1", clock=clock, namespace={}
    )
    group.run_regularly(_rate_update(area.unit, body.physiology), clock=clock, when="groups")
    return group


def _rate_update(unit: Any, physiology: Physiology) -> str:
    """The trained equation on the finer grid; at one sample per step the very same."""
    assert isinstance(unit, RateUnit)
    leak = unit.leak if unit.leak == 1 else 1 - (1 - unit.leak) ** (1 / physiology.samples)
    u = f"u = {1 - leak!r} * u + {leak!r} * drive" if leak < 1 else "u = drive"
    return f"{u}\nout = {ACTIVATIONS[unit.activation]}"


def _cells(brian2: Any, clock: Any, body: Body, area: Area, images: int) -> Any:
    physiology = body.physiology
    holds = physiology.has("refractoriness")
    rest_ms = physiology.refractory_ms if holds else physiology.step_ms
    group = brian2.NeuronGroup(
        images * area.size,
        equations(physiology),
        threshold="(v > theta and not silenced) or forced",
        reset=reset(physiology),
        method="exponential_euler",
        clock=clock,
        refractory=rest_ms * brian2.ms,
        namespace=constants(brian2, physiology),
    )
    group.v = physiology.rest_mv * brian2.mV
    group.theta = np.tile(body.thresholds[area.name], images) * brian2.mV
    group.tau_m = np.tile(body.taus[area.name], images) * brian2.ms
    return group
