"""What is shown of one choice: a network's activity, clean and perturbed, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.explorer.offer import Choice, Offer
from networks import Wiring
from networks.projection import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Plane:
    """The two leading principal components of clean states, and their shares of the variance."""

    centre: Floats
    axes: Floats
    shares: tuple[float, float]

    def project(self, states: Floats) -> Floats:
        """States (..., unit) to places (..., 2)."""
        return (states - self.centre) @ self.axes.T


@dataclass(frozen=True)
class Scene:
    """One choice under every set of pathways and every epsilon; epsilon 0 is the clean image.

    Axes: `cut` (pathways that are cut, in the order of `cuts`), `epsilon`, `time` (steps).

    Attributes:
        choice: what is shown.
        aim: whom the inputs were made for.
        wiring: of the network.
        data: name of the data set.
        number: of the image in the test set, and its `label`.
        epsilons: budgets, the first is 0.
        cuts: the kinds of projections that deliver nothing, none of them first.
        areas: those whose activity is shown; the hidden ones, or the output where there is none.
        inputs: intensities (epsilon, row, column).
        outputs: by area, what its units emit (cut, epsilon, time, unit).
        evidence: potentials of the output, averaged over the steps that have been read so far
            (cut, epsilon, time, class); what the network would answer if time ended here.
        margin: evidence for the label less that for the best other class (cut, epsilon, time).
        path: states in `plane` (cut, epsilon, time, 2).
        drive: by area (all but the input's) how each of `kinds` adds to the length of the change of
            the drive from the clean image's (cut, epsilon, time, kind); see `contributions`.
    """

    choice: Choice
    aim: str
    wiring: Wiring
    data: str
    number: int
    label: int
    epsilons: tuple[float, ...]
    cuts: tuple[frozenset[Kind], ...]
    areas: tuple[str, ...]
    inputs: Floats
    outputs: dict[str, Floats]
    evidence: Floats
    margin: Floats
    plane: Plane
    path: Floats
    kinds: tuple[Kind, ...]
    drive: dict[str, Floats]


def scene(offer: Offer, choice: Choice) -> Scene:
    """Run the chosen network on the chosen image, clean and at every epsilon, with every cut."""
    import torch

    from sim.scaled import scaled

    network = offer.network(choice)
    images, labels = offer.pictures
    epsilons, crafted = offer.crafted(choice)
    shown = torch.cat([images[choice.image][None], crafted])
    wiring, label = network.wiring, int(labels[choice.image])
    areas, cuts, kinds = watched(wiring), cuts_of(wiring), kinds_of(wiring)
    runs = [with_drives(scaled(network, cut, 0) if cut else network, shown) for cut in cuts]
    plane = plane_of(network, offer.first_pictures)

    def stacked(name: str) -> Floats:
        return np.stack([run[name].transpose("image", "time", ...).to_numpy() for run in runs])

    evidence = accumulated(wiring, stacked(f"{wiring.output}.potential"))
    changes = [contributions(run, kinds) for run in runs]
    return Scene(
        choice=choice,
        aim=offer.aim(choice),
        wiring=wiring,
        data=offer.bench.data,
        number=int(offer.compared["image"].to_numpy()[choice.image]),
        label=label,
        epsilons=(0.0, *epsilons),
        cuts=cuts,
        areas=areas,
        inputs=shown[:, 0].cpu().numpy(),
        outputs={area: stacked(f"{area}.output") for area in areas},
        evidence=evidence,
        margin=margins(evidence, label),
        plane=plane,
        path=plane.project(np.stack([states_of(run, areas) for run in runs])),
        kinds=kinds,
        drive={area: np.stack([each[area] for each in changes]) for area in changes[0]},
    )


def watched(wiring: Wiring) -> tuple[str, ...]:
    """The hidden areas, or the output where there is none."""
    ends = (wiring.input.name, wiring.output)
    return tuple(a.name for a in wiring.areas if a.name not in ends) or (wiring.output,)


def kinds_of(wiring: Wiring) -> tuple[Kind, ...]:
    """The kinds of projections of a wiring, in a fixed order."""
    there = {p.kind for p in wiring.projections}
    return tuple(kind for kind in get_args(Kind) if kind in there)


def cuts_of(wiring: Wiring) -> tuple[frozenset[Kind], ...]:
    """Every set of feedback pathways that can be cut; the empty one first."""
    there = [kind for kind in kinds_of(wiring) if kind in ("lateral", "top-down")]
    sizes = range(len(there) + 1)
    return tuple(frozenset(each) for size in sizes for each in combinations(there, size))


def with_drives(network: "Network", images: "Tensor") -> xr.Dataset:
    """Recordings, and the drive of every area by kind."""
    from sim.drives import drive_by_kind

    recording = recorded(network, images)
    return recording.merge(drive_by_kind(network, recording))


def recorded(network: "Network", images: "Tensor") -> xr.Dataset:
    """Recordings of images (N, 1, 28, 28).

    A random code draws the same for all of them, so that only what was changed in them differs.
    """
    from experiments.attacks.chance import spikes, stream
    from sim import run

    if network.wiring.is_random:
        images = spikes(network.wiring, images, stream("explorer", 0), common=True)
    return run(network, images)


def accumulated(wiring: Wiring, potentials: Floats) -> Floats:
    """What would be answered if time ended at each step, from potentials (..., time, class).

    Their mean over the answer's steps so far; NaN before any stimulus can have arrived.
    """
    first = wiring.first_answer
    evidence = np.full(potentials.shape, np.nan)
    read = potentials[..., first:, :]
    if wiring.readout == "mean":
        steps = np.arange(1, read.shape[-2] + 1)
        read = np.cumsum(read, axis=-2) / steps[:, None]
    evidence[..., first:, :] = read
    return evidence


def margins(evidence: Floats, label: int) -> Floats:
    """Evidence (..., class) for the label less that for the best other class."""
    others = np.delete(evidence, label, axis=-1)
    return evidence[..., label] - others.max(axis=-1)


def contributions(recording: xr.Dataset, kinds: Sequence[str]) -> dict[str, Floats]:
    """By area, how each of `kinds` of projections changes the drive (image, time, kind).

    With D the change of an area's drive from that of the first image and D_k what kind k adds to
    it, k contributes D_k . D / |D|: positive where it drives the area away, negative where it
    pulls the area back. The contributions sum to |D|, in the unit of the drive.
    """
    changes = {}
    for name, by_kind in recording.data_vars.items():
        if not str(name).endswith(".drive_by_kind"):
            continue
        drive = by_kind.sel(kind=list(kinds)).transpose("image", "time", "kind", ...).to_numpy()
        change = drive - drive[:1]
        total = change.sum(axis=2)
        length = np.linalg.norm(total, axis=-1)
        along = np.einsum("ntku,ntu->ntk", change, total)
        changes[str(name).removesuffix(".drive_by_kind")] = np.divide(
            along, length[..., None], out=np.zeros_like(along), where=length[..., None] > 0
        )
    return changes


@lru_cache(maxsize=8)
def plane_of(network: "Network", images: "Tensor") -> Plane:
    """Fitted on the states of the whole network at all steps of clean images."""
    states = states_of(recorded(network, images), watched(network.wiring))
    states = states.reshape(-1, states.shape[-1])
    centre = states.mean(0)
    _, lengths, axes = np.linalg.svd(states - centre, full_matrices=False)
    first, second = (float(each) for each in lengths[:2] ** 2 / (lengths**2).sum())
    return Plane(centre, axes[:2], (first, second))


def states_of(recording: xr.Dataset, areas: Sequence[str]) -> Floats:
    """The potentials of all units of some areas, (image, time, unit)."""
    potentials = [recording[f"{area}.potential"].transpose("image", "time", ...) for area in areas]
    return np.concatenate([each.to_numpy() for each in potentials], axis=-1)
