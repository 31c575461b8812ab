"""A unit of work: what an individual answers when its feedback is cut, scaled or frozen.

All inputs but the pulses are those that were crafted on the whole network: an attacker who knows
that feedback is cut would craft others (the command `controls` asks that).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as pairs
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.attacks.names import Norm
from experiments.bench import Bench
from experiments.dynamics.conditions import Crafted, shown
from experiments.dynamics.measures.decision import decisions
from experiments.dynamics.measures.parts import CLEAN
from experiments.dynamics.recorded import CHANCE
from experiments.dynamics.subject import Subject
from experiments.store import fresh_unit, key_of, write_dataset
from experiments.units import FORMAT, Report, Unit
from networks import Wiring
from networks.projection import FEEDBACK

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Hold, Intervention, Lesion, Network

INTERVENED = 2  # raise it when other things are measured
GAINS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
BOTH = "both"
PULSE = "pulse"
CUT, FREEZE = "cut", "freeze"
BEFORE, DURING, AFTER = "before", "during", "after"
Window = tuple[int, int]


def pathways(wiring: Wiring) -> dict[str, tuple[str, ...]]:
    """The kinds of feedback that a wiring has, by name, and "both" where it has both."""
    there = {p.kind for p in wiring.projections}
    found: dict[str, tuple[str, ...]] = {kind: (kind,) for kind in FEEDBACK if kind in there}
    return found | ({BOTH: FEEDBACK} if len(found) == 2 else {})


def pulse_window(wiring: Wiring) -> Window:
    """The frames of the pulse: about the middle third of those that can matter to the answer.

    At least one frame before it is clean, so that there is something to freeze.
    """
    from experiments.attacks.movies import felt

    frames = felt(wiring)
    start = max(1, frames // 3)
    return start, max(start + 1, -(-2 * frames // 3))


def phases(wiring: Wiring) -> dict[str, Window]:
    """The steps before, during and after the pulse."""
    start, stop = pulse_window(wiring)
    return {BEFORE: (0, start), DURING: (start, stop), AFTER: (stop, wiring.steps)}


def windows(wiring: Wiring) -> list[Window]:
    """Every place of a window of about a third of the frames that can matter."""
    from experiments.attacks.movies import felt

    frames = felt(wiring)
    width = max(1, frames // 3)
    return [(start, start + width) for start in range(frames - width + 1)]


@dataclass(frozen=True)
class Intervene:
    """Interventions on the feedback of ``subject``, judged image by image.

    ``norm`` is that of the attack; pulses are crafted under the largest change of a pixel, and only
    where that is the norm.
    """

    stage: ClassVar[str] = "intervene"
    product: ClassVar[str] = "answers.nc"
    subject: Subject
    crafted: Crafted
    norm: Norm
    images: int
    seed: int
    bench: Bench

    @property
    def label(self) -> str:
        """For people."""
        return f"interventions on {self.subject.label}"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the answers."""
        return key_of(
            format=(FORMAT, INTERVENED),
            network=self.subject.sha256,
            crafted=self.crafted.key,
            norm=self.norm,
            images=self.images,
            seed=self.seed,
            data=self.bench.sha256,
            device=self.bench.device,
            software=self.bench.software,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """The inputs, where they are crafted here."""
        return (self.crafted.craft,) if self.crafted.craft else ()

    def run(self, report: Report) -> None:
        """Intervene in every way, and write down who is right about which image."""
        from sim import Network

        inputs = shown(self.crafted, self.images, self.seed, self.bench)
        labels = inputs.pop("label")
        network = self.subject.model()
        assert isinstance(network, Network)
        scene = Scene(network, labels, self.seed)
        found = [scene.at_gains(inputs)]
        report(0.3, 0.0)
        if self.norm == "linf" and network.wiring.stimulated.code.model == "constant":
            found.append(scene.around_pulses(inputs[CLEAN], self.crafted.epsilon))
            report(0.6, 0.0)
            found.append(scene.early_and_late(inputs[CLEAN], self.crafted.epsilon))
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(xr.merge(found, combine_attrs="no_conflicts"), directory / self.product)


@dataclass(frozen=True)
class Scene:
    """A network, the labels (N,) of the images that it is shown, and the seed of all chance."""

    network: "Network"
    labels: "Tensor"
    seed: int

    @property
    def wiring(self) -> Wiring:
        """What is wired to what."""
        return self.network.wiring

    def decided(self, stimulus: "Tensor", acts: "Sequence[Intervention]" = ()) -> xr.Dataset:
        """The decisions (time, image) under interventions."""
        from experiments.attacks.chance import in_one_draw, stream
        from sim import run

        area = self.wiring.output
        shown = in_one_draw(self.wiring, stimulus, stream(CHANCE, self.seed))
        recording = run(
            self.network, shown, intervene=acts, record=[area], quantities=("potential",)
        )
        recording = recording.expand_dims(condition=[CLEAN]).assign_coords(
            label=("image", self.labels.cpu().numpy())
        )
        said = {"output": area, "answers": np.array(list(self.wiring.answers))}
        return decisions(recording.assign_attrs(said)).isel(condition=0, drop=True)

    def at_gains(self, inputs: "dict[str, Tensor]") -> xr.Dataset:
        """``gain_answer`` (pathway, gain, condition, time, image): the running answers, int8.

        Feedback delivers ``gain`` times what it did at every step; 0 is a cut.
        """
        from sim import Scale

        ways = pathways(self.wiring)
        table = [
            self.decided(images, [Scale(through=kind, gain=gain) for kind in kinds])
            for kinds, gain, images in pairs(ways.values(), GAINS, inputs.values())
        ]
        shape = (len(ways), len(GAINS), len(inputs))
        answers = np.stack([each["running_answer"].to_numpy() for each in table])
        return xr.Dataset(
            {
                "gain_answer": (
                    ("pathway", "gain", "condition", "time", "image"),
                    answers.reshape(*shape, *answers.shape[1:]),
                )
            },
            coords={"pathway": list(ways), "gain": list(GAINS), "condition": list(inputs)},
        )

    def pulse(self, clean: "Tensor", epsilon: float, window: Window) -> "Tensor":
        """The movie (steps, N, ...) that is clean but for the frames of ``window``.

        Those carry the strongest perturbation that projected gradients find for them.
        """
        import torch

        from experiments.attacks.movies import Film, still, strongest

        movies = strongest(
            Film(self.network),
            still(clean, self.wiring.steps),
            self.labels,
            epsilon=epsilon,
            generator=torch.Generator().manual_seed(self.seed),
            window=window,
        )
        return movies.transpose(0, 1)

    def around_pulses(self, clean: "Tensor", epsilon: float) -> xr.Dataset:
        """``phase_right`` (pathway, act, phase, stimulus, image): int8, right in the end.

        A pathway is cut, or frozen at what it delivered just before, in the steps before, during or
        after the pulse; nothing can be frozen before it, -1. ``pulse_right`` (stimulus, image) is
        without any intervention.
        """
        ways, spans = pathways(self.wiring), phases(self.wiring)
        movies = {
            CLEAN: clean.expand(self.wiring.steps, *clean.shape),
            PULSE: self.pulse(clean, epsilon, spans[DURING]),
        }
        shape = (len(ways), 2, len(spans), len(movies), len(clean))
        right = np.full(shape, -1, np.int8)
        for (w, kinds), (a, act), (p, span), (s, movie) in pairs(
            enumerate(ways.values()), enumerate((CUT, FREEZE)), enumerate(spans.values()),
            enumerate(movies.values()),
        ):  # fmt: skip
            if acts := list(interventions(act, kinds, span)):
                right[w, a, p, s] = self.right(movie, acts)
        return xr.Dataset(
            {
                "phase_right": (("pathway", "act", "phase", "stimulus", "image"), right),
                "pulse_right": (
                    ("stimulus", "image"), np.stack([self.right(m) for m in movies.values()])
                ),
            },
            coords={
                "pathway": list(ways), "act": [CUT, FREEZE], "phase": list(spans),
                "stimulus": list(movies),
            },
            attrs={"pulse": np.array(spans[DURING])},
        )  # fmt: skip

    def right(self, movie: "Tensor", acts: "Sequence[Intervention]" = ()) -> NDArray[np.int8]:
        """Whether each answer is right in the end, (image)."""
        last = self.decided(movie, acts)["running_answer"].isel(time=-1).to_numpy()
        return (last == self.labels.cpu().numpy()).astype(np.int8)

    def early_and_late(self, clean: "Tensor", epsilon: float) -> xr.Dataset:
        """``early_late_right`` (start, read, image): int8, whether the answer at a step is right.

        A pulse is crafted for each window of frames, whose first is ``start``; the answer is that
        of the output's potential at step ``read`` alone.
        """
        found, steps = windows(self.wiring), list(self.wiring.answers)
        truth = self.labels.cpu().numpy()
        rows = [
            self.decided(self.pulse(clean, epsilon, window))["answer"].sel(time=steps).to_numpy()
            for window in found
        ]
        right = (np.stack(rows) == truth).astype(np.int8)
        return xr.Dataset(
            {"early_late_right": (("start", "read", "image"), right)},
            coords={"start": [start for start, _ in found], "read": steps},
            attrs={"width": found[0][1] - found[0][0]},
        )


def interventions(act: str, kinds: tuple[str, ...], span: Window) -> "Iterator[Lesion | Hold]":
    """The interventions on ``kinds`` of projections in the steps of ``span``, if there are any."""
    from sim import Hold, Lesion

    start, stop = span
    for kind in kinds:
        if act == CUT:
            yield Lesion(cut=kind, start=start, stop=stop)
        elif start >= 1:
            yield Hold(through=kind, start=start, stop=stop)
