"""Images shown to networks, and what is known of them: clean test images or crafted inputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.dataset import load_data, scored_images
from experiments.single import read_inputs
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from torch import Tensor

CLEAN = "clean"


class Shown(NamedTuple):
    """Images (N, 1, 28, 28), what they are and of which data set, with labels (N,).

    ``attack`` and ``epsilon`` are those of crafted inputs, "" and 0 of clean images; ``places``
    says which test images they are, if that is known.
    """

    what: str
    data: str
    images: "Tensor"
    labels: "Tensor"
    attack: str = ""
    epsilon: float = 0.0
    places: NDArray[np.int64] | None = None

    def first(self, count: int) -> "Shown":
        """The first ``count`` images."""
        places = None if self.places is None else self.places[:count]
        return self._replace(images=self.images[:count], labels=self.labels[:count], places=places)


def clean(count: int, data: Path | None) -> Shown:
    """The first ``count`` scored test images."""
    dataset = load_data(data)
    split, places = scored_images(dataset, count)
    return Shown(CLEAN, dataset.name, *split, places=places)


def shown(count: int, inputs: Path | None, data: Path | None) -> list[Shown]:
    """The first ``count`` scored test images, or those of every epsilon of crafted ``inputs``."""
    if inputs is None:
        return [clean(count, data)]
    tensors, facts = read_inputs(inputs)
    attack, labels = facts["attack"], tensors["labels"]
    return [
        Shown(f"{attack} at {epsilon:g}", facts["data"], images, labels, attack, epsilon).first(
            count
        )
        for epsilon, images in zip(facts["epsilons"], tensors["inputs"], strict=True)
    ]


def clean_twin(crafted: Shown, data: Path | None) -> Shown:
    """The images that ``crafted`` were made from; BlindspotsError where others are here."""
    twin = clean(len(crafted.images), data)
    same = twin.data == crafted.data and bool((twin.labels == crafted.labels).all())
    if not same:
        raise BlindspotsError(
            f"The inputs were crafted from other images ({crafted.data}) than those that are here "
            f"({twin.data}); name the directory of their data with --data."
        )
    return twin


def at_epsilon(sets: Sequence[Shown], epsilon: float | None) -> Shown:
    """The set crafted at ``epsilon``, by default at the largest.

    Raises BlindspotsError where there is no such set.
    """
    if epsilon is None:
        return max(sets, key=lambda each: each.epsilon)
    for each in sets:
        if np.isclose(each.epsilon, epsilon, rtol=1e-6, atol=0):
            return each
    there = ", ".join(f"{each.epsilon:g}" for each in sets)
    raise BlindspotsError(f"No inputs were crafted at epsilon {epsilon:g}; choose from {there}.")
