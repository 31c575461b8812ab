"""Units of work that make inputs for all networks to see: crafted on one of them, or corrupted."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.attacks.names import Norm, attack_named
from experiments.bench import Bench, scored
from experiments.corruptions import corruption_named
from experiments.individuals import Model, Train, networks_of
from experiments.store import fresh_unit, key_of, unit_path
from experiments.units import FORMAT, Report, Unit, save_tensors, sha256_of
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


DRAWS = 10  # of a random network, over which an attack averages; see attacks.chance.ladder
STACKED = 1  # raise it when what is crafted along one axis comes to add in another order
DISTANCES = ("distance_linf", "distance_rms")


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
            **({"stacked": STACKED} if self.is_stacked else {}),
        )

    @property
    def is_stacked(self) -> bool:
        """Whether it is crafted along an axis of individuals, be there one or many."""
        can_be = isinstance(self.victim, Train) and not self.victim.is_random
        can_be &= attack_named(self.attack).takes_crowds
        can_be &= dict(self.options).get("answers", 1) == 1  # Square's, of one model at a time
        return can_be and self.bench.stacks_individuals

    @cached_property
    def anonymous(self) -> "Craft":
        """The same for all individuals that are trained here."""
        victim = self.victim.anonymous if isinstance(self.victim, Train) else self.victim
        return replace(self, victim=victim, seed=0)

    @property
    def needs(self) -> tuple["Unit", ...]:
        """The victim, where it is made here."""
        return self.victim.before

    def run(self, report: Report) -> None:
        """Craft the inputs, and measure how far they are from the clean images.

        Every set spends its whole budget, so that what is crafted on one network is as strong as
        it can be on the others. A random victim is attacked on the average of its draws.
        """
        if self.is_stacked:
            self.run_all([self], report)
            return
        import torch

        from experiments.attacks.chance import averaged

        images, labels = scored(self.bench, self.images)
        attack, victim, usual = attack_named(self.attack), self.victim.model(), dict[str, Any]()
        if self.victim.is_random:
            victim, usual = averaged(victim, attack.function, self.seed, DRAWS)
        with _heard() as caught:
            inputs = attack.function(
                *(victim, images, labels),
                epsilons=self.epsilons,
                generator=torch.Generator().manual_seed(self.seed),
                keep_going=True,
                **{**usual, **dict(self.options)},
            )
        self.leave(inputs, caught)

    @staticmethod
    def run_all(units: "Sequence[Craft]", report: Report) -> None:
        """Craft those of one attack on individuals of one wiring; ``batch_size`` is of each."""
        from experiments.attacks.crowd import Crowd
        from experiments.attacks.curve import BATCH

        one = units[0]
        images, labels = scored(one.bench, one.images)
        options = {"batch_size": BATCH, **dict(one.options)}
        victims = networks_of(each.victim for each in units)
        crowd = Crowd.of(victims, len(images), options["batch_size"])
        options["batch_size"] *= len(units)
        with _heard() as caught:
            inputs = attack_named(one.attack).function(
                *(crowd, crowd.to_each(images), crowd.to_each(labels)),
                epsilons=one.epsilons,
                generator=crowd.sources([each.seed for each in units]),
                keep_going=True,
                **options,
            )
        for place, each in enumerate(units):
            own = [w for w in caught if getattr(w.message, "individual", place) == place]
            each.leave(inputs[:, crowd.rows(place)], own)

    def leave(self, inputs: "torch.Tensor", caught: "Sequence[warnings.WarningMessage]") -> None:
        """Inputs, their distances, and what was warned of, under the key."""
        import torch

        from experiments.attacks.threat import distance

        images, labels = scored(self.bench, self.images)
        norms: tuple[Norm, Norm] = ("linf", "l2")
        sha256 = sha256_of(inputs)
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
            "sha256": sha256,
            "warnings": sorted({str(w.message) for w in caught}),
        }
        self._check_the_same(sha256)
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(far, directory / "distances.safetensors")
            save_tensors({"inputs": inputs, "labels": labels}, directory / self.product, facts)
            (directory / "inputs.json").write_text(json.dumps(facts, indent=1))

    def _check_the_same(self, sha256: str) -> None:
        """Raise BlindspotsError where others were crafted before, which networks have answered."""
        known = unit_path(self.stage, self.key) / "inputs.json"
        if known.exists() and json.loads(known.read_text())["sha256"] != sha256:
            raise BlindspotsError(
                f"{self.label}: crafted again, the inputs differ in last bits from those that were "
                "scored, as they may on another machine, or on a GPU with other individuals "
                "beside; set BLINDSPOTS_CACHE to a new directory, so that all is done anew."
            )


@contextmanager
def _heard() -> Iterator[list[warnings.WarningMessage]]:
    """All that is warned of inside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def is_measured(craft: Craft) -> bool:
    """Whether the set was crafted, even if its inputs were discarded after they were scored."""
    return (unit_path(craft.stage, craft.key) / "distances.safetensors").exists()


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
