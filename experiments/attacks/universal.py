"""One change for many images and, if wished, many networks: universal perturbations."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.attacks.ascent import steepest
from experiments.attacks.curve import threats
from experiments.attacks.goal import Goal, Loss
from experiments.attacks.names import Norm
from experiments.attacks.threat import TINY, Threat, rms
from experiments.attacks.victim import Guide, Model, Victim, under_attack
from networks.errors import BlindspotsError

CAP = 9.0  # of an image's loss: it is as wrong as need be, and leaves the others the budget


@dataclass(frozen=True)
class Plan:
    """How long to search; fields as in `universal`.

    Raises:
        BlindspotsError: steps or batch below 1, or a step size that is not positive.
    """

    steps: int
    batch: int
    relative_step: float

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or not 0 < self.relative_step < math.inf:
            raise BlindspotsError(
                f"A universal perturbation was asked for by {self.steps} steps of relative size "
                f"{self.relative_step} over batches of {self.batch}; each must be positive."
            )

    def step_size(self, step: int, epsilon: float) -> float:
        """Intensity moved at a step (from 0), falling towards 0."""
        fade = 1 + math.cos(math.pi * step / self.steps)
        return fade * self.relative_step * epsilon / self.steps

    def batches(self, images: int, generator: torch.Generator) -> Tensor:
        """Rows of every batch, (steps, batch): all images in a random order, then in another."""
        size = min(self.batch, images)
        passes = math.ceil(self.steps * size / images)
        order = [
            torch.randperm(images, generator=generator, device=generator.device)
            for _ in range(passes)
        ]
        return torch.cat(order)[: self.steps * size].reshape(self.steps, size)


def universal(
    models: Model | Sequence[Model],
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    norm: Norm,
    generator: torch.Generator,
    steps: int = 200,
    batch: int = 100,
    relative_step: float = 10.0,
    loss: Loss = "cross-entropy",
    targeted: bool = False,
    guide: Guide | None = None,
) -> Tensor:
    """One perturbation per budget that fools as many images as it can.

    Universal perturbations: Moosavi-Dezfooli et al. 2017 (arXiv 1610.08401); found by projected
    ascent of the loss over mini-batches, each image's loss capped at 9: Shafahi et al. 2020
    (arXiv 1811.11304, algorithm 2). Steps go along the steepest direction under the norm and
    shrink to 0 along a cosine. Whether images are fooled is to be seen on others than these, see
    `applied`.

    Args:
        models: inputs to logits, differentiable by the input; of several the mean loss is raised.
        inputs: (N, ...), N >= 1, float in [0, 1]: images of training or validation.
        labels: (N,), the right classes; the classes to reach if `targeted`.
        epsilons: ascending budgets in [0, 1] for the perturbation itself; on an image the box can
            only shorten it.
        norm: of the budget, see `threat`.
        generator: source of chance: which images make a batch, the same for every budget.
        steps: >= 1.
        batch: images per step, >= 1; each costs a forward and a backward pass per model.
        relative_step: step size in units of epsilon / steps, > 0.
        loss: what is raised, see `Goal`.
        targeted: see `Goal`.
        guide: whose gradient is followed instead of every model's own, see `victim.Guide`.

    Returns:
        (E, ...), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, no images, a model that is not differentiable, or answers
            or gradients that are not finite.

    Warns:
        MaskedGradientWarning: gradients of exactly zero before an image was fooled.
    """
    plan, listed = Plan(steps, batch, relative_step), threats(norm, epsilons, targeted)
    each = [models] if callable(models) else list(models)
    if not each or not len(inputs):
        raise BlindspotsError("A universal perturbation needs a model and images; give both.")
    order, goal = plan.batches(len(inputs), generator), Goal(loss, targeted)
    with ExitStack() as stack:
        victims = [
            stack.enter_context(under_attack(model, inputs, labels, goal, guide)) for model in each
        ]
        return torch.stack([crafted(victims, order, threat, plan) for threat in listed])


def crafted(victims: Sequence[Victim], order: Tensor, threat: Threat, plan: Plan) -> Tensor:
    """The perturbation (...) for one budget."""
    perturbation = torch.zeros_like(victims[0].clean[0])
    for step, rows in enumerate(order):
        slope = torch.zeros_like(perturbation)
        for victim in victims:
            part = victim.at(rows.to(victim.clean.device))
            moved = part.clean + perturbation
            found, gradient = part.climb(moved.clamp(0, 1))
            # beyond the box only the way back counts: without it a pixel below black stays there
            outward = ((moved <= 0) & (gradient < 0)) | ((moved >= 1) & (gradient > 0))
            gradient = torch.where(outward, 0, gradient)
            slope += gradient[found.loss < CAP].sum(0)
        forward = plan.step_size(step, threat.epsilon) * steepest(slope[None], threat.norm)[0]
        perturbation = held(perturbation + forward, threat)
    return perturbation


def held(perturbation: Tensor, threat: Threat) -> Tensor:
    """The nearest perturbation (...) within the budget; images, not this, are held in the box."""
    if threat.norm == "linf":
        return perturbation.clamp(-threat.epsilon, threat.epsilon)
    size = float(rms(perturbation[None]))
    return perturbation * min(threat.epsilon / max(size, TINY), 1.0)


def applied(inputs: Tensor, perturbation: Tensor) -> Tensor:
    """Images (N, ...) in [0, 1] with the perturbation (...) added, clipped to [0, 1].

    For perturbations (E, ...) of E budgets, (E, N, ...).
    """
    if perturbation.ndim == inputs.ndim:
        return (inputs + perturbation[:, None]).clamp(0, 1)
    return (inputs + perturbation).clamp(0, 1)
