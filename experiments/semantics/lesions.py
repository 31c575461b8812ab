"""What silencing units, and whole groups of them, does to the answers.

Groups are of one size, a module's (a quarter of the area where it is one module), so that they
compare: a module, the most and the least selective units, and random units of the same area, drawn
here: they are not the groups whose activity is measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from experiments.semantics.activity import Floats, Ints, modules_of, random_groups
from experiments.statistics.draws import Bools
from networks import Area

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

LESIONS = {
    "unit": "one unit",
    "selective": "the most selective units",
    "unselective": "the least selective units",
    "random": "random units",
    "module": "a module",
}
SINGLE = 16  # units of an area silenced one by one, evenly spread over their selectivity
DRAWS = 4  # random groups
IMAGE = -4  # the axis of the images, with steps before it or not
QUARTER = 4  # of an area that has no modules


class Target(NamedTuple):
    """Units of an area that are silenced together; the ``member``-th of a kind of ``LESIONS``."""

    kind: str
    member: int
    units: tuple[int, ...]


def targets(area: Area, selectivity: Floats, generator: np.random.Generator) -> list[Target]:
    """What is silenced in an area whose units have this selectivity (NaN: silent, counts as 0)."""
    order = np.argsort(np.nan_to_num(selectivity), kind="stable")
    size = max(1, area.channels // (area.modules if area.modules > 1 else QUARTER))
    spread = np.linspace(0, area.channels - 1, min(SINGLE, area.channels)).round().astype(int)
    groups: dict[str, Sequence[Ints]] = {
        "unit": [order[[at]] for at in spread],
        "selective": [order[-size:]],
        "unselective": [order[:size]],
        "random": list(random_groups(area.channels, size, DRAWS, generator)),
    }
    if area.modules > 1:
        module = modules_of(area)
        groups["module"] = [np.flatnonzero(module == each) for each in range(area.modules)]
    return [
        Target(kind, member, tuple(int(unit) for unit in units))
        for kind, members in groups.items()
        for member, units in enumerate(members)
    ]


def lesioned(
    network: "Network", area: Area, silenced: Sequence[Target], shown: Mapping[str, "Tensor"]
) -> Iterator[dict[str, Ints]]:
    """The classes answered to each set of images ``shown``, with one target silenced after another.

    Sets are images (N, 1, 28, 28), or where the code is random their spikes in one draw
    (steps, N, 1, 28, 28). All go through the network at once.
    """
    import torch

    from sim import Silence, run

    images = torch.cat(list(shown.values()), dim=IMAGE)
    ends = np.cumsum([each.shape[IMAGE] for each in shown.values()])[:-1]
    for target in silenced:
        act = Silence(area=area.name, units=positions(area, target.units))
        logits = run(network, images, intervene=[act], record=[])["logits"].to_numpy()
        yield dict(zip(shown, np.split(logits.argmax(1), ends), strict=True))


def positions(area: Area, units: Sequence[int]) -> tuple[int, ...]:
    """The flat indices of units; of all positions of feature maps."""
    each = area.size // area.channels
    return tuple(unit * each + at for unit in units for at in range(each))


def by_class(right: Bools, labels: Ints, classes: int = 10) -> Floats:
    """The share of ``right`` (image,) by class; NaN for a class without images."""
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels, weights=right, minlength=classes)
    with np.errstate(invalid="ignore"):
        share: Floats = hits / counts
    return share


def table(
    silenced: Sequence[Target], answers: Sequence[Mapping[str, Ints]], labels: Ints
) -> xr.Dataset:
    """``lesion_accuracy`` (lesion, member, condition, class) and ``lesion_unit`` (member)."""
    members = max(target.member for target in silenced) + 1
    conditions = list(answers[0])
    shape = (len(LESIONS), members, len(conditions), 10)
    accuracy, unit = np.full(shape, np.nan), np.full(members, -1)
    kinds = list(LESIONS)
    for target, answered in zip(silenced, answers, strict=True):
        for at, predicted in enumerate(answered.values()):
            accuracy[kinds.index(target.kind), target.member, at] = by_class(
                predicted == labels, labels
            )
        if target.kind == "unit":
            unit[target.member] = target.units[0]
    return xr.Dataset(
        {
            "lesion_accuracy": (("lesion", "member", "condition", "class"), accuracy),
            "lesion_unit": ("member", unit),
        },
        coords={"lesion": kinds, "condition": conditions, "member": range(members)},
    )
