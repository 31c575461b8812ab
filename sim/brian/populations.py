"""Brian2 groups for the areas: all images' copies of an area are one group.

Neuron ``image * size + unit`` is the copy of ``unit`` that sees ``image``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks import Area, Wiring
from sim.brian.equations import carries_more_than_spikes, update, variables
from sim.interventions import Intervention, UponUnits
from sim.parameters import bias_name

EMISSION = "emission"
Values = Mapping[str, NDArray[np.float64]]


class Scene(NamedTuple):
    """What is to be simulated.

    ``values`` are the weights that act and the biases, by name. ``frames`` (steps, images, *input
    shape) is the stimulus, or (1, images, ...) where it stays as it is.
    """

    wiring: Wiring
    values: Values
    frames: NDArray[np.float64]
    acts: tuple[Intervention, ...] = ()

    @property
    def images(self) -> int:
        """How many images are shown, each to its own copy of the network."""
        return self.frames.shape[1]


def remembered(scene: Scene, area: Area) -> int:
    """How many past emissions explicit synapses read from the area itself.

    A synapse whose delay is Brian2's own is told when something was emitted, not what.
    """
    if not carries_more_than_spikes(scene.wiring, area, scene.acts):
        return 0
    return max((p.delay for p in scene.wiring.projections if p.source == area.name), default=1) - 1


def populate(brian2: Any, clock: Any, scene: Scene, *, explicit: bool) -> dict[str, Any]:
    """One group per area; with ``explicit`` synapses it announces what it emits as events."""
    return {
        area.name: _population(brian2, clock, scene, area, explicit=explicit)
        for area in scene.wiring.areas
    }


def _population(brian2: Any, clock: Any, scene: Scene, area: Area, *, explicit: bool) -> Any:
    wiring, acts = scene.wiring, scene.acts
    sent = remembered(scene, area) if explicit else 0
    names = variables(wiring, area, acts, sent)
    is_movie = area == wiring.input and len(scene.frames) > 1
    shown = scene.frames.reshape(len(scene.frames), -1) if area == wiring.input else None
    source = "frames(t, i)" if is_movie else "shown"
    group = brian2.NeuronGroup(
        scene.images * area.size,
        "\n".join(f"{name} : 1" for name in ([*names, "shown"] if shown is not None else names)),
        events={EMISSION: "out != 0"} if explicit else {},
        clock=clock,
        namespace={"frames": brian2.TimedArray(shown, dt=clock.dt)} if is_movie else {},
    )
    group.run_regularly(update(wiring, area, acts, sent, source), clock=clock, when="groups")
    if shown is None:
        per_unit = np.repeat(scene.values[bias_name(area.name)], area.size // area.channels)
        group.bias = np.tile(per_unit, scene.images)
    elif not is_movie:
        group.shown = shown[0]
    for k, units in _chosen(area, acts):
        setattr(group, f"chosen_{k}", np.tile(units, scene.images))
    return group


def _chosen(area: Area, acts: Sequence[Intervention]) -> list[tuple[int, NDArray[np.float64]]]:
    """For each intervention on ``area`` its place and 1 at the units that it acts on."""
    found = []
    for k, act in enumerate(acts):
        if isinstance(act, UponUnits) and act.area == area.name:
            units = np.zeros(area.size)
            units[slice(None) if act.units is None else list(act.units)] = 1
            found.append((k, units))
    return found
