"""Units of work of a blink experiment: teach a sensory network, set its noise, show it streams."""

import json
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from experiments.bench import Bench
from experiments.blink.endtoend import Rehearse
from experiments.blink.pictures import Noise
from experiments.blink.recipes import Schooling
from experiments.blink.reports import among
from experiments.blink.schooling import lesson, teach, told_apart
from experiments.blink.showing import Watch, shown
from experiments.blink.streams import streams
from experiments.blink.task import Task
from experiments.store import damaged, fresh_unit, key_of, read_dataset, write_dataset
from experiments.training import load_individual, save_individual
from experiments.units import FORMAT, Report, Unit, all_said, product, said
from networks import wiring_named
from networks.attention import Attention
from networks.errors import BlindspotsError
from networks.viewing import viewing

if TYPE_CHECKING:
    from sim import Network

BLINK = 1  # raise it when the same settings come to mean other numbers
EXAMINED = 4000  # test images in the examination of a taught network
BISECTIONS = 7
HARDEST = 0.8  # standard deviation of noise
TITRATION = 240  # trials


@dataclass(frozen=True)
class Teach:
    """The sensory network ``network`` (of the catalogue) of ``seed``, taught to watch streams."""

    stage: ClassVar[str] = "teach"
    product: ClassVar[str] = "weights.safetensors"
    kept_as: ClassVar[str] = "sensory"
    network: str
    seed: int
    how: Schooling
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network} ({self.seed})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=(FORMAT, BLINK),
            wiring=viewing(wiring_named(self.network), self.how.dt_ms).to_json(),
            seed=self.seed,
            how=said(self.how),
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Teach it, and examine it on test images of three levels of noise."""
        import torch

        data = self.bench.load()
        wiring = viewing(wiring_named(self.network), self.how.dt_ms)
        stream = int(key_of(watch=self.network, seed=self.seed)[:12], 16)
        network = teach(wiring, self.how, data.train, stream, report)
        generator = torch.Generator().manual_seed(stream)
        count = min(EXAMINED, len(data.test.labels)) // self.how.items * self.how.items
        facts = {}
        for sd in (0.0, self.how.noise / 2, self.how.noise):
            how = self.how.model_copy(update={"noise": sd})
            exam = lesson(data.test.images[:count], data.test.labels[:count], how, generator)
            facts[f"{sd:g}"] = told_apart(network, exam, how.durations[1])
        with fresh_unit(self.stage, self.key) as directory:
            save_individual(network, {"seed": self.seed, "right by noise": facts}, directory)

    def load(self) -> "Network":
        """The network that was taught."""
        return load_individual(product(self).parent)

    def observer(self, attention: Attention, spiking: bool) -> Watch:
        """Streams to reports, with ``attention`` behind the network."""
        return partial(shown, self.load(), attention=attention, spiking=spiking)


Observing = Teach | Rehearse
"""What an observer looks with, or is."""


@dataclass(frozen=True)
class Titrate:
    """The noise at which a single target is reported in a share ``level`` of the trials.

    On validation images; bisected on trials that stay the same. Where even no noise leads there,
    it is 0, and what was reached stands beside it.
    """

    stage: ClassVar[str] = "titrate"
    product: ClassVar[str] = "noise.json"
    taught: Observing
    attention: Attention
    spiking: bool
    task: Task
    contrast: float
    level: float

    @property
    def label(self) -> str:
        """For people."""
        return f"noise for {self.taught.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            taught=self.taught.key,
            attention=all_said(self.attention),
            spiking=self.spiking,
            task=said(self.task),
            level=(self.contrast, self.level),
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.taught,)

    @property
    def sensory(self) -> Teach:
        """The sensory network; BlindspotsError where there is none behind an attention."""
        if isinstance(self.taught, Teach):
            return self.taught
        raise BlindspotsError(
            f"'{self.taught.label}' was trained end to end: it has no attention to look into; name "
            "an observer that has."
        )

    def run(self, report: Report) -> None:
        """Bisect."""
        watch = self.taught.observer(self.attention, self.spiking)
        split = self.taught.bench.load().validation
        task = self.task.but(single=True)
        per_lag = max(1, TITRATION // len(task.lags))
        trials = streams(task, per_lag, split.labels.numpy(), np.random.default_rng(1))
        target = trials.at(trials.label, trials.t2)

        def reached(sd: float) -> float:
            noise = Noise(contrast=self.contrast, sd=sd)
            found = watch(trials, split.images, noise, seed=1)
            return float(among(found["identity"].to_numpy(), target).mean())

        low, high = 0.0, HARDEST
        for i in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if reached(middle) > self.level else (low, middle)
            report((i + 1) / (BISECTIONS + 1), 0.0)
        facts = {"sd": low, "reported": reached(low), "level": self.level}
        with fresh_unit(self.stage, self.key) as directory:
            (directory / self.product).write_text(json.dumps(facts, indent=1))

    def noise(self) -> Noise:
        """What is laid over the items that the observer is shown, once it has been set."""
        return Noise(contrast=self.contrast, sd=self.load()["sd"])

    def load(self) -> dict[str, float]:
        """``sd``, and the share that is ``reported`` there."""
        path = product(self)
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise damaged(path, error) from None


@dataclass(frozen=True)
class Show:
    """One individual before the streams of one condition, on test images.

    ``seed`` decides streams, noise and what happens inside: the same for all conditions, so that
    they differ in what was changed alone.
    """

    stage: ClassVar[str] = "show"
    product: ClassVar[str] = "answers.nc"
    observer: str
    individual: int
    condition: str
    task: Task
    per_lag: int
    attention: Attention
    titrated: Titrate
    seed: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.condition} to {self.observer} ({self.individual})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            titrated=self.titrated.key,
            task=said(self.task),
            per_lag=self.per_lag,
            attention=all_said(self.attention),
            seed=self.seed,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.titrated,)

    def run(self, report: Report) -> None:
        """Show all trials, and leave what was reported, and what went on inside."""
        taught = self.titrated.taught
        watch = taught.observer(self.attention, self.titrated.spiking)
        split = taught.bench.load().test
        trials = streams(
            self.task, self.per_lag, split.labels.numpy(), np.random.default_rng(self.seed)
        )
        noise = self.titrated.noise()
        result = watch(trials, split.images, noise, seed=self.seed, report=report)
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)

    def load(self) -> xr.Dataset:
        """What the observer gave (:class:`experiments.blink.showing.Watch`)."""
        return read_dataset(product(self))
