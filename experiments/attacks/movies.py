"""Perturbations that change with time, beside the static image: movies, and windows of time.

A network that steps through time may be shown another perturbation at each step. The budget holds
at every step: the largest change of any pixel of any frame. Movies are (N, steps, ...), so that
every attack takes them as it takes images.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.attacks.gradient import pgd_linf
from experiments.attacks.threat import Window
from experiments.attacks.victim import Guide, Model
from networks import BlindspotsError, Wiring
from sim import Network

LOSSES = ("cross-entropy", "margin")


class Film(nn.Module):
    """A network that is shown movies (N, steps, *input shape) in [0, 1], past its code."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, movies: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.network(movies.transpose(0, 1))


def require_time(wiring: Wiring) -> None:
    """That perturbations of intensity may change with time.

    Raises:
        BlindspotsError: time plays no role, for the network runs in one pass; or its input is
            coded, so that frames are spikes and no intensities.
    """
    if wiring.is_feedforward:
        raise BlindspotsError(
            f"'{wiring.name}' answers in one pass, so time plays no role in it; movies are for "
            "networks with feedback or memory."
        )
    if wiring.stimulated.code.model != "constant":
        raise BlindspotsError(
            f"The input of '{wiring.name}' is {wiring.stimulated.code.model} coded, so its frames "
            "are spikes; perturb its spike trains instead."
        )


def filmed(guide: Guide) -> Guide:
    """A network's guide (see `guides.Way.through`) for movies."""
    return lambda movies: guide(movies.transpose(0, 1))


def still(images: Tensor, steps: int) -> Tensor:
    """The movie (N, steps, ...) of an image that stands still."""
    return images[:, None].repeat_interleave(steps, 1)


def felt(wiring: Wiring) -> int:
    """How many frames, from the first on, can matter to the answer: later ones come too late."""
    return wiring.steps - wiring.first_answer


def halves(wiring: Wiring) -> dict[str, Window]:
    """The earlier and the later half of the frames that can matter; of an odd one, the earlier."""
    end = felt(wiring)
    middle = -(-end // 2)
    return {"early half": (0, middle), "late half": (middle, end)}


def strongest(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    generator: torch.Generator,
    attack: Callable[..., Tensor] = pgd_linf,
    **options: object,
) -> Tensor:
    """The best of one attack with both losses, at its full budget: (N, ...).

    Inputs of the cross-entropy; of the margin where only they fool.
    """
    best = inputs
    for loss in LOSSES:
        found = attack(
            *(model, inputs, labels),
            epsilons=[epsilon], generator=generator, keep_going=True, loss=loss, **options,
        )[0]  # fmt: skip
        best = found if loss == LOSSES[0] else either(model, labels, best, found)
    return best


@torch.no_grad()
def either(model: Model, labels: Tensor, first: Tensor, *others: Tensor) -> Tensor:
    """The first inputs (N, ...), and others where those alone fool."""
    best, fooled = first.clone(), model(first).argmax(1) != labels
    for other in others:
        better = ~fooled & (model(other).argmax(1) != labels)
        best[better] = other[better]
        fooled |= better
    return best


def in_time(
    network: Network,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    generator: torch.Generator,
    **options: object,
) -> dict[str, Tensor]:
    """The same budget spent in time as an attacker may: movies (N, steps, ...) by threat.

    "static" perturbs the image; "early half" and "late half" perturb each of those frames on its
    own, and "movie" every frame. A static perturbation is a movie, and so are those in a window:
    where one of them fools and the search among all movies did not, the movie is that one, so
    that no larger set of movies seems to be weaker than a smaller one.

    Args:
        network: not feedforward, of constant input.
        images: (N, ...), in [0, 1].
        labels: (N,).
        epsilon: the largest change of a pixel of a frame.
        generator: source of the random starts.
        options: of `gradient.pgd_linf`.

    Raises:
        BlindspotsError: see `require_time`.
    """
    require_time(network.wiring)
    film, steps = Film(network), network.wiring.steps
    clean = still(images, steps)
    spent = {"epsilon": epsilon, "generator": generator, **options}
    found = {"static": still(strongest(network, images, labels, **spent), steps)}  # type: ignore[arg-type]
    for name, window in halves(network.wiring).items():
        found[name] = strongest(film, clean, labels, window=window, **spent)  # type: ignore[arg-type]
    moving = strongest(film, clean, labels, **spent)  # type: ignore[arg-type]
    found["movie"] = either(film, labels, moving, *found.values())
    return found
