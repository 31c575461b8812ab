"""The unit of work that asks one network about one set of inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from experiments.bench import Bench, scored
from experiments.individuals import Model
from experiments.store import damaged, fresh_unit, key_of
from experiments.units import FORMAT, Report, Unit, product, save_tensors

if TYPE_CHECKING:
    import torch


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
        on = self.on.key if self.on else f"clean {self.images} {self.bench.sha256}"
        return key_of(format=FORMAT, network=self.network.key, on=on)

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The network and the inputs."""
        return (*self.network.before, self.on) if self.on else self.network.before

    def run(self, report: Report) -> None:
        """Write down every prediction, int8 (epsilon, image).

        A random network answers from one draw for each image. The draws are its own, for all sets
        the same, and no attack has seen them: so worst cases over sets are not those over draws.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from experiments.attacks.chance import fresh

        if self.on:
            try:
                sets = load_file(product(self.on), device=self.bench.device)["inputs"]
            except (OSError, SafetensorError) as error:
                raise damaged(product(self.on), error) from None
        else:
            sets = scored(self.bench, self.images).images[None]
        model = self.network.model()
        chance = int(key_of(verdict=self.network.key)[:12], 16)
        answers = torch.stack(
            [
                predictions(fresh(model, chance) if self.network.is_random else model, each)
                for each in sets
            ]
        )
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors({"prediction": answers.to(torch.int8)}, directory / self.product)


def predictions(
    model: "Callable[[torch.Tensor], torch.Tensor]", images: "torch.Tensor", batch: int = 500
) -> "torch.Tensor":
    """The class (N,) that ``model`` gives each of ``images`` (N, 1, 28, 28)."""
    import torch

    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(batch)])
