"""Spike for spike: one network on torch and on Brian2, both in float64."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from networks import BlindspotsError, Constant, Wiring
from sim.brian import replica
from sim.network import Network, in_float64
from sim.recording import Quantity
from sim.run import run

COMPARED: tuple[Quantity, ...] = ("potential", "output")


@dataclass(frozen=True)
class Mismatch:
    """One unit of one image that fired in one simulator alone, and both membranes then."""

    image: int
    area: str
    unit: int
    step: int
    torch: float
    brian2: float
    threshold: float

    @property
    def distance(self) -> float:
        """How far torch's membrane is from the threshold."""
        return abs(self.torch - self.threshold)

    def __str__(self) -> str:
        """One sentence for people."""
        return (
            f"image {self.image}, area '{self.area}', unit {self.unit}, step {self.step}: the "
            f"membrane is {self.torch!r} on torch and {self.brian2!r} on Brian2, "
            f"{self.distance:.2g} from the threshold {self.threshold}"
        )


@dataclass(frozen=True)
class Agreement:
    """What two runs of the same network have in common.

    ``chances`` to spike (image, unit, step) were compared, ``spikes`` of them taken on torch;
    ``differing`` is their number where one simulator fired and the other did not.
    ``difference`` is the largest between membranes, ``closest`` the smallest distance of any of
    torch's membranes from its threshold: differing spikes are rounding where it is as small.
    ``ways`` are those that Brian2 went.
    """

    images: int
    chances: int
    spikes: int
    differing: int
    difference: float
    closest: float
    ways: tuple[str, ...]
    first: Mismatch | None = None

    def __add__(self, other: "Agreement") -> "Agreement":
        """Of both sets of images together; those of ``other`` count on from the first ones."""
        later = other.first and replace(other.first, image=self.images + other.first.image)
        mismatches = [m for m in (self.first, later) if m]
        return Agreement(
            self.images + other.images,
            self.chances + other.chances,
            self.spikes + other.spikes,
            self.differing + other.differing,
            max(self.difference, other.difference),
            min(self.closest, other.closest),
            tuple(sorted({*self.ways, *other.ways})),
            min(mismatches, key=lambda m: m.step, default=None),
        )


def compare(
    network: Network,
    images: Tensor,
    *,
    way: replica.Way | None = None,
    at_once: int = 100,
    done: Callable[[int], None] = lambda images: None,
) -> Agreement:
    """Run ``network`` in float64 on torch and on Brian2, ``at_once`` images at a time.

    ``images`` (N, *input shape) are coded once, so that both see the same draws. ``done`` is told
    how many images each part had. Raises BlindspotsError for a wiring without spiking units.
    """
    wiring = network.wiring
    if not _spiking(wiring):
        raise BlindspotsError(
            f"'{wiring.name}' has no spiking units, so there are no spikes to compare; "
            "networks.derive.as_spiking gives its spiking twin."
        )
    total: Agreement | None = None
    for part in images.split(at_once):
        agreement = agreement_of(wiring, *record_both(network, part, way=way))
        total = total + agreement if total else agreement
        done(len(part))
    assert total is not None
    return total


def record_both(
    network: Network, images: Tensor, *, way: replica.Way | None = None
) -> tuple[xr.Dataset, xr.Dataset]:
    """Membranes and emissions of ``network`` in float64, on torch and on Brian2.

    ``images`` (N, *input shape) are coded once, so that both see the same draws.
    """
    twin = in_float64(network)
    stimulus = images.double()
    if not isinstance(network.wiring.stimulated.code, Constant):
        stimulus = torch.stack(list(twin.frames(stimulus)))
    brians = replica.run(twin, stimulus, quantities=COMPARED, way=way)
    return run(twin, stimulus, quantities=COMPARED), brians


def agreement_of(wiring: Wiring, torchs: xr.Dataset, brians: xr.Dataset) -> Agreement:
    """The agreement of two recordings of all areas of ``wiring``."""
    thresholds = _spiking(wiring)
    spikes = {area: torchs[f"{area}.output"].to_numpy() for area in thresholds}
    differ = {area: spikes[area] != brians[f"{area}.output"].to_numpy() for area in thresholds}
    membranes = [a.name for a in wiring.areas if a != wiring.input]
    far = [_largest(torchs, brians, f"{area}.potential") for area in membranes]
    close = [
        float(np.abs(torchs[f"{area}.potential"].to_numpy() - threshold).min())
        for area, threshold in thresholds.items()
    ]
    return Agreement(
        images=torchs.sizes["image"],
        chances=sum(values.size for values in spikes.values()),
        spikes=int(sum(values.sum() for values in spikes.values())),
        differing=int(sum(values.sum() for values in differ.values())),
        difference=max(far),
        closest=min(close),
        ways=(brians.attrs["way"],),
        first=_first(torchs, brians, thresholds, differ),
    )


def _spiking(wiring: Wiring) -> dict[str, float]:
    """The threshold of each spiking area."""
    return {area: unit.threshold for area, unit in wiring.spiking.items()}


def _largest(one: xr.Dataset, other: xr.Dataset, name: str) -> float:
    return float(np.abs(one[name].to_numpy() - other[name].to_numpy()).max())


def _first(
    torchs: xr.Dataset,
    brians: xr.Dataset,
    thresholds: dict[str, float],
    differ: dict[str, NDArray[np.bool_]],
) -> Mismatch | None:
    """The mismatch of the earliest step; in it that of the first area, image and unit."""
    found: Mismatch | None = None
    for area, where in differ.items():
        if not where.any():
            continue
        step, image, unit = (int(i) for i in np.argwhere(where)[0])
        if found is None or step < found.step:
            one, other = (
                float(each[f"{area}.potential"][step, image, unit]) for each in (torchs, brians)
            )
            found = Mismatch(image, area, unit, step, one, other, thresholds[area])
    return found
