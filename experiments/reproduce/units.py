"""Units of work of a reproduction: how wrong a network is, what fools it, and noise."""

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from experiments.bench import Bench, scored
from experiments.individuals import Train
from experiments.store import fresh_unit, key_of, write_text
from experiments.units import FORMAT, Report, Unit, save_tensors, sha256_of
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from experiments.data.dataset import Split

Aim = Literal["random", "nearest", "literal"]
"""The class to reach: a wrong one at random, as published, or whichever wrong one is nearest; or a
random one again, on the first images alone, by the published attack to the letter."""

Source = Literal["train", "test"]
"""Which images are distorted."""

AMPLIFIED = 0.1  # root-mean-squared change (Table 4)
DEVIATIONS = (0.0, 0.06, 0.1, 0.3)  # of noise: Tables 2 to 4; 0 for the clean images
SEARCHES, EVALUATIONS = 8, 10  # of `minimum_distortion`
LITERAL = 40  # images


@dataclass(frozen=True)
class Distort:
    """The nearest inputs that fool ``victim``, and the same changes at a deviation of 0.1."""

    stage: ClassVar[str] = "craft"
    product: ClassVar[str] = "inputs.safetensors"
    victim: Train
    aim: Aim
    source: Source
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"smallest change to a {self.aim} class on {self.victim.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the inputs."""
        return key_of(
            format=FORMAT,
            unit="distort",
            victim=self.victim.key,
            aim=self.aim,
            source=self.source,
            images=self.images,
            seed=self.seed,
            effort=(SEARCHES, EVALUATIONS, AMPLIFIED),
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The victim."""
        return (self.victim,)

    def run(self, report: Report) -> None:
        """Craft; ``distance`` (N,) is infinite where nothing was found."""
        import torch

        images, labels = pictures(self.bench, self.source, self.images)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found, far = self.nearest(images, labels)
        inputs = torch.stack([found, amplified(images, found)])
        facts = {"crafted_on": self.victim.label, "data": self.bench.data}
        facts |= {"aim": self.aim, "source": self.source, "sha256": sha256_of(inputs)}
        facts |= {"warnings": json.dumps(sorted({str(w.message) for w in caught}))}
        with fresh_unit(self.stage, self.key) as directory:
            tensors = {"inputs": inputs, "distance": far, "labels": labels}
            save_tensors(tensors, directory / self.product, facts)

    def nearest(self, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
        """The nearest inputs found, and how far they are; NaN where none was sought."""
        import torch

        from experiments.attacks.lbfgs import minimum_distortion
        from experiments.reproduce.literal import literal_distortion

        model, generator = self.victim.model(), torch.Generator().manual_seed(self.seed)
        targets = None if self.aim == "nearest" else wrong_classes(labels, generator)
        if targets is not None and self.aim == "literal":
            found, far = images.clone(), torch.full((len(images),), torch.nan)
            few = literal_distortion(model, images[:LITERAL], targets[:LITERAL])
            found[:LITERAL], far[:LITERAL] = few[0], few[1].cpu()
            return found, far
        return minimum_distortion(
            *(model, images, labels),
            generator=generator,
            targets=targets,
            searches=SEARCHES,
            evaluations=EVALUATIONS,
        )


@dataclass(frozen=True)
class Noise:
    """The first images with Gaussian noise of each of ``DEVIATIONS``, the same for everyone."""

    stage: ClassVar[str] = "craft"
    product: ClassVar[str] = "inputs.safetensors"
    source: Source
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"noise on {self.source} images"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the inputs."""
        return key_of(
            format=FORMAT,
            unit="noise",
            deviations=DEVIATIONS,
            source=self.source,
            images=self.images,
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Nothing but the data."""
        return ()

    def run(self, report: Report) -> None:
        """Draw one direction per image, and scale it to each deviation within the box."""
        import torch

        from experiments.attacks.sources import drawn
        from experiments.attacks.threat import stretch

        images, labels = pictures(self.bench, self.source, self.images)
        noise = drawn(torch.randn, images, torch.Generator().manual_seed(self.seed))
        inputs = torch.stack([stretch(images, noise, each) for each in DEVIATIONS])
        facts = {"data": self.bench.data, "sha256": sha256_of(inputs)}
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors({"inputs": inputs, "labels": labels}, directory / self.product, facts)


@dataclass(frozen=True)
class Errors:
    """Which share of its training images, and of all test images, ``network`` gets wrong."""

    stage: ClassVar[str] = "score"
    product: ClassVar[str] = "errors.json"
    network: Train
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network.label} on all images"

    @cached_property
    def key(self) -> str:
        """Of the network, which knows its data."""
        return key_of(format=FORMAT, unit="errors", network=self.network.key)

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The network."""
        return (self.network,)

    def run(self, report: Report) -> None:
        """Count the mistakes, and of how many images."""
        from experiments.data.dataset import part_of
        from experiments.scoring import predictions

        data, parts = self.bench.load(), self.network.recipe.parts
        model = self.network.model()
        counts = {}
        for name, split in (
            ("train", part_of(data.train, self.network.seed % parts, parts)),
            ("test", data.test),
        ):
            answers = predictions(model, split.images.to(self.bench.device)).cpu()
            counts[name] = [int((answers != split.labels).sum()), len(split.labels)]
        with fresh_unit(self.stage, self.key) as directory:
            write_text(directory / self.product, json.dumps(counts))


def pictures(bench: Bench, source: Source, count: int) -> "Split":
    """``count`` training or test images in a fixed random order, on the bench's device.

    The training images are those that networks of the panel "whole" learn from.
    """
    import numpy as np
    import torch

    from experiments.data.dataset import Split

    if source == "test":
        return scored(bench, count)
    split = bench.load().train
    if not 1 <= count <= len(split.labels):
        raise BlindspotsError(
            f"{count} training images were asked for; choose from 1 to {len(split.labels)} of "
            f"{bench.data}."
        )
    chosen = torch.from_numpy(np.random.default_rng(1).permutation(len(split.labels))[:count])
    return Split(split.images[chosen].to(bench.device), split.labels[chosen].to(bench.device))


def wrong_classes(labels: "Tensor", generator: "Generator", classes: int = 10) -> "Tensor":
    """A class for each label (N,), uniform among the others."""
    import torch

    offsets = torch.randint(1, classes, labels.shape, generator=generator).to(labels.device)
    return (labels + offsets) % classes


def amplified(clean: "Tensor", changed: "Tensor", deviation: float = AMPLIFIED) -> "Tensor":
    """The same changes, larger or smaller, of exactly that root mean square within the box.

    (The paper prints x + 0.1 (x' - x) / |x' - x|, a root mean square of 0.1 / 28, and writes
    "stddev 0.1", which is what its errors agree with.) Unchanged images stay unchanged.
    """
    from experiments.attacks.threat import stretch

    return stretch(clean, changed - clean, deviation)
