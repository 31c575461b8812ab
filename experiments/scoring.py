"""The unit of work that asks one network about one set of inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from experiments.bench import Bench, scored
from experiments.individuals import Model, Train, networks_of
from experiments.inputs import Craft
from experiments.store import damaged, fresh_unit, key_of
from experiments.units import FORMAT, Report, Unit, product, save_tensors

if TYPE_CHECKING:
    import torch

    from sim.population import Population


STACKED = 1  # raise it when what is asked along one axis comes to add in another order


@dataclass(frozen=True)
class Score:
    """What ``network`` answers to the inputs of ``on``, to the clean images where that is None.

    ``on`` is any unit whose product holds "inputs" (sets, N, ...).
    """

    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "predictions.safetensors"
    network: Model
    on: "Unit | None"
    images: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network.label} on {self.on.label if self.on else 'clean images'}"

    @cached_property
    def key(self) -> str:
        """Of the network and of the inputs."""
        stacked = {"stacked": STACKED} if self.is_stacked else {}
        return key_of(format=FORMAT, network=self.network.key, on=self.on_key, **stacked)

    @property
    def on_key(self) -> str:
        """Of the inputs."""
        return self.on.key if self.on else f"clean {self.images} {self.bench.sha256}"

    @property
    def is_stacked(self) -> bool:
        """Whether it is asked along an axis of individuals, be there one or many."""
        can_be = isinstance(self.network, Train) and not self.network.is_random
        return can_be and self.bench.stacks_individuals

    @property
    def anonymous(self) -> "Score":
        """The same for all individuals that are trained here."""
        network = self.network.anonymous if isinstance(self.network, Train) else self.network
        on = self.on.anonymous if isinstance(self.on, Craft) else self.on
        return replace(self, network=network, on=on)

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The network and the inputs."""
        return (*self.network.before, self.on) if self.on else self.network.before

    def run(self, report: Report) -> None:
        """Write down every prediction, int8 (epsilon, image).

        A random network answers from one draw for each image. The draws are its own, for all sets
        the same, and no attack has seen them: so worst cases over sets are not those over draws.
        """
        if self.is_stacked:
            self.run_all([self], report)
            return
        import torch

        from experiments.attacks.chance import fresh

        sets, model = self.shown(), self.network.model()
        chance = int(key_of(verdict=self.network.key)[:12], 16)
        answers = [
            predictions(fresh(model, chance) if self.network.is_random else model, each)
            for each in sets
        ]
        self.leave(torch.stack(answers))

    @staticmethod
    def run_all(units: "Sequence[Score]", report: Report) -> None:
        """Ask individuals of one wiring, each about inputs of its own."""
        import torch

        from sim.population import Population

        population = Population(networks_of(each.network for each in units))
        first = {each.on_key: each for each in units}
        shown = {key: each.shown() for key, each in first.items()}
        own = [shown[each.on_key] for each in units]
        answers = [
            predictions_of_all(population, [sets[at] for sets in own]) for at in range(len(own[0]))
        ]
        for unit, found in zip(units, torch.stack(answers, 1), strict=True):
            unit.leave(found)

    def shown(self) -> "torch.Tensor":
        """The inputs (sets, N, ...)."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not self.on:
            return scored(self.bench, self.images).images[None]
        try:
            return load_file(product(self.on), device=self.bench.device)["inputs"]
        except (OSError, SafetensorError) as error:
            raise damaged(product(self.on), error) from None

    def leave(self, answers: "torch.Tensor") -> None:
        """The predictions (sets, N), under the key."""
        import torch

        with fresh_unit(self.stage, self.key) as directory:
            save_tensors({"prediction": answers.to(torch.int8)}, directory / self.product)


def predictions(
    model: "Callable[[torch.Tensor], torch.Tensor]", images: "torch.Tensor", batch: int = 500
) -> "torch.Tensor":
    """The class (N,) that ``model`` gives each of ``images`` (N, 1, 28, 28)."""
    import torch

    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(batch)])


def predictions_of_all(
    population: "Population", images: "Sequence[torch.Tensor]", batch: int = 500
) -> "torch.Tensor":
    """The class (individuals, N) that each individual gives each of its images (N, 1, 28, 28)."""
    import torch

    with torch.no_grad():
        parts = zip(*(each.split(batch) for each in images), strict=True)
        return torch.cat([population(torch.stack(part)).argmax(2) for part in parts], 1)
