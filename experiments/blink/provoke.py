"""One frame of a stream under attack: the second target's own, or a distractor's before it.

What is attacked is the whole observer, through sensory network, gate and memory, step by step and
to the end of the stream. An attack sees two logits of each trial: how far memory's input for the
target rises above the threshold at its highest (mean over draws of the noise inside), and nought.
Once the first is the lower one the target is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from experiments.blink.pictures import Noise, pictures
from experiments.blink.showing import slots_of
from experiments.blink.streams import Ints, Streams
from networks.attention import Attention
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network

Where = Literal["target", "distractor"]
"""Which frame is perturbed: that of T2, or the one ``lag`` items before it, where T1 would be."""
CONDITIONS = ("clean", "noise", "attacked")
JUDGED = 1000  # where the seeds begin of the draws on which it is judged, apart from the attack's


@dataclass(frozen=True)
class Observer:
    """An observer before pictures, and the chance inside it."""

    network: "Network"
    attention: Attention
    spiking: bool

    def look(self, frames: "Tensor", trials: Streams, seed: int) -> "tuple[Tensor, Tensor]":
        """(peak (n, 10), reported (n, slots)) of one draw of what happens inside."""
        import torch

        from sim.attention import Stream, goal_of, see

        task = trials.task
        seen = see(
            self.network,
            Stream(frames, task.steps_per_item),
            self.attention,
            goal_of(task.targets, task.instruction),
            torch.Generator().manual_seed(seed),
            dt_ms=task.dt_ms,
            spiking=self.spiking,
        )
        return seen.peak, seen.reports(slots_of(trials))[0]


@dataclass(frozen=True)
class Frame:
    """The attacked frame of each trial as a model: pictures (n, 1, 28, 28) to logits (n, 2).

    Logits are averaged over ``draws`` of the noise inside (expectation over transformation; Athalye
    et al. 2018), always the same, from ``seed``. All trials are asked for at once, since each has a
    stream of its own.
    """

    observer: Observer
    frames: "Tensor"
    trials: Streams
    place: Ints
    draws: int
    seed: int

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

    def __call__(self, points: "Tensor") -> "Tensor":
        """How far the target comes above the threshold, and nought."""
        import torch

        target = torch.from_numpy(self.trials.at(self.trials.label, self.trials.t2))[:, None]
        frames = self.with_frame(points).repeat(self.draws, 1, 1, 1, 1)
        peaks = self.observer.look(frames, self.trials, self.seed)[0]
        margin = peaks.gather(1, target.repeat(self.draws, 1)).reshape(self.draws, -1).mean(0)
        return torch.stack([margin, torch.zeros_like(margin)], 1)

    def clean(self) -> "Tensor":
        """The frames (n, 1, 28, 28) as they are."""
        import torch

        return self.frames[torch.arange(len(self.place)), torch.from_numpy(self.place)]


def place_of(trials: Streams, where: Where) -> Ints:
    """The position of the attacked frame, (n,)."""
    return trials.t2 if where == "target" else trials.t2 - trials.lag


def provoked(
    observer: Observer,
    trials: Streams,
    images: "Tensor",
    noise: Noise,
    *,
    where: Where,
    attack: str,
    epsilons: Sequence[float],
    options: dict[str, Any],
    draws: int,
    judged: int,
    seed: int,
    judges: "dict[str, Observer] | None" = None,
) -> xr.Dataset:
    """Attack the frame of every trial, and judge it on ``judged`` fresh draws.

    ``draws`` of the noise inside are averaged in crafting. The result has ``t1`` and ``t2``
    (observer, condition, epsilon, draw, trial), whether each is reported (of ``t1``, that of a
    single target, False), ``others``, how many other digits are, and ``lag`` (trial). The
    conditions are clean, random signs of the same size in the same frame, and attacked; all share
    their draws. ``judges`` are shown the same frames; the attacked observer is "itself".
    """
    import torch

    from experiments.attacks.names import attack_named

    generator = torch.Generator().manual_seed(seed)
    frames = pictures(trials, images, noise, generator)
    place = place_of(trials, where)
    model = Frame(observer, frames, trials, place, draws, seed)
    clean = model.clean()
    labels = torch.zeros(len(trials), dtype=torch.int64)
    crafted = attack_named(attack).function(
        *(model, clean, labels),
        epsilons=epsilons,
        generator=generator,
        keep_going=True,
        batch_size=len(trials),
        **options,
    )
    signs = torch.randint(0, 2, clean.shape, generator=generator) * 2.0 - 1
    noisy = torch.stack([(clean + e * signs).clamp(0, 1) for e in epsilons])
    shown = {"clean": clean.expand_as(crafted), "noise": noisy, "attacked": crafted}
    who = {"itself": observer, **(judges or {})}
    seeds = range(seed + JUDGED, seed + JUDGED + judged)
    parts = [answered(replace(model, observer=one), shown, epsilons, seeds) for one in who.values()]
    result = xr.concat(parts, xr.DataArray(list(who), dims="observer", name="observer"))
    return result.assign(lag=("trial", trials.lag))


def answered(
    model: Frame, shown: "dict[str, Tensor]", epsilons: Sequence[float], seeds: Sequence[int]
) -> xr.Dataset:
    """What is reported of each condition at each budget; what is the same is shown once."""
    import torch

    trials = model.trials
    shape = (len(shown), len(epsilons), len(seeds), len(trials))
    found = {name: np.zeros(shape, np.int8) for name in ("t1", "t2", "others")}
    with torch.no_grad():
        for c, (condition, inputs) in enumerate(shown.items()):
            for e in range(len(epsilons)):
                if condition == "clean" and e:
                    for each in found.values():
                        each[c, e] = each[c, 0]
                    continue
                frames = model.with_frame(inputs[e])
                for d, seed in enumerate(seeds):
                    reported = model.observer.look(frames, trials, seed)[1].numpy()
                    for name, values in hits(reported, trials).items():
                        found[name][c, e, d] = values
    dims = ("condition", "epsilon", "draw", "trial")
    return xr.Dataset(
        {name: (dims, values) for name, values in found.items()},
        {"condition": list(shown), "epsilon": list(epsilons)},
    )


def hits(reported: Ints, trials: Streams) -> dict[str, Ints]:
    """Whether T1 and T2 are among the reports (n, slots), and how many others."""
    found = {}
    for name, place in (("t1", trials.t1), ("t2", trials.t2)):
        digit = trials.at(trials.label, place)[:, None]
        found[name] = ((reported == digit) & (digit >= 0)).any(1).astype(np.int64)
    others = (reported >= 0).sum(1) - found["t1"] - found["t2"]
    return {**found, "others": others}


def success(found: xr.Dataset) -> xr.Dataset:
    """How often a frame makes the target missed, by lag: (observer, condition, epsilon, lag).

    ``success``: of draws in which the clean stream gives T2 (and T1, where there is one), the share
    in which T2 is missed, and T1 still reported, with the frame instead; conditional, since
    otherwise few targets seen at a lag would pass for many lost. ``counted`` (observer, lag) is the
    number of such draws; ``sem`` the standard error over trials, whose draws are not independent.
    """
    clean = found.sel(condition="clean").isel(epsilon=0)
    has_t1 = bool(clean["t1"].any())
    counts = (clean["t2"] > 0) & ((clean["t1"] > 0) | (not has_t1))
    lost = (found["t2"] == 0) & ((found["t1"] > 0) | (not has_t1)) & counts
    chances = counts.sum("draw").groupby(found["lag"])
    share, sem = [], []
    for lag, each in chances:
        here = lost.isel(trial=(found["lag"] == lag).to_numpy())
        hits, tries = here.sum("draw"), each
        total = tries.sum("trial")
        rate = hits.sum("trial") / total
        share.append(rate.assign_coords(lag=lag))
        sem.append(
            (((hits - rate * tries) ** 2).sum("trial") ** 0.5 / total).assign_coords(lag=lag)
        )
    counted = xr.concat([each.sum("trial").assign_coords(lag=lag) for lag, each in chances], "lag")
    return xr.Dataset(
        {"success": xr.concat(share, "lag"), "sem": xr.concat(sem, "lag"), "counted": counted}
    )


def half_budget(rates: xr.DataArray, level: float = 0.5) -> xr.DataArray:
    """The smallest budget at which a share ``level`` is lost, between budgets by interpolation.

    Infinite where none of the budgets is enough, NaN where nothing was tried.
    """

    def crossing(curve: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
        tried = np.isfinite(curve)
        epsilons = np.concatenate([[0.0], rates["epsilon"].to_numpy()[tried]])
        values = np.concatenate([[0.0], np.maximum.accumulate(curve[tried])])
        if not tried.any():
            return float("nan")
        if values[-1] < level:
            return float("inf")
        at = int(np.argmax(values >= level))
        low, high = values[at - 1], values[at]
        way = (level - low) / (high - low)
        return float(epsilons[at - 1] + way * (epsilons[at] - epsilons[at - 1]))

    return xr.apply_ufunc(crossing, rates, input_core_dims=[["epsilon"]], vectorize=True)
