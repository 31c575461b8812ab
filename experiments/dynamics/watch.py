"""A unit of work: one individual watched on clean, adversarial and noisy images."""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import xarray as xr

from experiments.bench import Bench
from experiments.dynamics.conditions import ADVERSARIAL, Crafted, norms, shown
from experiments.dynamics.measures import (
    decisions,
    divergence,
    drive_measures,
    geometry,
    outcomes,
    planes,
)
from experiments.dynamics.measures.parts import CLEAN, areas_of, joined
from experiments.dynamics.recorded import recordings
from experiments.dynamics.rest import comes_to_rest, resting_points
from experiments.dynamics.sensitivity import is_sensible, sensitivity
from experiments.dynamics.subject import Subject
from experiments.origin import TRAINED
from experiments.result import image_indices
from experiments.store import fresh_unit, key_of, write_dataset
from experiments.units import FORMAT, Report, Unit

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

WATCHED = 3  # raise it when other things are measured
RECORDINGS = "recordings.nc"
RESTING = "fixed_points.nc"


@dataclass(frozen=True)
class Watch:
    """``subject`` on ``images`` images and what was crafted of them; a few recordings are kept.

    ``recorded`` are the positions of their images; the first one is looked at closely if it was
    ``asked_for``, else the first that fools.
    """

    stage: ClassVar[str] = "watch"
    product: ClassVar[str] = "measures.nc"
    subject: Subject
    crafted: Crafted
    images: int
    recorded: tuple[int, ...]
    seed: int
    bench: Bench
    asked_for: bool = False

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.subject.label} under {self.crafted.attack}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the measures."""
        return key_of(
            format=(FORMAT, WATCHED),
            network=self.subject.sha256,
            cells=self.subject.in_cells,
            crafted=self.crafted.key,
            images=self.images,
            recorded=self.recorded,
            asked_for=self.asked_for,
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=f"{self.bench.software} numpy {version('numpy')} xarray {version('xarray')}",
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The inputs, where they are crafted here."""
        return (self.crafted.craft,) if self.crafted.craft else ()

    def run(self, report: Report) -> None:
        """Record every condition, and leave the measures and the recordings of a few images."""
        from sim import Network

        inputs = shown(self.crafted, self.images, self.seed, self.bench)
        labels = inputs.pop("label")
        model = self.subject.model()
        indices = image_indices(self.bench, self.images)
        whole, few = recordings(
            model, inputs, labels, indices, self.seed, self.facts(), few=list(self.recorded)
        )
        report(0.5, 0.0)
        measured = joined(measures(whole), distances(inputs))
        points = None
        if isinstance(model, Network):
            measured = joined(measured, *self.exponents(model, inputs))
            points = resting_points(model, few) if comes_to_rest(model.wiring) else None
        with fresh_unit(self.stage, self.key) as directory:
            if points is not None:
                write_dataset(points, directory / RESTING)
            write_dataset(joined(few, planes(whole)), directory / RECORDINGS)
            write_dataset(measured, directory / self.product)

    def facts(self) -> dict[str, str | int | float]:
        """What recordings say of themselves, beside what the simulator does."""
        return {
            "network": self.subject.network,
            "individual": self.subject.individual,
            "data": self.bench.data,
            "weights": TRAINED,
            "attack": self.crafted.attack,
            "epsilon": self.crafted.epsilon,
            "crafted_on": self.crafted.origin,
            "asked_for": int(self.asked_for),
        }

    def exponents(self, network: "Network", inputs: "dict[str, Tensor]") -> list[xr.Dataset]:
        """The exponents, where the input shows intensities as they are."""
        import torch

        if not is_sensible(network):
            return []
        chance = torch.Generator().manual_seed(self.seed)
        return [sensitivity(network, inputs[CLEAN], inputs[ADVERSARIAL], chance)]


def measures(whole: xr.Dataset) -> xr.Dataset:
    """All measures of :mod:`experiments.dynamics.measures` of one individual's recordings."""
    decided = decisions(whole)
    parts = [decided, outcomes(decided, whole["label"]), divergence(whole), geometry(whole)]
    if any(str(name).endswith(".drive_by_kind") for name in whole):
        parts.append(drive_measures(whole))
    measured = joined(*parts)
    facts = {name: whole.attrs[name] for name in ("answers", "output")}
    in_order = {"condition": whole["condition"], "area": areas_of(whole)}  # merging sorts them
    return measured.sel(in_order).assign_attrs(facts)


def distances(inputs: "dict[str, Tensor]") -> xr.Dataset:
    """How far the inputs of every condition are from the clean images, (condition, image)."""
    clean, *_ = inputs.values()
    rows = [norms(clean, each) for each in inputs.values()]
    found = {
        name: (("condition", "image"), [row[name].cpu().numpy() for row in rows])
        for name in rows[0]
    }
    return xr.Dataset(found, coords={"condition": list(inputs)})
