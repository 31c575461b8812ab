"""Checks of the gradient that the claimed attack follows: is it there, and does it point uphill?"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from experiments.attacks.ascent import random_offsets
from experiments.attacks.goal import cross_entropy
from experiments.attacks.guides import ways
from experiments.attacks.threat import project
from experiments.attacks.victim import Guide, frozen
from experiments.audit.chance import fixed
from experiments.audit.finding import Finding, not_applicable, outcome
from experiments.audit.subject import Subject

NONE = 0.01  # share of images without a gradient from which the attack is void
DIRECTIONS = 32
STEP = {torch.float64: 1e-6, torch.float32: 1e-2}  # Euclidean, of a finite difference
AGREES, DOUBTFUL = 0.99, 0.9  # cosines between gradient and finite difference
TWIN = 0.8  # the same through a smooth twin, whose gradient leaves out the reset by design
SIGMA = 0.05  # intensity, of the noise that smooths a spiking network's loss
RELIABLE = 0.05  # cosine of two estimates of that slope, from which on it is one
CHANCE = 0.1  # cosine with the smoothed slope below which a gradient is no better than none
SMOOTH = "smooth 5"  # whose slope is gentle enough for finite differences


def slopes(answer: Guide, points: Tensor, labels: Tensor) -> Tensor:
    """The gradient (n, ...) of the cross-entropy by the points; zeros where there is none."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        loss = cross_entropy(answer(points), labels).sum()
        if not loss.requires_grad:
            return torch.zeros_like(points)
        (gradient,) = torch.autograd.grad(loss, points, allow_unused=True)
    return torch.zeros_like(points) if gradient is None else gradient.detach()


def zero_gradient(subject: Subject) -> Finding:
    """3. Images whose gradient is exactly zero, at the image and at a random start.

    At the clean image and at a random start, whichever has more; AutoAttack warns of any, and
    more than 1 % are a failure. Other surrogates of a spiking network are told beside it.
    """
    if subject.claim.entry.kind in ("query", "noise"):
        return not_applicable("zero gradient", f"{subject.claim.attack} follows no gradient.")
    rows = subject.right.nonzero()[:, 0]
    clean, labels = subject.images[rows], subject.labels[rows]
    offsets = random_offsets(subject.claim.threat.norm, clean, subject.chance("zero gradient"))
    start = project(clean, clean + offsets * subject.claim.epsilon, subject.claim.threat)

    def missing(answer: Guide, most: int) -> float:
        flat = [
            slopes(answer, points[:most], labels[:most]).flatten(1).abs().sum(1)
            for points in (clean, start)
        ]
        return max(float((each == 0).float().mean()) for each in flat) if len(rows) else 0.0

    with frozen(subject.model):
        share = missing(subject.model, len(rows))
        known = {n: w for n, w in ways(subject.model).items() if w.family == "surrogate"}
        few = subject.allowance.few
        others = {n: missing(w.through(subject.model), few) for n, w in known.items()}  # type: ignore[arg-type]
    without = [name for name, each in others.items() if each > NONE]
    note = f" Of {len(others)} other surrogates {len(without)} have more." if others else ""
    found = outcome(failed=share > NONE, doubtful=share > 0)
    sentence = (
        f"The gradient by the input is exactly zero for {100 * share:.1f} % of images that are "
        f"right, at the image or at a random start.{note}"
    )
    return Finding("zero gradient", found, 100 * share, "% of images", sentence)


def gradient_correctness(subject: Subject) -> Finding:
    """20. The gradient is the slope of the loss.

    Of a differentiable model, against central differences in float64 along random directions, all
    chance held fixed. A spiking network has no slope: there the smooth twin shows that the path
    back through time is right, and the surrogate gradient is held against that of the smoothed
    loss, estimated by antithetic normal noise (NES; Ilyas et al. 2018, arXiv 1804.08598).
    """
    if subject.claim.entry.kind in ("query", "noise"):
        why = f"{subject.claim.attack} follows no gradient."
        return not_applicable("gradient correctness", why)
    with frozen(subject.model):
        known = ways(subject.model)
        twin = known.get(SMOOTH)
        exact = deepcopy(subject.model)
        exact = exact.double() if isinstance(exact, nn.Module) else exact
        answer = twin.through(exact) if twin else exact  # type: ignore[arg-type]
        agreement = differences(subject, answer, isinstance(exact, nn.Module))
        if agreement is None or twin:
            return against_smoothed(subject, agreement)
    found = outcome(failed=agreement < DOUBTFUL, doubtful=agreement < AGREES)
    sentence = f"The cosine between the gradient and finite differences is {agreement:.4f}."
    return Finding("gradient correctness", found, agreement, "cosine", sentence)


