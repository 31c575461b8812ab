"""Networks that answer by chance: attacked on the average of fixed draws, judged on fresh ones.

An attack on one draw fools that draw alone. Expectation over transformation (Athalye et al. 2018,
arXiv 1707.07397; against random networks arXiv 1802.00420, section 4.2) climbs the mean loss of
many draws instead. They are the same at every step (common random numbers), so that what is
climbed stands still, and the same for every image, so that neither the batch nor the place in it
changes an answer. Whether an image is fooled in earnest is decided by draws that no attack has
seen, under a rule that is fixed beforehand (`Verdict`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from experiments.attacks.curve import BATCH
from experiments.attacks.victim import Guide, Model
from experiments.store import key_of
from networks import BlindspotsError, Poisson, Wiring
from sim import poisson

LADDER = (1, 5, 20, 50)
PLATEAU = 0.01  # of accuracy; a rung that takes less is the last


def wiring_of(model: Model) -> Wiring | None:
    """The wiring of a random network, on torch or in cells; None for any other model."""
    wiring = getattr(model, "wiring", None)
    return wiring if isinstance(wiring, Wiring) and wiring.is_random else None


def stream(purpose: str, seed: int, *place: int) -> torch.Generator:
    """A generator for one purpose, so that two with equal seeds have nothing in common."""
    key = key_of(purpose=purpose, seed=seed, place=place)
    return torch.Generator().manual_seed(int(key[:12], 16))


def spikes(wiring: Wiring, points: Tensor, generator: torch.Generator, *, common: bool) -> Tensor:
    """The input's spikes (steps, N, ...) for images (N, ...) in one draw.

    With `common` the images share it; else each has one of its own, drawn image after image, so
    that parts of a batch in turn draw what the whole would.
    """
    code = wiring.stimulated.code
    assert isinstance(code, Poisson)
    shape = (1 if common else len(points), wiring.steps, *points.shape[1:])
    draw = torch.rand(shape, generator=generator, dtype=points.dtype).to(points.device)
    return torch.stack([poisson(code, points, each) for each in draw.unbind(1)])


def in_one_draw(
    wiring: Wiring, images: Tensor, generator: torch.Generator, *, common: bool = False
) -> Tensor:
    """What a network is shown: of a random code the `spikes`, else the images as they are.

    Whatever is done to the network then, only that changes its answers. The same stream draws the
    same for perturbed images as for clean ones.
    """
    return spikes(wiring, images, generator, common=common) if wiring.is_random else images


def answer(model: Model, points: Tensor, generator: torch.Generator, *, common: bool) -> Tensor:
    """Logits (N, K) of one draw.

    A network with a wiring draws its input's spikes. Any other model draws from PyTorch's own
    generator, seeded here and then put back: its draw is the same for the same points at the
    same place in the same batch.
    """
    if wiring := wiring_of(model):
        return model(spikes(wiring, points, generator, common=common))
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model(points)


class Expected(nn.Module):
    """A random network that answers by the mean logits of fixed draws.

    As the model under attack it makes an attack's own judgement that of the average; `each` is
    the guide of expectation over transformation.

    Args:
        network: images (N, ...) to logits (N, K), by chance.
        draws: how many, >= 1.
        seed: of the draws.

    Raises:
        BlindspotsError: less than one draw.
    """

    def __init__(self, network: Model, draws: int, seed: int):
        super().__init__()
        if draws < 1:
            raise BlindspotsError(f"The expectation is over {draws} draws; give 1 or more.")
        self.network, self.draws, self.seed = network, draws, seed

    def each(self, points: Tensor) -> Tensor:
        """The logits of every draw, (draws, N, K)."""
        if wiring_of(self.network):
            return self.along(self.network)(points)
        return torch.stack([answer(self.network, points, c, common=True) for c in self.chances()])

    def along(self, guide: Guide) -> Guide:
        """From another way through a network with a wiring to its logits in every draw.

        A guide to (N, K) becomes one to (draws, N, K), one to (T, N, K) one to (T draws, N, K).
        """
        wiring = wiring_of(self.network)
        assert wiring is not None

        def drawn(points: Tensor) -> Tensor:  # all draws side by side, in one pass
            trains = [spikes(wiring, points, each, common=True) for each in self.chances()]
            logits = guide(torch.cat(trains, 1))
            return logits.unflatten(-2, (self.draws, len(points))).flatten(0, -3)

        return drawn

    def chances(self) -> list[torch.Generator]:
        """One for each draw, the same whenever asked."""
        return [stream("attack", self.seed, at) for at in range(self.draws)]

    def forward(self, points: Tensor) -> Tensor:
        """The mean logits, (N, K)."""
        return self.each(points).mean(0)


def averaged(
    model: Model, attack: Callable[..., Tensor], seed: int, draws: int
) -> tuple[Expected, dict[str, Any]]:
    """What an attack on a random network is called on, and with which further options.

    An attack that takes a guide averages the loss over the draws, rather than the logits. Parts
    are smaller by the number of draws, so that they need no more memory.
    """
    mean = Expected(model, draws, seed)
    options: dict[str, Any] = {"batch_size": max(BATCH // draws, 1)}
    if "guide" in signature(attack).parameters:
        options["guide"] = mean.each
    return mean, options


def fresh(model: Model, seed: int, trial: int = 0) -> Model:
    """The random network with draws that no attack has seen, from the first one on.

    Images that are shown in turn have each their own draw; shown again to the network of the same
    seed and trial, the image at the same place has the same.
    """
    generator = stream("verdict", seed, trial)
    return lambda points: answer(model, points, generator, common=False)


@dataclass(frozen=True)
class Verdict:
    """How a random network is judged; to be fixed before anything is attacked.

    Attributes:
        seed: of draws that are no attack's, the same for all sets of inputs that are compared:
            then sets without any change fool nothing together that the clean images alone do not.
        trials: how often every image is shown, >= 1.
        votes: 1: the network answers from a single draw; m: by the mean logits of m draws.
    """

    seed: int
    trials: int = 5
    votes: int = 1

    def __post_init__(self) -> None:
        if self.trials < 1 or self.votes < 1:
            raise BlindspotsError(
                f"The verdict is over {self.trials} trials of {self.votes} draws; give 1 or more."
            )

    @torch.no_grad()
    def correct(self, model: Model, inputs: Tensor, labels: Tensor, batch: int = 500) -> Tensor:
        """Whether each trial is answered right: bool (trials, N)."""
        rows = []
        for trial in range(self.trials):
            voters = [fresh(model, self.seed, trial * self.votes + at) for at in range(self.votes)]
            logits = [
                torch.stack([voter(part) for voter in voters]).mean(0)
                for part in inputs.split(batch)
            ]
            rows.append(torch.cat(logits).argmax(1) == labels)
        return torch.stack(rows)

    def accuracy(self, model: Model, inputs: Tensor, labels: Tensor) -> xr.Dataset:
        """`accuracy`, the share of all trials answered right, with its 95 % Wilson interval.

        n is the number of images, not of images times draws: draws of one image are no
        independent images, so the interval errs on the wide side.
        """
        from experiments.statistics.accuracies import wilson  # takes over a second

        right = self.correct(model, inputs, labels).double()
        share = right.mean().numpy()
        low, high = wilson(share, torch.tensor(len(labels)).numpy())
        return xr.Dataset({"accuracy": share, "accuracy_low": low, "accuracy_high": high})


def ladder(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    attack: Callable[..., Tensor],
    *,
    epsilon: float,
    seed: int,
    verdict: Verdict,
    rungs: Sequence[int] = LADDER,
    **options: Any,
) -> xr.Dataset:
    """Raises the number of draws until accuracy on fresh draws falls no more.

    Args:
        model: random, see `answer`.
        inputs: (N, ...), in [0, 1].
        labels: (N,).
        attack: any attack; it follows the mean loss of the draws if it takes a guide.
        epsilon: its budget.
        seed: of the attack's chance and of its draws.
        verdict: how accuracy is judged.
        rungs: ascending numbers of draws; those after the first that takes less than 1 % off the
            accuracy are not tried.
        options: of the attack.

    Returns:
        See `Verdict.accuracy`, by `draws`; the attribute `plateau` says whether it was reached.
    """
    climbed = _climbed(model, inputs, labels, attack, epsilon, seed, verdict, rungs, options)
    found = dict(climbed)
    table = xr.concat(list(found.values()), "draws").assign_coords(draws=list(found))
    last = table["accuracy"].to_numpy()[-2:]
    return table.assign_attrs(plateau=int(len(last) == 2 and last[0] - last[1] < PLATEAU))


def _climbed(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    attack: Callable[..., Tensor],
    epsilon: float,
    seed: int,
    verdict: Verdict,
    rungs: Sequence[int],
    options: dict[str, Any],
) -> Iterator[tuple[int, xr.Dataset]]:
    before = float("inf")
    for draws in rungs:
        mean, usual = averaged(model, attack, seed, draws)
        crafted = attack(
            *(mean, inputs, labels),
            epsilons=[epsilon],
            generator=torch.Generator().manual_seed(seed),
            keep_going=True,
            **{**usual, **options},
        )[0]
        table = verdict.accuracy(model, crafted, labels)
        yield draws, table
        if before - float(table["accuracy"]) < PLATEAU:
            return
        before = float(table["accuracy"])
