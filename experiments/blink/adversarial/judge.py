"""Units of work that show changed frames to an observer, and note what it reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from experiments.blink.adversarial.craft import Crafted, frames_of, staged
from experiments.blink.adversarial.individual import Individual
from experiments.blink.adversarial.observer import AttackedFrame
from experiments.blink.reports import among
from experiments.blink.showing import slots_of
from experiments.blink.streams import Ints, Streams
from experiments.store import fresh_unit, key_of, read_dataset, write_dataset
from experiments.units import Report, Unit, product

if TYPE_CHECKING:
    from torch import Tensor

CONDITIONS = ("clean", "noise", "attacked")
JUDGE = 3  # raise it when the same settings come to mean other numbers
APART = 1000  # where the seeds begin of the draws on which frames are judged, not crafted


@dataclass(frozen=True)
class Judge:
    """Frames crafted on somebody before ``who``, at ``epsilons`` among theirs, in fresh noise.

    All judges see the same pixels, in ``draws`` of the noise inside.
    """

    stage: ClassVar[str] = "judge"
    product: ClassVar[str] = "judged.nc"
    crafted: Crafted
    who: Individual
    epsilons: tuple[float, ...]
    draws: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.crafted.label}, by {self.who.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=JUDGE,
            crafted=self.crafted.key,
            who=self.who.facts,
            shown=(self.epsilons, self.draws),
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.crafted, self.who.titrated)

    def run(self, report: Report) -> None:
        """Show all, and leave every outcome."""
        of, scene = self.crafted.who, self.crafted.scene
        trials, frames = staged(scene, of, of.titrated.sensory.bench.load().test)
        model = AttackedFrame(
            self.who.observer(), frames, trials, scene.place(trials), self.draws, scene.seed + APART
        )
        rows = [self.crafted.epsilons.index(epsilon) for epsilon in self.epsilons]
        inputs = {name: frames_of(self.crafted)[name][rows] for name in ("noise", "attacked")}
        result = answered(model, inputs, self.epsilons)
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)

    def load(self) -> xr.Dataset:
        """What :func:`answered` gave."""
        return read_dataset(product(self))


def answered(
    model: AttackedFrame, inputs: "Mapping[str, Tensor]", epsilons: Sequence[float]
) -> xr.Dataset:
    """What is reported of each condition at each budget, in the model's draws of noise.

    ``t1`` and ``t2`` (condition, epsilon, draw, trial), whether each is reported (of ``t1``, that
    of a lone target, False), ``others``, how many other digits are; ``lag`` by trial; the
    attributes say whether T2 is a ``lone`` target, and how many ``slots`` a report has. The
    conditions are "clean", and ``inputs`` (E, n, 1, 28, 28); all share their draws.
    """
    import torch

    slots = slots_of(model.trials)
    shown = {"clean": model.clean().expand_as(next(iter(inputs.values()))), **inputs}
    shape = (len(shown), len(epsilons), model.draws, len(model.trials))
    found = {name: np.zeros(shape, np.int8) for name in ("t1", "t2", "others")}
    with torch.no_grad():
        for c, (condition, points) in enumerate(shown.items()):
            for e in range(len(epsilons)):
                if condition == "clean" and e:
                    for each in found.values():
                        each[c, e] = each[c, 0]
                    continue
                frames = model.with_frame(points[e]).repeat(model.draws, 1, 1, 1, 1)
                seen = model.before.before(frames).until().seen()
                reported = seen.reports(slots)[0].numpy()
                for d, part in enumerate(reported.reshape(model.draws, len(model.trials), -1)):
                    for name, values in hits(part, model.trials).items():
                        found[name][c, e, d] = values
    dims = ("condition", "epsilon", "draw", "trial")
    return xr.Dataset(
        {**{k: (dims, v) for k, v in found.items()}, "lag": ("trial", model.trials.lag)},
        {"condition": list(shown), "epsilon": list(epsilons)},
        {"lone": int(model.trials.task.single), "slots": slots},
    )


def hits(reported: Ints, trials: Streams) -> dict[str, Ints]:
    """Whether T1 and T2 are among the reports (n, slots), and how many others."""
    found = {}
    for name, place in (("t1", trials.t1), ("t2", trials.t2)):
        found[name] = among(reported, trials.at(trials.label, place)).astype(np.int64)
    others = (reported >= 0).sum(1) - found["t1"] - found["t2"]
    return {**found, "others": others}
