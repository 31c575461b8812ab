"""Time and memory against the size of the work, ours beside the same network in snnTorch.

One size is varied at a time, all others stay at a base: two areas of 128 spiking units with lateral
and top-down projections, 10 steps, a batch of 64. CPU time is the least of a few rounds in turn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from benchmarks.brian import layered
from benchmarks.peers import missing
from benchmarks.peers.attacks import Ours, Sweep, TorchAttacks
from benchmarks.peers.loops import Loop, SnnTorch
from benchmarks.rows import in_turn, machine
from benchmarks.training_step import lively, step_of
from figures.save import replacing, save
from figures.scaling import scaling
from sim import Network

LIBRARIES = ("blindspots", "snnTorch")
ATTACK_STEPS = 10

Works = Mapping[str, Callable[[], object]]


class Base(NamedTuple):
    """All sizes but the one that is varied."""

    steps: int = 10
    batch: int = 64
    units: int = 128
    areas: int = 2
    individuals: int = 1
    images: int = 64
    epsilons: int = 1


SIZES: dict[str, Sequence[int]] = {
    "steps": (5, 10, 20, 40, 80),
    "batch": (16, 64, 256, 1024),
    "units": (32, 64, 128, 256, 512),
    "areas": (1, 2, 4, 8),
    "individuals": (1, 2, 4, 8),
    "images": (64, 256, 1024, 4096),
    "epsilons": (1, 2, 4, 8),
}
WORK = {"images": "scoring", "epsilons": "attack"}


def measure(out: Path, *, quick: bool) -> list[Path]:
    """Write ``scaling.nc`` and the figure into a directory."""
    found = {axis: list(curve(axis, quick=quick)) for axis in SIZES}
    dataset = labelled(found)
    with replacing(out / "scaling.nc") as temporary:
        dataset.to_netcdf(temporary)
    return [out / "scaling.nc", *save(scaling(dataset), out, "scaling")]


def curve(axis: str, *, quick: bool) -> Iterator[tuple[int, dict[str, tuple[float, float]]]]:
    """Each size along an axis, with seconds and megabytes by library."""
    sizes = SIZES[axis][:2] if quick else SIZES[axis]
    for size in sizes:
        rows = in_turn(works(axis, Base()._replace(**{axis: size})), 1 if quick else 3)
        yield (
            size,
            {
                row.name: (min(row.cpu), np.nan if row.megabytes is None else row.megabytes)
                for row in rows
            },
        )


def works(axis: str, base: Base) -> Works:
    """What each library does at a size."""
    wiring = layered("scaled", (base.units,) * base.areas, base.steps)
    generator = torch.Generator().manual_seed(0)
    networks = [lively(wiring) for _ in range(base.individuals)]
    models: dict[str, list[nn.Module]] = {
        "blindspots": list(networks),
        "snnTorch": [Loop(SnnTorch(), each) for each in networks],
    }
    shown = base.images if axis == "images" else base.batch
    images = torch.rand(shown, 1, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (shown,), generator=generator)
    if axis == "images":
        return {name: partial(scored, some[0], images) for name, some in models.items()}
    if axis == "epsilons":
        return attacks(networks[0], models["snnTorch"][0], images, base.epsilons)
    return {name: stepped(some, images, labels) for name, some in models.items()}


def stepped(models: list[nn.Module], images: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step of every individual."""
    steps = [step_of(model, images, labels) for model in models]

    def all_of_them() -> None:
        for step in steps:
            step()

    return all_of_them


def scored(model: nn.Module, images: Tensor, batch: int = 256) -> Tensor:
    """Answers, without gradients."""
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(batch)])


def attacks(network: Network, loop: nn.Module, images: Tensor, epsilons: int) -> Works:
    """Ours, and torchattacks on the network in snnTorch, at so many budgets up to 0.1."""
    budgets = [0.1 * (i + 1) / epsilons for i in range(epsilons)]
    sweep = Sweep(images, scored(network, images), budgets, ATTACK_STEPS)
    found: dict[str, Callable[[], object]] = {"blindspots": lambda: Ours()(network, sweep)}
    if not missing(TorchAttacks.package):
        found["snnTorch"] = lambda: TorchAttacks()(loop, sweep)
    return found


def labelled(
    found: Mapping[str, Sequence[tuple[int, Mapping[str, tuple[float, float]]]]],
) -> xr.Dataset:
    """``seconds of steps`` (library, steps) and ``megabytes of steps``; and so on for each axis."""
    dataset = xr.Dataset(coords={"library": list(LIBRARIES)}, attrs={"base": str(Base())})
    about = machine()
    dataset.attrs |= {"processor": about["processor"], "torch": about["versions"]["torch"]}
    for axis, points in found.items():
        values = np.full((2, len(LIBRARIES), len(points)), np.nan)
        for at, (_, by_library) in enumerate(points):
            for which, name in enumerate(LIBRARIES):
                values[:, which, at] = by_library.get(name, (np.nan, np.nan))
        dataset = dataset.assign_coords({axis: [size for size, _ in points]})
        for quantity, rows in zip(("seconds", "megabytes"), values, strict=True):
            about_it = {"work": WORK.get(axis, "training step")}
            dataset[f"{quantity} of {axis}"] = (("library", axis), rows, about_it)
    return dataset
