"""What is shown: clean images, adversarial inputs, and noise of exactly the same norm."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.bench import Bench, scored
from experiments.dynamics.measures.parts import CLEAN
from experiments.inputs import Craft
from experiments.single import read_inputs
from experiments.units import product
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ADVERSARIAL, NOISE = "adversarial", "noise"


@dataclass(frozen=True)
class Crafted:
    """Adversarial inputs: a set of the run, told by its SHA-256, or one that is crafted first.

    ``origin`` is the network that they were crafted on.
    """

    attack: str
    epsilon: float
    origin: str
    saved: Path | None
    sha256: str
    craft: Craft | None

    @property
    def key(self) -> tuple[str, float, str]:
        """What determines the inputs."""
        return self.attack, self.epsilon, self.craft.key if self.craft else self.sha256

    def inputs(self, count: int) -> "Tensor":
        """The first ``count`` of them, (N, 1, 28, 28)."""
        path = product(self.craft) if self.craft else self.saved
        assert path
        tensors, facts = read_inputs(path)
        found: Tensor = tensors["inputs"][facts["epsilons"].index(self.epsilon), :count]
        return found


def shown(crafted: Crafted, images: int, seed: int, bench: Bench) -> "dict[str, Tensor]":
    """The inputs of every condition by its name, and ``label``: each (N, ...)."""
    import torch

    split = scored(bench, images)
    adversarial = crafted.inputs(images).to(split.images)
    if len(adversarial) < images:
        raise BlindspotsError(
            f"The inputs of '{crafted.origin}' are of {len(adversarial)} images only; ask for at "
            f"most so many with --images, not {images}."
        )
    noise = shuffled(split.images, adversarial, torch.Generator().manual_seed(seed))
    return {CLEAN: split.images, ADVERSARIAL: adversarial, NOISE: noise, "label": split.labels}


def shuffled(clean: "Tensor", perturbed: "Tensor", generator: "torch.Generator") -> "Tensor":
    """Noise made of the perturbation itself: each image's changes on pixels drawn at random.

    A permutation keeps every norm of the change. Where a change would leave [0, 1], its sign turns,
    which keeps the norms too; only one above 1/2 may still leave, and is then clipped.

    Args:
        clean: (N, ...) in [0, 1].
        perturbed: of the same shape.
        generator: one permutation of the pixels is drawn for each image.

    Returns:
        (N, ...) in [0, 1].
    """
    import torch

    start, change = clean.flatten(1), (perturbed - clean).flatten(1)
    order = torch.rand(change.shape, generator=generator).argsort(1).to(change.device)
    moved = change.gather(1, order)
    outside = (start + moved < 0) | (start + moved > 1)
    moved = torch.where(outside, -moved, moved)
    return (start + moved).clamp(0, 1).reshape(clean.shape)


def norms(clean: "Tensor", perturbed: "Tensor") -> "dict[str, Tensor]":
    """``distance_linf`` and ``distance_rms`` (N,) of a condition from the clean images."""
    from experiments.attacks.threat import distance
    from experiments.inputs import DISTANCES

    return {
        DISTANCES[0]: distance(clean, perturbed, "linf"),
        DISTANCES[1]: distance(clean, perturbed, "l2"),
    }
