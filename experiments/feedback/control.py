"""A unit of work: one control of one recurrent individual, judged image by image.

Each control asks the same of the network in other circumstances: when the budget is spent, along
which paths the attack follows the gradient, how strong the feedback is while the network answers,
and whether a feedforward student that learnt its answers is as robust. All accuracies under attack
are upper bounds: a better attack may lower them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr

from experiments.bench import Bench, scored
from experiments.individuals import Train
from experiments.kept import Kept
from experiments.store import fresh_unit, key_of, write_dataset
from experiments.units import FORMAT, Report, Unit
from networks.projection import FEEDBACK

if TYPE_CHECKING:
    from torch import Tensor

    from experiments.attacks.victim import Model
    from sim import Network

GAINS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
CLEAN, NOISE, SAME = "clean", "noise", "same inputs"
OWN, AT_GAIN = "crafted at gain 1", "crafted at each gain"
CONTROLLED = 1  # raise it when other things are measured


class Pressure(NamedTuple):
    """An attack with its budget, on these images.

    Attributes:
        images: (N, 1, 28, 28), with `labels` (N,).
        epsilon: the largest change of a pixel.
        steps: of projected gradient ascent.
        seed: of its chance.
        independent: a feedforward network, on which inputs for all are crafted.
    """

    images: "Tensor"
    labels: "Tensor"
    epsilon: float
    steps: int
    seed: int
    independent: "Model"

    def spent(self) -> dict[str, Any]:
        """What every attack is called with; the same chance each time."""
        import torch

        generator = torch.Generator().manual_seed(self.seed)
        return {"epsilon": self.epsilon, "generator": generator, "steps": self.steps}

    def on(self, model: "Model", **options: Any) -> "Tensor":
        """Inputs crafted on a model, (N, 1, 28, 28)."""
        from experiments.attacks.movies import strongest

        return strongest(model, self.images, self.labels, **self.spent(), **options)

    def noise(self) -> "Tensor":
        """Uniform noise of the same budget."""
        import torch

        from experiments.attacks.noise import uniform_noise

        generator = torch.Generator().manual_seed(self.seed)
        return uniform_noise(
            *(self.independent, self.images, self.labels),
            epsilons=[self.epsilon],
            generator=generator,
            keep_going=True,
        )[0]

    def right(self, model: "Model", inputs: "Tensor") -> "np.ndarray":
        """Whether each is answered right, int8 (N,)."""
        import torch

        with torch.no_grad():
            return (model(inputs).argmax(1) == self.labels).cpu().numpy().astype(np.int8)

    def table(self, model: "Model", sets: "Mapping[str, Tensor]", dim: str) -> xr.DataArray:
        """What a model makes of named sets of inputs, (`dim`, image)."""
        rows = [self.right(model, inputs) for inputs in sets.values()]
        return xr.DataArray(np.stack(rows), dims=(dim, "image"), coords={dim: list(sets)})


def in_time(network: "Network", student: "Model | None", pressure: Pressure) -> xr.DataArray:
    """When the budget is spent: correct (threat, image); see `attacks.movies.in_time`."""
    from experiments.attacks import movies

    still = movies.still(pressure.images, network.wiring.steps)
    found = movies.in_time(network, pressure.images, pressure.labels, **pressure.spent())
    return pressure.table(movies.Film(network), {CLEAN: still, **found}, "threat")


def by_paths(network: "Network", student: "Model | None", pressure: Pressure) -> xr.DataArray:
    """Along which paths the gradient is followed: correct (path, image) of the whole network.

    The last set is crafted on the network without its feedback.
    """
    from experiments.attacks.guides import ways
    from sim.scaled import scaled

    found = ways(network)
    sets = {"all paths": pressure.on(network)}
    for name in ("feedforward paths", "feedback paths"):
        sets[name] = pressure.on(network, guide=found[name].through(network))
    sets["feedback off"] = pressure.on(scaled(network, FEEDBACK, 0))
    return pressure.table(network, sets, "path")


def at_gains(network: "Network", student: "Model | None", pressure: Pressure) -> xr.DataArray:
    """How strong the feedback is at the test: correct (gain, inputs, image).

    The same inputs are shown at every gain, but for those crafted at each gain anew.
    """
    from sim.scaled import scaled

    sets = {
        CLEAN: pressure.images,
        NOISE: pressure.noise(),
        SAME: pressure.on(pressure.independent),
        OWN: pressure.on(network),
    }
    rows = []
    for gain in GAINS:
        weaker = scaled(network, FEEDBACK, gain)
        shown = sets | {AT_GAIN: sets[OWN] if gain == 1 else pressure.on(weaker)}
        rows.append(pressure.table(weaker, shown, "inputs"))
    return xr.concat(rows, xr.DataArray(list(GAINS), dims="gain", name="gain"))


def distilled(network: "Network", student: "Model | None", pressure: Pressure) -> xr.DataArray:
    """The network beside its feedforward student: correct (judge, shown, image)."""
    assert student is not None
    sets = {
        CLEAN: pressure.images,
        NOISE: pressure.noise(),
        SAME: pressure.on(pressure.independent),
        "crafted on the teacher": pressure.on(network),
        "crafted on the student": pressure.on(student),
    }
    judges: dict[str, Model] = {"teacher": network, "student": student}
    rows = [pressure.table(judge, sets, "shown") for judge in judges.values()]
    return xr.concat(rows, xr.DataArray(list(judges), dims="judge", name="judge"))


Measure = Callable[["Network", "Model | None", Pressure], xr.DataArray]
PARTS: dict[str, Measure] = {
    "time": in_time,
    "paths": by_paths,
    "gains": at_gains,
    "distilled": distilled,
}


@dataclass(frozen=True)
class Control:
    """The control called ``part`` on the individual ``network``; a student only for "distilled"."""

    stage: ClassVar[str] = "control"
    product: ClassVar[str] = "correct.nc"
    part: str
    network: Kept
    independent: Kept
    student: Train | None
    epsilon: float
    steps: int
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network.label}, {self.part}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the answers."""
        return key_of(
            format=(FORMAT, CONTROLLED),
            part=self.part,
            network=self.network.key,
            independent=self.independent.key,
            student=self.student.key if self.student else None,
            epsilon=self.epsilon,
            steps=self.steps,
            images=self.images,
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The student, where there is one."""
        return (self.student,) if self.student else ()

    def run(self, report: Report) -> None:
        """Craft what the control needs, and write down who is right about which image."""
        import warnings

        from experiments.attacks.victim import MaskedGradientWarning

        images, labels = scored(self.bench, self.images)
        pressure = Pressure(
            *(images, labels, self.epsilon, self.steps, self.seed), self.independent.model()
        )
        student = self.student.model() if self.student else None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MaskedGradientWarning)
            correct = PARTS[self.part](self.network.model(), student, pressure)
        correct.attrs["warnings"] = json.dumps(sorted({str(each.message) for each in caught}))
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(correct.to_dataset(name=self.part), directory / self.product)
