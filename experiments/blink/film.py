"""Single trials for the eye: what was shown, what was reported, and every step in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from experiments.blink.inside import OUTCOMES
from experiments.blink.pictures import pictures
from experiments.blink.reports import among
from experiments.blink.showing import slots_of
from experiments.blink.streams import Bools, Floats, Ints, Streams, streams
from experiments.blink.task import Task
from experiments.blink.units import Show
from experiments.store import fresh_unit, key_of, read_dataset, write_dataset
from experiments.units import Report, Unit, is_complete, product

if TYPE_CHECKING:
    import torch

    from sim.attention import AttentionState, Seen

FILM = 1  # raise it when the same settings come to mean other numbers
TRIALS = 48  # among which one of each outcome is looked for
DEEPEST_MS = 200.0  # the lag that is filmed lies nearest to it
STAGES = ("gate", "refractory", "memory")
POOLS = ("gate", "refractory", "t1_memory", "t2_memory")


@dataclass(frozen=True)
class Film:
    """Trials of an individual in the dual task, in the middle of the blink: one seen, one missed.

    Streams of one lag from the seed of ``show``, on test images; of the trials with T1 reported,
    and nothing that was not shown, the first of each outcome is kept.
    """

    stage: ClassVar[str] = "film"
    product: ClassVar[str] = "film.nc"
    show: Show

    @property
    def label(self) -> str:
        """For people."""
        return f"film of {self.show.observer} ({self.show.individual})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(format=FILM, show=self.show.key, trials=(TRIALS, DEEPEST_MS))

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.show.titrated,)

    def run(self, report: Report) -> None:
        """Show, choose and keep."""
        import torch

        from sim.attention import Stream, goal_of, pools_of, see

        show, titrated = self.show, self.show.titrated
        task = lag_filmed(show.task)
        split = titrated.taught.bench.load().test
        trials = streams(task, TRIALS, split.labels.numpy(), np.random.default_rng(show.seed))
        generator = torch.Generator().manual_seed(show.seed)
        frames = pictures(trials, split.images, titrated.noise(), generator)
        reel = Reel()
        pools = pools_of(
            *(show.attention, task.dt_ms, generator), spiking=titrated.spiking, told=reel.emission
        )
        with torch.no_grad():
            seen = see(
                titrated.sensory.load(),
                Stream(frames, task.steps_per_item),
                show.attention,
                goal_of(task.targets, task.instruction),
                generator,
                dt_ms=task.dt_ms,
                moment=reel.moment,
                pools=pools,
            )
        found = developed(trials, frames, seen, reel)
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(found, directory / self.product)


def lag_filmed(task: Task) -> Task:
    """The task with one lag only, that nearest to the deepest point of the blink in people."""
    lag = min(task.lags, key=lambda each: abs(each * task.soa_ms - DEEPEST_MS))
    return task.but(lags=(lag,))


class Reel:
    """Gate and memory at every step, and the spikes where there are any."""

    def __init__(self) -> None:
        self.traces: dict[str, list[torch.Tensor]] = {name: [] for name in STAGES}
        self.spikes: dict[str, list[torch.Tensor]] = {name: [] for name in STAGES}

    def moment(self, t: int, potential: "torch.Tensor", state: "AttentionState") -> None:
        """Keep the state."""
        for name, values in self.traces.items():
            values.append(getattr(state, name).clone())

    def emission(self, name: str, counts: "torch.Tensor") -> None:
        """Keep the spikes of the pools of gate and memory."""
        if name in self.spikes:
            self.spikes[name].append(counts)

    def curves(self, rows: Ints, digits: tuple[Ints, ...]) -> dict[str, Floats]:
        """By name of :data:`POOLS` (example, time), of trials ``rows`` with targets ``digits``."""
        gate, refractory, memory = (
            np.stack([each.numpy()[rows] for each in self.traces[name]], -1) for name in STAGES
        )
        each = np.arange(len(rows))
        values = (gate, refractory, *(memory[each, digit] for digit in digits))
        return dict(zip(POOLS, values, strict=True))

    def rasters(self, rows: Ints, digits: tuple[Ints, ...]) -> Ints:
        """Spikes (example, pool, cell, time); no cells where the reading has none."""
        if not self.spikes["gate"]:
            return np.zeros((len(rows), len(POOLS), 0, len(self.traces["gate"])), np.int64)
        gate, refractory, memory = (
            np.stack([each.numpy()[rows] for each in self.spikes[name]], -1) for name in STAGES
        )
        each = np.arange(len(rows))
        pools = (gate[:, 0], refractory[:, 0], *(memory[each, digit] for digit in digits))
        return np.stack(pools, 1).astype(np.int64)


def developed(trials: Streams, frames: "torch.Tensor", seen: "Seen", reel: Reel) -> xr.Dataset:
    """The first trial of each outcome that has T1 reported and no intruder; see ``examples``."""
    identity, when = (each.numpy() for each in seen.reports(slots_of(trials)))
    digits = [trials.at(trials.label, place) for place in (trials.t1, trials.t2)]
    t1, t2 = (among(identity, digit) for digit in digits)
    plain = (identity >= 0).sum(1) == t1.astype(int) + t2
    kept = {name: first(t1 & here & plain) for name, here in zip(OUTCOMES, (t2, ~t2), strict=True)}
    rows = np.array([row for row in kept.values() if row >= 0], np.int64)
    targets = tuple(digit[rows] for digit in digits)
    pictured = (frames[rows, :, 0] * 255).round().numpy().astype(np.uint8)
    by_item = {"label": trials.label[rows].astype(np.int8), "ring": trials.cue[rows]}
    return xr.Dataset(
        {
            "example_frames": (("example", "item", "row", "column"), pictured),
            **{f"example_{name}": (("example", "item"), each) for name, each in by_item.items()},
            "example_t1": ("example", trials.t1[rows]),
            "example_t2": ("example", trials.t2[rows]),
            "example_report": (("example", "slot"), identity[rows].astype(np.int8)),
            "example_when_ms": (("example", "slot"), when[rows]),
            **{
                f"example_{name}": (("example", "time"), values.astype(np.float32))
                for name, values in reel.curves(rows, targets).items()
            },
            "example_spikes": (
                ("example", "pool", "cell", "time"),
                reel.rasters(rows, targets).astype(np.int8),
            ),
        },
        {
            "example_outcome": ("example", [name for name, row in kept.items() if row >= 0]),
            "onset": ("item", np.arange(trials.task.items) * trials.task.soa_ms),
            "time": np.arange(len(reel.traces["gate"])) * trials.task.dt_ms,
            "pool": list(POOLS),
        },
    )


def first(there: Bools) -> int:
    """Where the first is; -1 where there is none."""
    return int(there.argmax()) if there.any() else -1


def examples(filmed: Mapping[str, Film]) -> xr.Dataset:
    """The trials of all films, one after the other; without variables where there are none.

    ``example_frames`` (example, item, row, column), 0 to 255, ``example_label`` (example, item),
    the digit or -1, and ``example_ring``; ``onset`` (item) in ms. ``example_t1`` and ``example_t2``
    are positions; ``example_report`` (example, slot) the digits reported or -1, and
    ``example_when_ms`` when they entered memory. ``example_gate``, ``_refractory``, ``_t1_memory``
    and ``_t2_memory`` (example, time in ms) are states, ``example_spikes`` (example, pool, cell,
    time) the numbers of spikes in each step, -1 where there is no such cell. ``example_network``
    and ``example_outcome`` say whose they are, and whether T2 was "seen" or "missed".
    """
    parts = {
        name: read_dataset(product(unit)) for name, unit in filmed.items() if is_complete(unit)
    }
    if not parts:
        return xr.Dataset()
    cells = max(part.sizes["cell"] for part in parts.values())
    whole = [
        part.pad(cell=(0, cells - part.sizes["cell"]), constant_values=-1).assign_coords(
            example_network=("example", [name] * part.sizes["example"])
        )
        for name, part in parts.items()
    ]
    return xr.concat(whole, "example", join="outer")
