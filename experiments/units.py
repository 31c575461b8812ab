"""Units of work: train one individual, craft or corrupt one set of inputs, score one network on it.

Each is a value that holds all that determines its outcome. Its key is made of that, and its outcome
lies under the key, so that runs resume, and share what they have in common.
"""

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from experiments.attacks.names import Norm, attack_named
from experiments.bench import Bench, scored
from experiments.corruptions import corruption_named
from experiments.kept import Kept
from experiments.recipe import Recipe
from experiments.store import damaged, fresh_unit, key_of, link, unit_path
from networks import Physiology, Wiring
from networks.described import Described
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from sim import Network

CALIBRATED_ON = 100  # training images
DRAWS = 10  # of a random network, over which an attack averages; see attacks.chance.ladder
DISTANCES = ("distance_linf", "distance_rms")
FORMAT = 4  # raise it when the same settings come to mean other numbers
Report = Callable[[float, float], None]


def said(description: Described) -> dict[str, Any]:
    """What a description says besides its defaults, for keys.

    A setting that is new, and has a default, leaves the keys of what was there before as they are.
    """
    return description.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Train:
    """Individual of ``wiring`` that starts from ``seed``; with a ``teacher``, distilled from it."""

    stage: ClassVar[str] = "train"
    product: ClassVar[str] = "weights.safetensors"
    wiring: Wiring
    recipe: Recipe
    seed: int
    bench: Bench
    teacher: "Train | Kept | None" = None

    @property
    def label(self) -> str:
        """For people."""
        of = f" taught by {self.teacher.label}" if self.teacher else ""
        return f"{self.wiring.name} (seed {self.seed}){of}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the weights."""
        return key_of(
            format=FORMAT,
            wiring=said(self.wiring),
            recipe=said(self.recipe),
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
            **({"teacher": self.teacher.key} if self.teacher else {}),
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The teacher, where there is one that is made here."""
        return self.teacher.before if self.teacher else ()

    def run(self, report: Report) -> None:
        """Train, from the last checkpoint if there is one."""
        import torch

        from experiments.training import save_individual, train

        checkpoint = unit_path("training", self.key)
        began, device = time.monotonic(), torch.device(self.bench.device)
        network, facts = train(
            *(self.wiring, self.recipe, self.bench.load(), self.seed),
            checkpoint=checkpoint,
            device=device,
            report=report,
            teacher=self.teacher.model() if self.teacher else None,
        )
        facts |= {"recipe": dict(self.recipe), "data": self.bench.data, "key": self.key}
        with fresh_unit(self.stage, self.key) as directory:
            save_individual(network, facts | {"seconds": time.monotonic() - began}, directory)
        shutil.rmtree(checkpoint, ignore_errors=True)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return (self,)

    @property
    def is_random(self) -> bool:
        """Whether it answers the same image by chance."""
        return self.wiring.is_random

    def model(self) -> "Network":
        """The trained individual."""
        from experiments.training import load_individual

        return load_individual(unit_path(self.stage, self.key)).to(self.bench.device)


@dataclass(frozen=True)
class Embody:
    """The cells of the trained ``individual``, calibrated to its rates without labels."""

    stage: ClassVar[str] = "embody"
    product: ClassVar[str] = "cells.json"
    individual: Train
    physiology: Physiology

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.individual.label} in detail"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the cells and their gains."""
        return key_of(
            format=FORMAT,
            individual=self.individual.key,
            physiology=said(self.physiology),
            images=CALIBRATED_ON,
            software=f"brian2 {version('brian2')} numpy {version('numpy')}",
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """Units that must be complete before."""
        return (self.individual,)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return (self,)

    @property
    def is_random(self) -> bool:
        """Whether its input is coded by chance; the cells' own noise is the same at every call."""
        return self.individual.is_random

    def run(self, report: Report) -> None:
        """Calibrate on training images; the weights come along."""
        from experiments.cells import embodied, save_cells

        images = self.individual.bench.load().train.images[:CALIBRATED_ON]
        trained = unit_path(self.individual.stage, self.individual.key)
        network, calibration = embodied(
            trained, self.physiology, self.individual.seed, images, report
        )
        with fresh_unit(self.stage, self.key) as directory:
            link(trained, directory)
            save_cells(network, calibration, directory)

    def model(self) -> "Callable[[torch.Tensor], torch.Tensor]":
        """The individual with its cells."""
        from experiments.cells import load_cells

        return load_cells(unit_path(self.stage, self.key))


@dataclass(frozen=True)
class Brought:
    """A callable that the user brings, by import path; ``fingerprint`` tells its versions apart."""

    stage: ClassVar[str] = "brought"
    reference: str
    fingerprint: str
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return self.reference

    @property
    def key(self) -> str:
        """Of what it answers and how it is written."""
        return key_of(reference=self.reference, fingerprint=self.fingerprint)

    @property
    def before(self) -> tuple["Unit", ...]:
        """What must be complete before :meth:`model` is there."""
        return ()

    @property
    def is_random(self) -> bool:
        """Never: :meth:`model` refuses what answers by chance."""
        return False

    def model(self) -> "Callable[[torch.Tensor], torch.Tensor]":
        """The callable, imported; it must answer as it did when the comparison was planned."""
        from experiments.bring import fingerprint, imported

        if fingerprint(self.reference, self.bench) != self.fingerprint:
            raise BlindspotsError(
                f"'{self.reference}' answers differently each time it is imported; load fixed "
                "weights, and leave chance out of its answer."
            )
        return imported(self.reference, self.bench.device)


Model = Train | Embody | Brought | Kept


@dataclass(frozen=True)
class Craft:
    """Inputs that ``attack`` makes on ``victim`` from the first ``images`` scored images."""

    stage: ClassVar[str] = "craft"
    product: ClassVar[str] = "inputs.safetensors"
    victim: Model
    attack: str
    epsilons: tuple[float, ...]
    images: int
    seed: int
    bench: Bench
    options: tuple[tuple[str, Any], ...] = field(default=())

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.attack} on {self.victim.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the inputs."""
        return key_of(
            format=FORMAT,
            victim=self.victim.key,
            attack=self.attack,
            epsilons=self.epsilons,
            images=self.images,
            seed=self.seed,
            options=self.options,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
            **({"draws": DRAWS} if self.victim.is_random else {}),
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The victim, where it is made here."""
        return self.victim.before

    def run(self, report: Report) -> None:
        """Craft the inputs, and measure how far they are from the clean images.

        Every set spends its whole budget, so that what is crafted on one network is as strong as
        it can be on the others. A random victim is attacked on the average of its draws.
        """
        import torch

        from experiments.attacks.chance import averaged
        from experiments.attacks.threat import distance

        images, labels = scored(self.bench, self.images)
        attack, victim, usual = attack_named(self.attack), self.victim.model(), dict[str, Any]()
        if self.victim.is_random:
            victim, usual = averaged(victim, attack.function, self.seed, DRAWS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            inputs = attack.function(
                *(victim, images, labels),
                epsilons=self.epsilons,
                generator=torch.Generator().manual_seed(self.seed),
                keep_going=True,
                **{**usual, **dict(self.options)},
            )
        norms: tuple[Norm, Norm] = ("linf", "l2")
        far = {
            name: torch.stack([distance(images, each, norm) for each in inputs]).float()
            for norm, name in zip(norms, DISTANCES, strict=True)
        }
        facts = {
            "attack": self.attack,
            "crafted_on": self.victim.label,
            "epsilons": self.epsilons,
            "options": dict(self.options),
            "draws": DRAWS if self.victim.is_random else 1,
            "data": self.bench.data,
            "sha256": sha256_of(inputs),
            "warnings": sorted({str(w.message) for w in caught}),
        }
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(far, directory / "distances.safetensors")
            save_tensors({"inputs": inputs, "labels": labels}, directory / self.product, facts)
            (directory / "inputs.json").write_text(json.dumps(facts, indent=1))


@dataclass(frozen=True)
class Corrupt:
    """The first ``images`` scored images under ``corruption`` at each of the ``severities``.

    ``official`` is a directory with the files of MNIST-C, whose images have ``official_sha256``;
    without it they are made here.
    """

    stage: ClassVar[str] = "corrupt"
    product: ClassVar[str] = "inputs.safetensors"
    corruption: str
    severities: tuple[int, ...]
    images: int
    seed: int
    bench: Bench
    official: Path | None = None
    official_sha256: str = ""

    @property
    def origin(self) -> str:
        """Where the images are from, for people."""
        if self.official:
            return "MNIST-C"
        is_sweep = corruption_named(self.corruption).kind == "sweep"
        return "sweep" if is_sweep else "MNIST-C-style, re-implemented"

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.corruption} ({self.origin})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the inputs."""
        levels = [corruption_named(self.corruption).level(each) for each in self.severities]
        return key_of(
            format=FORMAT,
            corruption=self.corruption,
            levels=levels,
            images=self.images,
            seed=0 if self.official else self.seed,
            data=self.bench.sha256,
            official=self.official_sha256,
            software=f"numpy {version('numpy')} scipy {version('scipy')}",
        )

    @property
    def needs(self) -> tuple["Unit", ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Make the inputs, each severity from the generator's same state, or read them."""
        import torch

        images, labels = (each.cpu() for each in scored(self.bench, self.images))
        made = self._official() if self.official else self._made(images[:, 0].numpy())
        inputs = torch.from_numpy(made)[:, :, None]
        facts = {
            "attack": self.corruption,
            "crafted_on": f"no network ({self.origin})",
            "along": "severity",
            "epsilons": self.severities,
            "options": {},
            "data": self.bench.data,
            "sha256": sha256_of(inputs),
            "warnings": [],
        }
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors({"inputs": inputs, "labels": labels}, directory / self.product, facts)
            (directory / "inputs.json").write_text(json.dumps(facts, indent=1))

    def _made(self, images: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        from experiments.corruptions import corrupt

        return np.stack(
            [
                corrupt(
                    self.corruption,
                    images,
                    severity=each,
                    generator=np.random.default_rng(self.seed),
                )
                for each in self.severities
            ]
        )

    def _official(self) -> "NDArray[np.float32]":
        import numpy as np

        from experiments.corruptions.official import check_labels, official_images
        from experiments.data.dataset import scored_images

        assert self.official
        data = self.bench.load()
        check_labels(self.official, self.corruption, data.test.labels.numpy())
        found = official_images(self.official, self.corruption)
        chosen = found[scored_images(data, self.images)[1]]
        return (chosen / np.float32(255)).astype(np.float32)[None]


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


class Unit(Protocol):
    """What :func:`experiments.work.complete` gets done: a value, and a file under its key."""

    @property
    def stage(self) -> str:
        """The kind of work; its directory in the store."""

    @property
    def product(self) -> str:
        """The file that is there once the unit is complete."""

    @property
    def key(self) -> str:
        """Of everything that determines the outcome."""

    @property
    def label(self) -> str:
        """For people."""

    @property
    def needs(self) -> tuple["Unit", ...]:
        """Units that must be complete before."""

    def run(self, report: Report) -> None:
        """Do the work, and leave its outcome under the key."""


def product(unit: Unit) -> Path:
    """The file that units which need this one read."""
    return unit_path(unit.stage, unit.key) / unit.product


def is_complete(unit: Unit) -> bool:
    """Whether the unit's outcome is on disk."""
    return product(unit).exists()


def predictions(
    model: "Callable[[torch.Tensor], torch.Tensor]", images: "torch.Tensor", batch: int = 500
) -> "torch.Tensor":
    """The class (N,) that ``model`` gives each of ``images`` (N, 1, 28, 28)."""
    import torch

    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(batch)])


def sha256_of(inputs: "torch.Tensor") -> str:
    """SHA-256 of the float32 bytes of ``inputs`` in C order."""
    return hashlib.sha256(inputs.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def save_tensors(
    tensors: "dict[str, torch.Tensor]", path: Path, facts: dict[str, Any] | None = None
) -> None:
    """A safetensors file, with ``facts`` as JSON in its header."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"facts": json.dumps(facts)} if facts else None)
