"""A Brian2 script with cells as one writes it today, without ``sim.brian``: one run per image.

Conductances, a refractory period and cells that differ: what ``sim.brian.detailed`` simulates with
these ingredients, written with a group per area, explicit synapses per projection and Brian2's own
units. The image is a current that is computed outside. Wirings are dense, the read-out counts what
arrives in numpy.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from networks.physiology import Ingredient
from sim.brian.detailed import Detailed

Array = NDArray[np.float64]
INGREDIENTS: tuple[Ingredient, ...] = ("conductances", "reset", "refractoriness", "heterogeneity")
CELL = """
    dv/dt = (E_L - v)/tau_m + inflow/C : volt (unless refractory)
    inflow = (ge + excite(t, i))*(E_e - v) + (gi + inhibit(t, i))*(E_i - v) : amp
    dge/dt = -ge/tau_e : siemens
    dgi/dt = -gi/tau_i : siemens
    theta : volt
    tau_m : second"""


class Built(NamedTuple):
    """A Brian2 network, its groups and spike monitors by area."""

    network: Any
    groups: Mapping[str, Any]
    monitors: Mapping[str, Any]


def build(brian2: Any, detailed: Detailed) -> Built:
    """One network of cells, without an image; fixed names let Brian2 compile its code once."""
    p = detailed.physiology
    clock = brian2.Clock(dt=p.dt_ms * brian2.ms, name="fine")
    names = {
        "E_L": p.rest_mv * brian2.mV,
        "V_reset": p.reset_mv * brian2.mV,
        "E_e": p.reversal_excitatory_mv * brian2.mV,
        "E_i": p.reversal_inhibitory_mv * brian2.mV,
        "tau_e": p.tau_excitatory_ms * brian2.ms,
        "tau_i": p.tau_inhibitory_ms * brian2.ms,
        "C": p.capacitance_pf * brian2.pF,
    }
    groups = {}
    for area in detailed.wiring.spiking:
        groups[area] = brian2.NeuronGroup(
            detailed.wiring.area(area).size,
            CELL,
            threshold="v > theta",
            reset="v = V_reset",
            refractory=p.refractory_ms * brian2.ms,
            method="exponential_euler",
            clock=clock,
            namespace=dict(names),
            name=f"cells_{area}",
        )
        groups[area].theta = detailed.body.thresholds[area] * brian2.mV
        groups[area].tau_m = detailed.body.taus[area] * brian2.ms
    links = [
        each for q in detailed.wiring.projections for each in _links(brian2, detailed, groups, q)
    ]
    monitors = {
        area: brian2.SpikeMonitor(group, name=f"spikes_{area}") for area, group in groups.items()
    }
    return Built(brian2.Network(*groups.values(), *links, *monitors.values()), groups, monitors)


def _links(
    brian2: Any, detailed: Detailed, groups: Mapping[str, Any], projection: Any
) -> list[Any]:
    """Excitatory and inhibitory synapses of a projection between cells.

    What is emitted at a sample acts d steps later, and Brian2 delivers after the sample's own step.
    """
    if projection.source not in groups or projection.target not in groups:
        return []
    p = detailed.physiology
    weights = detailed.values[f"weight/{projection.name}"].T
    span = (p.threshold_mv - p.rest_mv) / detailed.wiring.spiking[projection.target].threshold
    charge = p.capacitance_pf * span * detailed.body.gain(projection.target) * weights
    middle = (p.threshold_mv + p.rest_mv) / 2
    made = []
    for sign, variable, tau, reversal in (
        (1, "ge", p.tau_excitatory_ms, p.reversal_excitatory_mv),
        (-1, "gi", p.tau_inhibitory_ms, p.reversal_inhibitory_mv),
    ):
        link = brian2.Synapses(
            groups[projection.source],
            groups[projection.target],
            "w : siemens",
            on_pre=f"{variable}_post += w",
            delay=(projection.delay * p.step_ms - p.dt_ms) * brian2.ms,
            clock=groups[projection.source].clock,
            namespace={},
            name=f"{projection.source}_{projection.target}_{variable}",
        )
        link.connect()
        lasting = p.dt_ms / (1 - np.exp(-p.dt_ms / tau))
        jump = np.maximum(0, sign * charge) / (lasting * abs(reversal - middle))
        link.w = jump.ravel() * brian2.nS
        made.append(link)
    return made


def conductances_ns(detailed: Detailed, image: Array) -> dict[str, tuple[Array, Array]]:
    """What bias and image open in the cells of each area at each step, (steps, cells).

    Excitatory and inhibitory; half-way to the threshold they carry the current of the drive.
    """
    wiring, p = detailed.wiring, detailed.physiology
    found = {}
    for area, unit in wiring.spiking.items():
        drive = np.tile(detailed.values[f"bias/{area}"], (wiring.steps, 1))
        for q in wiring.into(area):
            if q.source == wiring.input.name:
                drive[q.delay :] += detailed.values[f"weight/{q.name}"] @ image
        span = detailed.body.gain(area) * (p.threshold_mv - p.rest_mv) / unit.threshold
        leak_ns = p.capacitance_pf * -np.log(unit.beta) / p.step_ms
        current, middle = drive * leak_ns * span / (1 - unit.beta), (p.threshold_mv + p.rest_mv) / 2
        excite = np.maximum(0, current) / (p.reversal_excitatory_mv - middle)
        inhibit = np.maximum(0, -current) / (middle - p.reversal_inhibitory_mv)
        found[area] = excite, inhibit
    return found


def show(brian2: Any, detailed: Detailed, built: Built, image: Array) -> None:
    """Run one image, from rest."""
    p = detailed.physiology
    for area, both in conductances_ns(detailed, image).items():
        group = built.groups[area]
        group.v = p.rest_mv * brian2.mV
        for name, opened in zip(("excite", "inhibit"), both, strict=True):
            group.namespace[name] = brian2.TimedArray(
                opened * brian2.nS, dt=p.step_ms * brian2.ms, name=f"{name}_{area}"
            )
    built.network.run(detailed.wiring.steps * p.step_ms * brian2.ms, namespace={})


def spikes(detailed: Detailed, built: Built) -> dict[str, NDArray[np.bool_]]:
    """(sample, unit) of the single image that was shown."""
    found = {}
    for area, monitor in built.monitors.items():
        samples = detailed.wiring.steps * detailed.physiology.samples
        found[area] = np.zeros((samples, detailed.wiring.area(area).size), bool)
        at = np.rint(np.asarray(monitor.t) * 1000 / detailed.physiology.dt_ms).astype(int)
        found[area][at, np.asarray(monitor.i)] = True
    return found


def a_build_per_image(brian2: Any, detailed: Detailed, images: Tensor) -> dict[str, Any]:
    """Spikes (sample, image, unit) by area; everything is built anew for each image."""
    parts = []
    for image in images.flatten(1).double().numpy():
        built = build(brian2, detailed)
        show(brian2, detailed, built, image)
        parts.append(spikes(detailed, built))
    return {area: np.stack([part[area] for part in parts], axis=1) for area in parts[0]}
