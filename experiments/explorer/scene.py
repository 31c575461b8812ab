"""What is shown of one choice: a network's activity, clean and perturbed, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.dynamics.measures import decisions
from experiments.dynamics.measures.decision import evidence
from experiments.dynamics.measures.drive import along_change
from experiments.dynamics.measures.parts import areas_of
from experiments.explorer.offer import Choice, Offer
from networks import Wiring
from networks.projection import FEEDBACK, KINDS, Kind

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
        label: of the image.
        epsilons: budgets, the first is 0.
        cuts: the kinds of projections that deliver nothing, none of them first.
        areas: those whose activity is shown; the hidden ones, or the output where there is none.
        inputs: intensities (epsilon, row, column).
        outputs: by area, what its units emit (cut, epsilon, time, unit).
        evidence: potentials of the output, averaged over the steps that have been read so far
            (cut, epsilon, time, class); what the network would answer if time ended here.
        running_margin: evidence for the label less that for the best other class, and
        running_answer: the class with most, -1 before the read-out (cut, epsilon, time); see
            `decisions`.
        path: states in `plane` (cut, epsilon, time, 2).
        drive: by area (all but the input's) how each of `kinds` adds to the length of the change of
            the drive from the clean image's (cut, epsilon, time, kind); see `shares_of`.
    """

    choice: Choice
    aim: str
    wiring: Wiring
    data: str
    label: int
    epsilons: tuple[float, ...]
    cuts: tuple[frozenset[Kind], ...]
    areas: tuple[str, ...]
    inputs: Floats
    outputs: dict[str, Floats]
    evidence: Floats
    running_margin: Floats
    running_answer: NDArray[np.int8]
    plane: Plane
    path: Floats
    kinds: tuple[Kind, ...]
    drive: dict[str, Floats]


def scene(offer: Offer, choice: Choice) -> Scene:
    """Run the chosen network on the chosen image, clean and at every epsilon, with every cut."""
    import torch

    from sim.scaled import scaled

    network = offer.network(choice)
    (images, labels), place = offer.pictures, offer.place(choice)
    epsilons, crafted = offer.crafted(choice)
    shown = torch.cat([images[place][None], crafted])
    wiring, label = network.wiring, int(labels[place])
    areas, cuts, kinds = watched(wiring), cuts_of(wiring), kinds_of(wiring)
    runs = [with_drives(scaled(network, cut, 0) if cut else network, shown) for cut in cuts]
    plane = plane_of(network, offer.first_pictures)

    def stacked(name: str) -> Floats:
        return np.stack([run[name].transpose("image", "time", ...).to_numpy() for run in runs])

    read = read_out(wiring, runs, label)
    order = ("condition", "image", "time")
    decided = decisions(read).transpose(*order)
    shares = [shares_of(run, kinds) for run in runs]
    return Scene(
        choice=choice,
        aim=offer.aim(choice),
        wiring=wiring,
        data=offer.bench.data,
        label=label,
        epsilons=(0.0, *epsilons),
        cuts=cuts,
        areas=areas,
        inputs=shown[:, 0].cpu().numpy(),
        outputs={area: stacked(f"{area}.output") for area in areas},
        evidence=evidence(read).transpose(*order, "class").to_numpy(),
        running_margin=decided["running_margin"].to_numpy(),
        running_answer=decided["running_answer"].to_numpy(),
        plane=plane,
        path=plane.project(np.stack([states_of(run, areas) for run in runs])),
        kinds=kinds,
        drive={area: np.stack([each[area] for each in shares]) for area in shares[0]},
    )


def watched(wiring: Wiring) -> tuple[str, ...]:
    """The hidden areas, or the output where there is none."""
    ends = (wiring.input.name, wiring.output)
    return tuple(a.name for a in wiring.areas if a.name not in ends) or (wiring.output,)


def kinds_of(wiring: Wiring) -> tuple[Kind, ...]:
    """The kinds of projections of a wiring, in a fixed order."""
    there = {p.kind for p in wiring.projections}
    return tuple(kind for kind in KINDS if kind in there)


def cuts_of(wiring: Wiring) -> tuple[frozenset[Kind], ...]:
    """Every set of feedback pathways that can be cut; the empty one first."""
    there = [kind for kind in kinds_of(wiring) if kind in FEEDBACK]
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
    from experiments.attacks.chance import in_one_draw, stream
    from sim import run

    return run(network, in_one_draw(network.wiring, images, stream("explorer", 0), common=True))


def read_out(wiring: Wiring, runs: Sequence[xr.Dataset], label: int) -> xr.Dataset:
    """The output's potentials with every cut, a condition each, as measures expect recordings."""
    potential = xr.concat([run[f"{wiring.output}.potential"] for run in runs], "condition")
    return (
        potential.to_dataset()
        .assign(label=("image", np.full(potential.sizes["image"], label)))
        .assign_attrs(output=wiring.output, answers=np.array(list(wiring.answers)))
    )


def shares_of(recording: xr.Dataset, kinds: Sequence[str]) -> dict[str, Floats]:
    """By area, `along_change` of each of `kinds` from the first image (image, time, kind)."""
    found = {}
    for area in areas_of(recording, "drive_by_kind"):
        drive = recording[f"{area}.drive_by_kind"].sel(kind=list(kinds))
        along = along_change(drive - drive.isel(image=0, drop=True), f"{area}.unit")
        found[area] = along.transpose("image", "time", "kind").to_numpy()
    return found


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
