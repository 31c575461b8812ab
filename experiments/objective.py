"""What training lowers: the loss of a batch, of what is shown of its images, and of the weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, pad

from experiments.adversarial import attacked, budget
from experiments.data.dataset import Split
from experiments.recipe import Recipe
from networks import BlindspotsError, Wiring
from sim import Network
from sim.parameters import weight_name

Teacher = Callable[[Tensor], Tensor]
"""Images to the logits that a student learns."""


@dataclass(frozen=True)
class Objective:
    """That of ``recipe`` for the networks of ``wiring``; with "distil", ``teacher`` is learnt from.

    Raises BlindspotsError where the recipe does not fit the wiring, or the teacher the recipe.
    """

    wiring: Wiring
    recipe: Recipe
    seed: int
    teacher: Teacher | None = None

    @property
    def label(self) -> str:
        """Whose objective it is, for people."""
        return f"{self.wiring.name} (seed {self.seed})"

    def __post_init__(self) -> None:
        if (self.recipe.objective == "distil") != (self.teacher is not None):
            raise BlindspotsError(
                f"The objective of {self.wiring.name} is '{self.recipe.objective}'; 'distil', and "
                "it alone, has a teacher, which `blindspots controls` gives it."
            )
        check_decay(self.wiring, self.recipe)

    def loss(
        self,
        network: Network,
        split: Split,
        chosen: Tensor,
        generator: torch.Generator,
        progress: float,
    ) -> Tensor:
        """Of the ``chosen`` images (n,) of ``split``, after a fraction ``progress`` of training."""
        inputs = perturbed(network, self.recipe, split, chosen, generator, progress)
        if self.teacher:
            loss = distillation(
                network(inputs), taught(self.teacher, inputs), self.recipe.temperature
            )
        else:
            loss = cross_entropy(network(inputs), split.labels[chosen])
        return loss + decay(self.wiring, dict(network.values.items()), self.recipe)


def perturbed(
    network: Network,
    recipe: Recipe,
    split: Split,
    chosen: Tensor,
    generator: torch.Generator,
    progress: float,
) -> Tensor:
    """The ``chosen`` images as they are shown: moved, noisy, or attacked."""
    images = split.images[chosen]
    if recipe.shift:
        images = shifted(images, recipe.shift, generator)
    if recipe.objective == "noise":
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        return (images + recipe.epsilon * noise).clamp(0, 1)
    if recipe.objective == "adversarial":
        epsilon, steps = budget(recipe, progress), recipe.attack_steps
        return attacked(network, images, split.labels[chosen], epsilon, steps, generator)
    return images


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each image moved by its own random whole pixels in -``most`` .. ``most``; black comes in."""
    return moved(images, offsets(len(images), most, generator), most)


def offsets(count: int, most: int, generator: torch.Generator) -> Tensor:
    """Which of the (2 ``most`` + 1)^2 ways each of ``count`` images is moved, (count,)."""
    return torch.randint(0, (2 * most + 1) ** 2, (count,), generator=generator)


def moved(images: Tensor, offsets: Tensor, most: int) -> Tensor:
    """Each image moved by its offset; black comes in."""
    choices, drawn = 2 * most + 1, offsets.to(images.device)
    height, width = images.shape[2:]
    padded, moved = pad(images, (most,) * 4), torch.empty_like(images)
    for offset in range(choices**2):
        rows, (down, right) = drawn == offset, divmod(offset, choices)
        moved[rows] = padded[rows, :, down : down + height, right : right + width]
    return moved


@torch.no_grad()
def taught(teacher: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The teacher's logits, through which no gradient flows."""
    return teacher(images)


def distillation(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """The mean divergence KL(teacher || student) of answers at a temperature, times its square.

    Hinton et al. 2015, arXiv 1503.02531, section 2; the square keeps the gradient's size.
    """
    student = log_softmax(logits / temperature, 1)
    wanted = log_softmax(taught / temperature, 1)
    return temperature**2 * kl_div(student, wanted, reduction="batchmean", log_target=True)


def check_decay(wiring: Wiring, recipe: Recipe) -> None:
    """Raise BlindspotsError unless the recipe prices every projection's weights, or none."""
    given, wanted = len(recipe.decay_per_layer), len(wiring.projections)
    if given not in (0, wanted):
        raise BlindspotsError(
            f"decay_per_layer has {given} values, but '{wiring.name}' has {wanted} projections; "
            "give one for each, in their order."
        )


def decay(wiring: Wiring, values: Mapping[str, Tensor], recipe: Recipe) -> Tensor | float:
    """What the weights cost: the sum of their squares by projection, times its price; no biases."""
    priced = zip(wiring.projections, recipe.decay_per_layer, strict=False)
    squares = [price * values[weight_name(p)].square().sum() for p, price in priced]
    return torch.stack(squares).sum() if squares else 0.0
