"""Activity by image: of units, of directions in their space, and of modules.

The activity of a unit is its mean output over the steps at which the answer is read. In grids a
feature map counts as one unit, by its mean over positions (as in Morcos et al. 2018, arXiv
1803.06959). Everything else is a projection of those: x . v (Szegedy et al. 2014, section 3).
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from networks import Area
from networks.derive import hidden

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sim import Network

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

KINDS = {
    "unit": "one unit (in grids, one feature map)",
    "random": "a random direction: a unit vector, isotropic in the area's activity",
    "principal": "a principal direction of the area's activity over the images",
    "module": "the mean of a module's units",
    "group": "the mean of as many random units as a module has",
}
RANDOM = 100  # directions
PRINCIPAL = 10  # directions, the leading ones
GROUPS = 20
BATCH = 250  # images recorded at a time


def activities(
    network: "Network", images: "Tensor", generator: "torch.Generator"
) -> dict[str, Floats]:
    """The activity (image, unit) of every hidden area, from images (N, 1, 28, 28).

    A random code of the input draws from ``generator``.
    """
    from experiments.attacks.chance import in_one_draw
    from sim import run

    areas = hidden(network.wiring)
    names = [area.name for area in areas]
    read = list(network.wiring.answers)
    batches: dict[str, list[Floats]] = {name: [] for name in names}
    for batch in images.split(BATCH):
        shown = in_one_draw(network.wiring, batch, generator)
        recording = run(network, shown, record=names, quantities=("output",))
        for area in areas:
            mean = recording[f"{area.name}.output"].sel(time=read).mean("time").to_numpy()
            batches[area.name].append(mean.reshape(len(mean), area.channels, -1).mean(2))
    return {name: np.concatenate(rows).astype(np.float64) for name, rows in batches.items()}


def modules_of(area: Area) -> Ints:
    """The module of each unit of an area."""
    return np.arange(area.channels) // (area.channels // area.modules)


def readings(activity: Floats, area: Area, generator: np.random.Generator) -> dict[str, Floats]:
    """By kind (``KINDS``), what each of its members makes of every image: (image, member).

    An area that is one module has neither modules nor groups to hold beside them.
    """
    units = activity.shape[1]
    found = {
        "unit": activity,
        "random": activity @ random_directions(units, RANDOM, generator).T,
        "principal": activity @ principal_directions(activity, PRINCIPAL).T,
    }
    if area.modules > 1:
        module = modules_of(area)
        found["module"] = np.stack(
            [activity[:, module == each].mean(1) for each in range(area.modules)], axis=1
        )
        size = units // area.modules
        found["group"] = np.stack(
            [activity[:, each].mean(1) for each in random_groups(units, size, GROUPS, generator)],
            axis=1,
        )
    return found


def random_directions(units: int, count: int, generator: np.random.Generator) -> Floats:
    """Unit vectors (count, units), uniform on the sphere."""
    vectors = generator.standard_normal((count, units))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def principal_directions(activity: Floats, count: int) -> Floats:
    """The leading principal directions (at most ``count``, units), the largest loading positive."""
    vectors = np.linalg.svd(activity - activity.mean(0), full_matrices=False)[2][:count]
    largest = np.abs(vectors).argmax(1)
    return vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]


def random_groups(units: int, size: int, count: int, generator: np.random.Generator) -> Ints:
    """``count`` groups of ``size`` different units, (count, size)."""
    return np.stack([generator.permutation(units)[:size] for _ in range(count)])
