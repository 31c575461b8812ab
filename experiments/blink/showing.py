"""Streams before an observer's eyes: what it reports, and what goes on inside meanwhile."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xarray as xr

from experiments.blink.pictures import Noise, pictures
from experiments.blink.reports import Reports
from experiments.blink.streams import Streams
from experiments.units import Report
from networks.attention import Attention
from networks.viewing import CUE

if TYPE_CHECKING:
    import torch

    from sim import Network
    from sim.attention import AttentionState, Seen

SLOTS = {"pair": 2, "TTT": 3, "TDT": 3}
"""Digits that an observer is asked for, by the pattern of its targets."""
BATCH = 400  # trials
TRACED = 40  # trials of each stream of work whose inside is kept


class Watch(Protocol):
    """An observer: trials to reports, by trial ``identity`` and ``when_ms`` (trial, slot)."""

    def __call__(
        self,
        trials: Streams,
        images: "torch.Tensor",
        noise: Noise,
        *,
        seed: int,
        report: Report = ...,
    ) -> xr.Dataset:
        """Shows all trials; chance is that of ``seed``."""


def slots_of(trials: Streams) -> int:
    """How many digits the instruction asks for."""
    return 1 if trials.task.instruction == "second" else SLOTS[trials.task.pattern]


def reports_in(found: xr.Dataset) -> Reports:
    """The reports in the result of :func:`shown`."""
    return Reports(found["identity"].to_numpy().astype(np.int64), found["when_ms"].to_numpy())


def shown(
    network: "Network",
    trials: Streams,
    images: "torch.Tensor",
    noise: Noise,
    attention: Attention,
    *,
    spiking: bool,
    seed: int,
    report: Report = lambda done, score: None,
) -> xr.Dataset:
    """Show ``trials`` in batches, each with chance of its own from ``seed``.

    The result has, by trial: ``identity`` and ``when_ms`` (trial, slot), what is reported and when
    it entered memory; ``peak`` (trial, digit), how far memory's input rose above the threshold;
    ``sensed`` (trial, item), the class of highest mean evidence while an item is shown; and of the
    first 40 trials of every batch (traced, time) ``gate``, ``refractory``, and with a dimension
    more ``types`` and ``memory``; ``traced`` are their trials.
    """
    import torch

    parts = []
    with torch.no_grad():
        for start, part, frames, generator in batches(trials, images, noise, seed):
            parts.append(watched_part(network, part, frames, attention, spiking, generator, start))
            report((start + len(part)) / len(trials), 0.0)
    traced = ("gate", "refractory", "types", "memory")
    whole = xr.concat([part.drop_dims("traced") for part in parts], "trial")
    return whole.merge(xr.concat([part[list(traced)] for part in parts], "traced"))


def batches(
    trials: Streams, images: "torch.Tensor", noise: Noise, seed: int
) -> "Iterator[tuple[int, Streams, torch.Tensor, torch.Generator]]":
    """The first trial of each batch, its trials, their pictures, and what else draws from."""
    import torch

    for start in range(0, len(trials), BATCH):
        part = trials.part(slice(start, start + BATCH))
        generator = torch.Generator().manual_seed(seed + start)
        yield start, part, pictures(part, images, noise, generator), generator


def watched_part(
    network: "Network",
    part: Streams,
    frames: "torch.Tensor",
    attention: Attention,
    spiking: bool,
    generator: "torch.Generator",
    first: int,
) -> xr.Dataset:
    """The result for one batch, whose first trial is ``first``."""
    import torch

    from sim.attention import AttentionState, Stream, evidence, goal_of, pools_of, see

    task = part.task
    inside = Inside(task.steps_per_item, network.wiring.first_answer, frames.shape[1])

    def moment(t: int, potential: torch.Tensor, state: AttentionState) -> None:
        inside.keep(t, evidence(potential)[0], state)

    seen = see(
        network,
        Stream(frames, task.steps_per_item),
        attention,
        goal_of(task.targets, task.instruction),
        generator,
        dt_ms=task.dt_ms,
        moment=moment,
        pools=pools_of(attention, task.dt_ms, generator, spiking=spiking),
    )
    return labelled(seen, slots_of(part), inside, task.dt_ms, first)


class Inside:
    """What is kept of an observer's inside, step by step."""

    def __init__(self, steps: int, late: int, items: int):
        self.steps, self.late, self.items = steps, late, items
        self.evidence: list[torch.Tensor | None] = [None] * items
        self.traces: dict[str, list[torch.Tensor]] = {
            name: [] for name in ("gate", "refractory", "types", "memory")
        }

    def keep(self, t: int, evidence: "torch.Tensor", state: "AttentionState") -> None:
        """Add a step's evidence to its item's, and the traces."""
        item = (t - self.late) // self.steps
        if 0 <= item < self.items:
            before = self.evidence[item]
            self.evidence[item] = evidence if before is None else before + evidence
        for name, rows in self.traces.items():
            rows.append(getattr(state, name)[:TRACED].clone())

    def sensed(self) -> "np.ndarray[tuple[int, int], np.dtype[np.int8]]":
        """The class of highest evidence by item, (trials, items)."""
        best = [e[:, :CUE].argmax(1).numpy() for e in self.evidence if e is not None]
        return np.stack(best, 1).astype(np.int8)


def labelled(seen: "Seen", slots: int, inside: Inside, dt_ms: float, first: int) -> xr.Dataset:
    """The labelled result of one batch."""
    import torch

    identity, when = seen.reports(slots)
    traces = {name: torch.stack(rows, 1).numpy() for name, rows in inside.traces.items()}
    more = {"types": ("class",), "memory": ("digit",)}
    count, steps = traces["gate"].shape
    return xr.Dataset(
        {
            "identity": (("trial", "slot"), identity.numpy().astype(np.int8)),
            "when_ms": (("trial", "slot"), when.numpy()),
            "peak": (("trial", "digit"), seen.peak.numpy()),
            "sensed": (("trial", "item"), inside.sensed()),
            **{
                name: (("traced", "time", *more.get(name, ())), values.astype(np.float32))
                for name, values in traces.items()
            },
        },
        {
            "trial": np.arange(first, first + len(identity)),
            "traced": np.arange(first, first + count),
            "time": np.arange(steps) * dt_ms,
        },
    )
