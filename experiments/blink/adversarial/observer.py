"""An observer as a model to attack: pictures of one frame go in, how far T2 is seen comes out.

What is attacked is the whole observer, step by step through sensory network, gate and memory. Two
parts of a stream cost an attack nothing. What comes before the attacked frame is watched once. What
comes later than :data:`ENOUGH` items from the target on is not watched: memory's input for it has
had its highest by then.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from experiments.blink.streams import DIGITS, Ints, Streams
from networks.attention import Attention
from networks.errors import BlindspotsError
from networks.viewing import CUE

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network
    from sim.attention import AttentionState, Watching

ENOUGH = 4  # items, the target among them
LEAST = -50.0  # log evidence that counts for nothing


@dataclass(frozen=True)
class Observer:
    """A sensory network with attention behind it."""

    network: "Network"
    attention: Attention
    spiking: bool

    def watching(self, frames: "Tensor", trials: Streams, seed: int) -> "Watching":
        """The observer before the first of ``frames`` (n, items, 1, 28, 28)."""
        import torch

        from sim.attention import Stream, Watching, goal_of, pools_of
        from sim.attention.evidence import Watched

        task, generator = trials.task, torch.Generator().manual_seed(seed)
        return Watching(
            Watched(self.network, Stream(frames, task.steps_per_item)),
            self.attention,
            goal_of(task.targets, task.instruction),
            generator,
            dt_ms=task.dt_ms,
            pools=pools_of(self.attention, task.dt_ms, generator, spiking=self.spiking),
        )


@dataclass(frozen=True)
class AttackedFrame:
    """One frame of each trial as a model: pictures (n, 1, 28, 28) to logits (n, 2).

    The first logit is T2's margin, how far memory's input for it comes above the threshold at its
    highest, over ``draws`` of the noise inside on average (expectation over transformation; Athalye
    et al. 2018), always the same, from ``seed``; the second is nought. Once the first is the lower
    one T2 is missed. All trials are asked for at once, since each has a stream of its own:
    ``frames`` (n, items, 1, 28, 28), with the attacked frame at ``place`` (n,).

    The margin alone is hard to follow. Where the senses are sure, its gradient is nought, and
    whether a distractor is consolidated is a step. The logit's gradient therefore is that of the
    margin plus the log evidence for T2 in its own frame, or less that for any other digit in a
    distractor's (as BPDA does, Athalye et al. 2018); what counts as missed is the margin's affair.
    """

    observer: Observer
    frames: "Tensor"
    trials: Streams
    place: Ints
    draws: int
    seed: int

    @cached_property
    def before(self) -> "Watching":
        """All draws, watched up to the first attacked frame; no gradient leads there."""
        import torch

        with torch.no_grad():
            frames = self.frames.repeat(self.draws, 1, 1, 1, 1)
            trials = self.trials.part(np.tile(np.arange(len(self.trials)), self.draws))
            watching = self.observer.watching(frames, trials, self.seed)
            return watching.until(int(self.place.min()) * trials.task.steps_per_item)

    @property
    def end(self) -> int:
        """The step from which on nothing can be gained for T2."""
        return (int(self.trials.t2.max()) + ENOUGH) * self.trials.task.steps_per_item + self.late

    @property
    def late(self) -> int:
        """Steps from a frame's onset until the senses say anything of it."""
        return self.observer.network.wiring.first_answer

    @cached_property
    def target(self) -> "Tensor":
        """The digit that T2 is, in all draws, (draws * n, 1)."""
        import torch

        digit = torch.from_numpy(self.trials.at(self.trials.label, self.trials.t2))
        return digit.repeat(self.draws)[:, None]

    def with_frame(self, points: "Tensor") -> "Tensor":
        """The streams (n, items, 1, 28, 28) with ``points`` in the attacked place."""
        import torch

        if len(points) != len(self.trials):
            raise BlindspotsError(
                f"{len(points)} frames were given for {len(self.trials)} streams; attack all at "
                "once (keep_going, one batch)."
            )
        at = torch.from_numpy(self.place)[:, None] == torch.arange(self.frames.shape[1])
        return torch.where(at[..., None, None, None], points[:, None], self.frames)

    def clean(self) -> "Tensor":
        """The frames (n, 1, 28, 28) as they are."""
        import torch

        return self.frames[torch.arange(len(self.place)), torch.from_numpy(self.place)]

    def __call__(self, points: "Tensor") -> "Tensor":
        """T2's margin, with the gradient of what is aimed at, and nought."""
        import torch

        margin, taken = self.watched(points)
        aim = margin + taken
        return torch.stack([margin.detach() + aim - aim.detach(), torch.zeros_like(margin)], 1)

    def watched(self, points: "Tensor") -> "tuple[Tensor, Tensor]":
        """T2's margin, and what the attacked frame is taken for, (n,) each; low is bad for T2."""
        frames = self.with_frame(points).repeat(self.draws, 1, 1, 1, 1)
        senses = Senses(self)
        watching = self.before.before(frames).until(self.end, senses.hear)
        return self._mean(watching.peak.gather(1, self.target)[:, 0]), self._mean(senses.taken)

    def _mean(self, values: "Tensor") -> "Tensor":
        return values.reshape(self.draws, -1).mean(0)


class Senses:
    """What the sensory network takes the attacked frame for, on average while it is shown.

    ``taken`` (draws * n,): log evidence for T2 where that is the frame, less that for any other
    digit where it is another's.
    """

    def __init__(self, attacked: AttackedFrame):
        import torch

        task, draws = attacked.trials.task, attacked.draws
        self.late, self.steps, self.target = attacked.late, task.steps_per_item, attacked.target
        self.place = torch.from_numpy(np.tile(attacked.place, draws))
        self.is_own = torch.from_numpy(np.tile(attacked.place == attacked.trials.t2, draws))
        self.taken = torch.zeros(len(self.place))

    def hear(self, t: int, potential: "Tensor", state: "AttentionState") -> None:
        """Add what step ``t`` says."""
        shown = self.place == (t - self.late) // self.steps
        if not shown.any():
            return
        digits = potential[:, :CUE].log_softmax(1)[:, :DIGITS]
        own = digits.gather(1, self.target)[:, 0]
        other = digits.scatter(1, self.target, LEAST).logsumexp(1)
        self.taken = self.taken + shown * (own * self.is_own - other * ~self.is_own) / self.steps
