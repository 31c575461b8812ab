"""Units of work that change frames: each trial's own, or all trials' by one perturbation."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from experiments.attacks.names import Norm, attack_named
from experiments.blink.adversarial.individual import Individual
from experiments.blink.adversarial.observer import AttackedFrame
from experiments.blink.adversarial.scene import Scene
from experiments.blink.streams import Streams
from experiments.store import fresh_unit, key_of
from experiments.units import Report, Unit, product, said, save_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from experiments.data.dataset import Split

PROVOKE = 2  # raise it when the same settings come to mean other numbers
FILE = "frames.safetensors"  # the product of all units that craft


class Crafted(Unit, Protocol):
    """A unit that leaves changed frames of the ``scene`` as ``who`` sees it, for each budget."""

    @property
    def who(self) -> Individual:
        """On whom they were crafted, and at whose pixel noise."""

    @property
    def scene(self) -> Scene:
        """The streams whose frames were changed, of test images."""

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The budgets, rising."""


def frames_of(crafted: Crafted) -> "dict[str, Tensor]":
    """ "attacked", and "noise" of the same norm and budgets, (E, n, 1, 28, 28) each."""
    from safetensors.torch import load_file

    return load_file(product(crafted))


def staged(scene: Scene, who: Individual, split: "Split") -> "tuple[Streams, Tensor]":
    """The scene's trials of the images of a split, and what they look like to ``who``."""
    trials = scene.trials(split.labels.numpy())
    return trials, scene.frames(trials, split.images, who.noise())


def facts(scene: Scene) -> dict[str, Any]:
    """What determines a scene, for keys."""
    own = {f.name: getattr(scene, f.name) for f in fields(scene)}
    return {**own, "task": said(scene.task)}


@dataclass(frozen=True)
class Provoke:
    """One frame of each trial changed, so that ``who`` is to miss its T2.

    ``draws`` of the noise inside are averaged; ``options`` are the attack's own.
    """

    stage: ClassVar[str] = "provoke"
    product: ClassVar[str] = FILE
    who: Individual
    scene: Scene
    attack: str
    epsilons: tuple[float, ...]
    options: tuple[tuple[str, Any], ...]
    draws: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.scene.where} of {self.who.label}, {self.attack}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=PROVOKE,
            who=self.who.facts,
            scene=facts(self.scene),
            attack=(self.attack, self.epsilons, self.options),
            draws=self.draws,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.who.titrated,)

    def run(self, report: Report) -> None:
        """Attack all trials at once, and leave what they are changed to."""
        import torch

        trials, frames = staged(self.scene, self.who, self.who.titrated.sensory.bench.load().test)
        place, seed = self.scene.place(trials), self.scene.seed
        model = AttackedFrame(self.who.observer(), frames, trials, place, self.draws, seed)
        clean, attack = model.clean(), attack_named(self.attack)
        generator = torch.Generator().manual_seed(seed)
        attacked = attack.function(
            *(model, clean, torch.zeros(len(trials), dtype=torch.int64)),
            epsilons=self.epsilons,
            generator=generator,
            keep_going=True,
            batch_size=len(trials),
            **dict(self.options),
        )
        pattern = noise_pattern(clean, attack.norm, generator)
        noise = beside(clean, pattern, attack.norm, self.epsilons)
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors({"attacked": attacked, "noise": noise}, directory / self.product)


def noise_pattern(like: "Tensor", norm: Norm, generator: "torch.Generator") -> "Tensor":
    """A change that ignores the network, any size: random signs (linf), or Gaussian (l2)."""
    import torch

    drawn = torch.randn(like.shape, generator=generator)
    return drawn.sign() if norm == "linf" else drawn


def beside(clean: "Tensor", pattern: "Tensor", norm: Norm, epsilons: Sequence[float]) -> "Tensor":
    """The clean frames (n, ...) changed along the pattern as far as each budget, (E, n, ...)."""
    import torch

    from experiments.attacks.curve import step_along
    from experiments.attacks.threat import stretch

    place = step_along if norm == "linf" else stretch
    return torch.stack([place(clean, pattern.expand_as(clean), e) for e in epsilons])
