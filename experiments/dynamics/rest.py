"""Where a rate network would come to rest under an image, and whether it would stay there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import xarray as xr

from experiments.dynamics.conditions import ADVERSARIAL
from experiments.dynamics.measures.parts import CLEAN
from experiments.dynamics.recorded import looked_at

if TYPE_CHECKING:
    from networks import Wiring
    from sim import Network

LARGEST = 1000  # units; of larger networks nothing is sought
LEVEL = 1e-3
"""With a slope above this no minimum was reached: the search stopped, as it may at kinks."""


def comes_to_rest(wiring: "Wiring") -> bool:
    """Whether there is anything to seek: rates alone, under still images, with a loop or memory."""
    return (
        not wiring.spiking
        and not wiring.is_feedforward
        and wiring.stimulated.code.model == "constant"
        and sum(a.size for a in wiring.areas if a != wiring.input) <= LARGEST
    )


def resting_points(network: "Network", recording: xr.Dataset) -> xr.Dataset:
    """Fixed and slow points under the image to look at, clean and adversarial.

    The searches (:func:`sim.fixed_points.slow_points`; Sussillo & Barak 2013, Neural Comput.
    25:626) start where the clean and the adversarial trajectory end, so that two minima of one
    image mean two basins. Points at which a search stopped (:data:`LEVEL`) mean none.

    Args:
        network: see :func:`comes_to_rest`.
        recording: its recording.

    Returns:
        By ``point`` what ``slow_points`` says, with the coordinates ``condition`` and ``image``
        (index in the test set), and `AREA.output`.
    """
    import torch

    from sim.fixed_points import slow_points, visited

    conditions = [CLEAN, ADVERSARIAL]
    here = recording.isel(image=[looked_at(recording)])
    starts = torch.stack([visited(network.wiring, here.sel(condition=c))[-1] for c in conditions])
    found = []
    for condition in conditions:
        images = torch.from_numpy(here["inputs"].sel(condition=condition).to_numpy())[:, None]
        points = slow_points(network, images, starts)
        places = here["image"].to_numpy()[points["image"].to_numpy()]
        found.append(
            points.assign_coords(
                image=("point", places), condition=("point", [condition] * len(places))
            )
        )
    return emitting(
        xr.concat(found, "point", data_vars="all", coords="minimal", compat="override"),
        network.wiring,
    )


def emitting(points: xr.Dataset, wiring: "Wiring") -> xr.Dataset:
    """The points with what each area emits there."""
    import torch

    from sim.units import ACTIVATIONS

    outputs = {}
    for area in wiring.areas:
        if area.unit.model == "rate":
            potential = points[f"{area.name}.potential"]
            emitted = ACTIVATIONS[area.unit.activation](torch.from_numpy(potential.to_numpy()))
            outputs[f"{area.name}.output"] = potential.copy(data=emitted.numpy())
    return points.assign(outputs)


def told(points: xr.Dataset) -> Iterator[list[str]]:
    """Image, condition, kind of point, speed, slope, largest modulus of an eigenvalue, starts."""
    sizes = ((points["eigenvalue_real"] ** 2 + points["eigenvalue_imag"] ** 2) ** 0.5).max("mode")
    for at in range(points.sizes["point"]):
        here = points.isel(point=at)
        yield [
            str(int(here["image"])), str(here["condition"].item()), kind_of(here),
            f"{float(here['speed']):.1e}", f"{float(here['slope']):.1e}",
            f"{float(sizes[at]):.2f}", str(int(here["starts"])),
        ]  # fmt: skip


def kind_of(point: xr.Dataset) -> str:
    """A fixed or slow point and whether it is stable, or that the search stopped short of one."""
    if not bool(point["fixed"]) and float(point["slope"]) > LEVEL:
        return "search stopped"
    stays = "stable" if bool(point["stable"]) else "unstable"
    return f"{'fixed' if bool(point['fixed']) else 'slow'}, {stays}"