def differences(subject: Subject, answer: Guide, is_double: bool) -> float | None:
    """The cosine of slopes along random directions, by gradient and by difference.

    The median over images; None where the loss does not change at all: it has no slope.
    """
    rows = subject.subset[: subject.allowance.few]
    kind = torch.float64 if is_double else torch.float32
    clean, labels = subject.images[rows].to(kind), subject.labels[rows]
    points = clean.clamp(0.02, 0.98)  # off the edges, where an input may be thresholded
    ways_out = torch.randn(
        (DIRECTIONS, *points.shape), generator=subject.chance("differences"), dtype=kind
    )
    ways_out /= (
        ways_out.flatten(2).norm(dim=2).reshape(*ways_out.shape[:2], *[1] * (points.ndim - 1))
    )

    def held(inputs: Tensor) -> Tensor:
        with fixed(subject.model, 0), fixed(answer, 0):
            return answer(inputs)

    gradient = slopes(held, points, labels).flatten(1)
    along = (ways_out.flatten(2) * gradient).sum(2)
    with torch.no_grad():
        rise = torch.stack(
            [loss_rise(held, points, labels, each * STEP[kind]) for each in ways_out]
        )
    if not rise.any():
        return None
    return float(cosine_similarity(along, rise / (2 * STEP[kind]), dim=0).median())


def loss_rise(answer: Guide, points: Tensor, labels: Tensor, step: Tensor) -> Tensor:
    """By how much the loss (n,) differs from one step behind to one step ahead."""
    ahead, behind = (cross_entropy(answer(points + s), labels) for s in (step, -step))
    return ahead - behind


def against_smoothed(subject: Subject, twin: float | None) -> Finding:
    """How well the gradient that the attack follows agrees with the slope of the smoothed loss."""
    rows = subject.subset[: subject.allowance.handful]
    cosines = [smoothed_cosine(subject, int(row)) for row in rows]
    clear = [each for each in cosines if each is not None]
    if not clear:
        why = f"{subject.allowance.samples} samples do not show the slope of the smoothed loss."
        return not_applicable("gradient correctness", why)
    cosine = float(torch.tensor(clear).median())
    path = "" if twin is None else f" Through the smooth twin, against differences, {twin:.3f}."
    found = outcome(failed=twin is not None and twin < TWIN, doubtful=cosine < CHANCE)
    sentence = (
        "The answer is flat between spikes; the cosine between the gradient that is followed and "
        f"the slope of the smoothed loss (noise {SIGMA}) is {cosine:.2f}.{path}"
    )
    return Finding("gradient correctness", found, cosine, "cosine", sentence)


def smoothed_cosine(subject: Subject, row: int) -> float | None:
    """The cosine at one image, corrected for the noise of the estimate (Spearman 1904).

    The two halves of the samples give two estimates, whose own cosine says how noisy they are;
    None where they have nothing in common.
    """
    image, label = subject.images[row : row + 1], subject.labels[row : row + 1]
    followed = slopes(subject.model, image, label).flatten()
    half = subject.allowance.samples // 2
    chance = subject.chance(f"smoothed {row}")
    first, second = (estimated(subject.answers, image, label, half, chance) for _ in range(2))
    reliable = float(cosine_similarity(first, second, dim=0))
    if reliable < RELIABLE:
        return None
    whole = 2 * reliable / (1 + reliable)
    raw = float(cosine_similarity(followed, first + second, dim=0))
    return max(-1.0, min(1.0, raw / whole**0.5))


def estimated(
    answers: Callable[[Tensor], Tensor],
    image: Tensor,
    label: Tensor,
    samples: int,
    chance: torch.Generator,
    batch: int = 250,
) -> Tensor:
    """The slope, flat, of the loss under normal noise of `SIGMA`, from pairs of samples."""
    total = torch.zeros(image.numel())
    for count in torch.arange(samples).split(batch):
        noise = torch.randn((len(count), *image.shape[1:]), generator=chance)
        points = torch.cat([image + SIGMA * noise, image - SIGMA * noise])
        loss = cross_entropy(answers(points), label.expand(len(points)))
        rise = loss[: len(count)] - loss[len(count) :]
        total += rise @ noise.flatten(1)
    return total / (2 * SIGMA * samples)
