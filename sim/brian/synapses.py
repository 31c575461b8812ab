"""Explicit synapses: one Brian2 object per projection, one synapse per connection and image."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from networks import Projection
from sim.brian.connections import connected
from sim.brian.equations import carries_more_than_spikes
from sim.brian.populations import EMISSION, Scene
from sim.parameters import weight_name


def synapses(brian2: Any, clock: Any, scene: Scene, groups: Mapping[str, Any]) -> list[Any]:
    """The projections of the wiring between the ``groups`` of its areas.

    In Brian2's schedule synapses act after thresholds, on what the groups read at the next step:
    a projection of d steps has a synaptic delay of d - 1 steps.
    """
    made = []
    for area in scene.wiring.areas:
        for k, p in enumerate(scene.wiring.into(area.name)):
            made.append(_projection(brian2, clock, scene, groups, p, f"arrived_{k}"))
    return made


def _projection(
    brian2: Any, clock: Any, scene: Scene, groups: Mapping[str, Any], p: Projection, arrived: str
) -> Any:
    source, target = scene.wiring.area(p.source), scene.wiring.area(p.target)
    sent = "out" if p.delay == 1 else f"sent_{p.delay - 1}"
    graded = carries_more_than_spikes(scene.wiring, source, scene.acts)
    made = brian2.Synapses(
        groups[p.source],
        groups[p.target],
        "w : 1",
        on_pre=f"{arrived}_post += w" + (f" * {sent}_pre" if graded else ""),
        on_event=EMISSION,
        delay=(p.delay - 1) * clock.dt,
        clock=clock,
        namespace={},
    )
    joined = connected(p, source, target, scene.values[weight_name(p)])
    image = np.arange(scene.images)[:, None]
    made.connect(
        i=(image * source.size + joined.sources).ravel(),
        j=(image * target.size + joined.targets).ravel(),
    )
    made.w = np.tile(joined.weights, scene.images)
    return made
