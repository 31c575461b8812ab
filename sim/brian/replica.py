"""The replica: the step of :mod:`sim.step` in Brian2, same equations, same step, in float64."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from networks import BlindspotsError, Wiring
from networks.errors import unknown
from sim.brian.connections import synapses_per_image
from sim.brian.library import running
from sim.brian.populations import Scene, Values, populate
from sim.brian.product import product_operation
from sim.brian.synapses import synapses
from sim.interventions import Intervention, check
from sim.network import Network
from sim.recording import QUANTITIES, Quantity, Traces, labelled, recorded_areas

Way = Literal["synapses", "product"]
WAYS: tuple[Way, ...] = ("synapses", "product")
FEW_SYNAPSES = 500_000
"""With no more than these in all, explicit synapses are chosen."""
MOST_SYNAPSES = 4_000_000
"""So many explicit synapses are built at once: some 200 MB."""
VARIABLES: dict[Quantity, str] = {"drive": "drive", "potential": "u", "output": "out"}


def run(
    network: Network,
    stimulus: Tensor,
    *,
    intervene: Sequence[Intervention] = (),
    record: Iterable[str] | None = None,
    quantities: Sequence[Quantity] = QUANTITIES,
    way: Way | None = None,
) -> xr.Dataset:
    """Step ``network`` through ``stimulus`` in Brian2 and return its recordings.

    Arguments and recordings are those of :func:`sim.run`; numbers are float64 whatever the
    network's dtype. ``way`` is "synapses" (explicit ``Synapses``, the reference) or "product" (one
    matrix product per projection and step); by default the size of the job decides. Raises
    BlindspotsError where Brian2 cannot be imported, a weight or the stimulus is not finite, or
    activity grows beyond what a number can hold.
    """
    wiring, acts = network.wiring, tuple(intervene)
    check(wiring, acts)
    if way is not None and way not in WAYS:
        raise unknown("way", way, WAYS)
    chosen = recorded_areas(wiring, record)
    values, frames = acting_values(network), shown_frames(network, stimulus)
    scene = Scene(wiring, values, frames, acts)
    each = synapses_per_image(wiring)
    way = way or ("synapses" if each * scene.images <= FEW_SYNAPSES else "product")
    at_once = max(1, MOST_SYNAPSES // each) if way == "synapses" else scene.images
    wanted = [(a, q) for a in chosen for q in quantities if q == "output" or a != wiring.input.name]
    answer: tuple[str, Quantity] = (wiring.output, "potential")
    keep = list(dict.fromkeys([*wanted, answer]))
    with running() as brian2:
        parts = [_simulate(brian2, part, keep, way) for part in _portions(scene, at_once)]
    traces = _joined(parts)
    logits = traces[answer][wiring.answers.start :].mean(0)
    recorded = {key: traces[key] for key in wanted}
    facts = {"simulator": "brian2", "way": way}
    return labelled(wiring, recorded, logits, quantities, facts)


def acting_values(network: Network) -> Values:
    """The weights that act (masked, signed) and the biases as float64; all must be finite."""
    values = {
        name: value.detach().cpu().double().numpy()
        for name, value in network.circuit().values.items()
    }
    for name, value in values.items():
        if wrong := int((~np.isfinite(value)).sum()):
            raise BlindspotsError(
                f"Parameter '{name}' of '{network.wiring.name}' holds values that are not finite "
                f"({wrong} of {value.size}); train it anew, or load other weights."
            )
    return values


def shown_frames(network: Network, stimulus: Tensor) -> NDArray[np.float64]:
    """What the input emits, (steps, images, *shape) or (1, images, *shape) where it stays."""
    frames = network.frames(stimulus)
    if all(frame is frames[0] for frame in frames):
        frames = frames[:1]
    shown = np.stack([frame.detach().cpu().double().numpy() for frame in frames])
    if shown.shape[1] == 0:
        raise BlindspotsError("There are no images to show; give at least one.")
    if not np.isfinite(shown).all():
        raise BlindspotsError("The stimulus holds values that are not finite; give finite images.")
    return shown


def _portions(scene: Scene, at_once: int) -> Iterator[Scene]:
    for first in range(0, scene.images, at_once):
        yield scene._replace(frames=scene.frames[:, first : first + at_once])


def _joined(parts: Sequence[Traces]) -> Traces:
    if len(parts) == 1:
        return parts[0]
    return {key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[0]}


def _simulate(brian2: Any, scene: Scene, keep: Sequence[tuple[str, Quantity]], way: Way) -> Traces:
    """Build the network of one scene, run it once, and take its recordings."""
    clock = brian2.Clock(dt=1 * brian2.ms)
    groups = populate(brian2, clock, scene, explicit=way == "synapses")
    if way == "synapses":
        carriers = synapses(brian2, clock, scene, groups)
    else:
        carriers = [product_operation(brian2, clock, scene, groups)]
    monitors = {
        area: brian2.StateMonitor(
            groups[area],
            [VARIABLES[q] for a, q in keep if a == area],
            record=True,
            when="end",
            clock=clock,
        )
        for area in dict.fromkeys(a for a, _ in keep)
    }
    network = brian2.Network(list(groups.values()), carriers, list(monitors.values()))
    lost = _watch(brian2, clock, scene.wiring, groups, network)
    with np.errstate(over="ignore", invalid="ignore"):
        network.run(scene.wiring.steps * clock.dt, namespace={})
    if lost:
        area, step = lost[0]
        raise BlindspotsError(
            f"The activity of area '{area}' of '{scene.wiring.name}' is no longer finite at step "
            f"{step}: it grows without bound; scale the weights of its loops down."
        )
    return {(a, q): _trace(monitors[a], VARIABLES[q], scene) for a, q in keep}


def _watch(
    brian2: Any, clock: Any, wiring: Wiring, groups: Mapping[str, Any], network: Any
) -> list[tuple[str, int]]:
    """Stop ``network`` at the first potential that is not finite; where and when goes here."""
    lost: list[tuple[str, int]] = []
    hidden = [a.name for a in wiring.areas if a != wiring.input]
    potentials = {name: groups[name].variables["u"].get_value() for name in hidden}

    def look() -> None:
        for area, u in potentials.items():
            if not lost and not np.isfinite(u).all():
                lost.append((area, clock.variables["timestep"].get_value().item()))
                network.stop()

    network.add(brian2.NetworkOperation(look, clock=clock, when="after_end"))
    return lost


def _trace(monitor: Any, variable: str, scene: Scene) -> NDArray[np.float64]:
    """The recorded ``variable`` as (time, image, unit)."""
    recorded = getattr(monitor, variable).T
    return np.ascontiguousarray(recorded).reshape(len(recorded), scene.images, -1)
