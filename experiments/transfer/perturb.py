"""The unit of work that crafts one change for all images."""

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from experiments.attacks.names import Norm
from experiments.bench import Bench, scored
from experiments.individuals import Model
from experiments.inputs import DRAWS
from experiments.store import fresh_unit, key_of
from experiments.units import FORMAT, Report, Unit, save_tensors, sha256_of

if TYPE_CHECKING:
    from torch import Tensor

TRAINING = 2000  # images, the first of the training set, to craft on; the scored ones are others
STEPS = 200  # more find a little more at the largest budgets: errors are lower bounds


@dataclass(frozen=True)
class Perturb:
    """One change per budget that misleads all ``victims`` at once, on the scored images.

    It is crafted on training images; with no victims it is random signs, the control.
    """

    stage: ClassVar[str] = "perturb"
    product: ClassVar[str] = "inputs.safetensors"
    victims: tuple[Model, ...]
    norm: Norm
    epsilons: tuple[float, ...]
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        if not self.victims:
            return f"random signs (seed {self.seed})"
        more = f" and {len(self.victims) - 1} more" if len(self.victims) > 1 else ""
        return f"universal perturbation on {self.victims[0].label}{more}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the inputs."""
        return key_of(
            format=FORMAT,
            universal=[victim.key for victim in self.victims],
            norm=self.norm,
            epsilons=self.epsilons,
            images=self.images,
            seed=self.seed,
            training=TRAINING,
            steps=STEPS,
            draws=DRAWS,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The victims that are made here."""
        return tuple(unit for victim in self.victims for unit in victim.before)

    def run(self, report: Report) -> None:
        """Write down the perturbations (budget, 1, 28, 28), and the scored images with each added.

        Raises BlindspotsError where no gradient can be followed through a victim.
        """
        from experiments.attacks.universal import applied

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            perturbation = self._crafted() if self.victims else self._signs()
        images, labels = scored(self.bench, self.images)
        inputs = applied(images, perturbation)
        facts = {
            "attack": "universal" if self.victims else "random signs",
            "crafted_on": [victim.label for victim in self.victims],
            "epsilons": self.epsilons,
            "norm": self.norm,
            "data": self.bench.data,
            "sha256": sha256_of(inputs),
            "warnings": sorted({str(w.message) for w in caught}),
        }
        tensors = {"inputs": inputs, "labels": labels, "perturbation": perturbation}
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(tensors, directory / self.product, facts)
            (directory / "inputs.json").write_text(json.dumps(facts, indent=1))

    def _crafted(self) -> "Tensor":
        """Against the victims' mean loss; a random one answers by the mean of its draws."""
        import torch

        from experiments.attacks.chance import Expected
        from experiments.attacks.universal import universal

        images, labels = (each[:TRAINING] for each in self.bench.load().train)
        return universal(
            [
                Expected(victim.model(), DRAWS, self.seed) if victim.is_random else victim.model()
                for victim in self.victims
            ],
            *(images.to(self.bench.device), labels.to(self.bench.device)),
            epsilons=self.epsilons,
            norm=self.norm,
            generator=torch.Generator().manual_seed(self.seed),
            steps=STEPS,
        )

    def _signs(self) -> "Tensor":
        """The budget on every pixel, up or down by chance: the same vector at every budget."""
        import torch

        shape = self.bench.load().test.images.shape[1:]
        draw = torch.rand(shape, generator=torch.Generator().manual_seed(self.seed))
        signs = (2 * draw - 1).sign().to(self.bench.device)
        return torch.stack([epsilon * signs for epsilon in self.epsilons])
