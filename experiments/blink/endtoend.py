"""Observers that were trained end to end: the unit of work, and what they report."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from experiments.bench import Bench
from experiments.blink.pictures import Noise
from experiments.blink.recipes import GRU, Rehearsal
from experiments.blink.rehearsal import rehearse, untaught
from experiments.blink.showing import Watch, batches
from experiments.blink.streams import Streams
from experiments.blink.task import Task
from experiments.store import damaged, fresh_unit, key_of
from experiments.units import Report, Unit, product, said, save_tensors
from networks import wiring_named
from networks.attention import Attention

if TYPE_CHECKING:
    import torch

    from sim.attention.reporting import Reporting

REHEARSED = 2  # raise it when the same settings come to mean other numbers for a wiring,
GATED = 1  # and this for gated recurrent units


@dataclass(frozen=True)
class Rehearse:
    """The network ``network`` (of the catalogue, or "gru") of ``seed``, trained on streams."""

    stage: ClassVar[str] = "rehearse"
    product: ClassVar[str] = "weights.safetensors"
    kept_as: ClassVar[str] = "whole"
    network: str
    seed: int
    how: Rehearsal
    task: Task
    contrast: float
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network} end to end ({self.seed})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=GATED if self.network == GRU else REHEARSED,
            wiring=GRU if self.network == GRU else wiring_named(self.network).to_json(),
            seed=self.seed,
            how=said(self.how),
            task=said(self.task),
            contrast=self.contrast,
            data=self.bench.sha256,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return ()

    def run(self, report: Report) -> None:
        """Rehearse on training images."""
        split = self.bench.load().train
        model = rehearse(
            self.network, self.how, self.task, split, self.contrast, self.chance, report
        )
        with fresh_unit(self.stage, self.key) as directory:
            save_tensors(model.state_dict(), directory / self.product, {"seed": self.seed})

    @property
    def chance(self) -> int:
        """Where everything random begins."""
        return int(key_of(rehearse=self.network, seed=self.seed)[:12], 16)

    def load(self) -> "Reporting":
        """The network that was trained."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path, model = product(self), untaught(self.network, self.how, self.chance)
        try:
            model.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise damaged(path, error) from None
        return model

    def observer(self, attention: Attention, spiking: bool) -> Watch:
        """Streams to reports; it has no attention, and none of its pools spike."""
        return partial(reported, self.load(), dt_ms=self.how.dt_ms)


def reported(
    model: "Reporting",
    trials: Streams,
    images: "torch.Tensor",
    noise: Noise,
    *,
    dt_ms: float,
    seed: int,
    report: Report = lambda done, score: None,
) -> xr.Dataset:
    """Show ``trials`` in batches, with the noise that other observers get of this ``seed``.

    By trial ``identity`` (trial, slot), the digits reported after the stream; ``when_ms`` is
    unknown.
    """
    import torch

    from sim.attention import Stream
    from sim.attention.reporting import NONE

    steps = round(trials.task.soa_ms / dt_ms)
    parts = []
    with torch.no_grad():
        for start, part, frames, _ in batches(trials, images, noise, seed):
            choice = model(Stream(frames, steps))[:, -1].argmax(-1)
            choice = torch.where(choice == NONE, -1, choice)
            choice = torch.where(choice[:, :1] < 0, choice.flip(1), choice)  # no gap before one
            parts.append(choice.numpy())
            report((start + len(part)) / len(trials), 0.0)
    identity = np.concatenate(parts).astype(np.int8)
    return xr.Dataset(
        {
            "identity": (("trial", "slot"), identity),
            "when_ms": (("trial", "slot"), np.full(identity.shape, np.nan)),
        },
        {"trial": np.arange(len(identity))},
    )
