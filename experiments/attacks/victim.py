"""The network under attack: asked for answers and for gradients by its input, never trained."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from experiments.attacks.cost import count
from experiments.attacks.crowd import Crowd, of_rows
from experiments.attacks.goal import Goal, require_labels
from experiments.attacks.sources import Source
from networks.errors import BlindspotsError

Model = Callable[[Tensor], Tensor]
"""Inputs (N, ...), float in [0, 1], to logits (N, K); mostly images (N, 1, 28, 28).

Differentiable by its input, except under noise and attacks by queries.
"""

Guide = Callable[[Tensor], Tensor]
"""Inputs (N, ...) to logits (N, K), or to one row of logits per moment, (T, N, K), whose loss is
averaged. An attack may follow a guide's gradient where the model's own is misleading (BPDA; Athalye
et al. 2018); what counts as fooled is the model's affair alone.
"""


class AttackFunction(Protocol):
    """How every attack is called; see its own function for further options."""

    def __call__(
        self,
        model: Model,
        inputs: Tensor,
        labels: Tensor,
        *,
        epsilons: Sequence[float],
        generator: Source,
        keep_going: bool = False,
        **options: Any,
    ) -> Tensor:
        """Inputs (E, N, ...) for E budgets."""


class MaskedGradientWarning(UserWarning):
    """Gradients of exactly zero, at which an attack stands still: a sign of masked gradients.

    ``individual`` is the place of the one that is spoken of where several were attacked at once.
    """

    def __init__(self, sentence: str, individual: int = 0):
        super().__init__(sentence)
        self.individual = individual


@contextmanager
def frozen(model: Model | None) -> Iterator[None]:
    """No parameter of the model wants a gradient inside; afterwards each does as before.

    A model that is no `nn.Module` is left as it is: its attack asks for input gradients alone.
    """
    parameters = list(model.parameters()) if isinstance(model, nn.Module) else []
    wanted = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, want in zip(parameters, wanted, strict=True):
            parameter.requires_grad_(want)


def picked(images: Tensor, rows: Tensor) -> Tensor:
    """A copy of images (N, ...) at the rows, (n,) or bool (N,): image by image, not by pixel."""
    return images.index_select(0, rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows)


@dataclass(frozen=True)
class Found:
    """One input per image, with what the model makes of it.

    Attributes:
        inputs: (N, ...).
        loss: (N,), what the attack raises.
        fooled: bool (N,), whether the attack has succeeded.
    """

    inputs: Tensor
    loss: Tensor
    fooled: Tensor

    @classmethod
    def unjudged(cls, inputs: Tensor) -> "Found":
        """Inputs that the model was not asked about; every judged input is better."""
        loss = torch.full_like(inputs.flatten(1)[:, 0], -torch.inf)
        return cls(inputs, loss, torch.zeros_like(loss, dtype=torch.bool))

    def at(self, rows: Tensor) -> "Found":
        """A copy of the given rows (n,)."""
        return Found(picked(self.inputs, rows), self.loss[rows], self.fooled[rows])

    def put(self, rows: Tensor, found: "Found") -> None:
        """Replaces the given rows (n,), in place."""
        self.inputs[rows] = found.inputs
        self.loss[rows] = found.loss.to(self.loss.dtype)
        self.fooled[rows] = found.fooled

    def keep_better(self, rows: Tensor, found: "Found") -> None:
        """Replaces those of the rows (n,) that are bettered, in place: fooled, then by loss."""
        fooled, loss = self.fooled[rows], self.loss[rows]
        better = (found.fooled > fooled) | ((found.fooled == fooled) & (found.loss > loss))
        chosen = better.nonzero()[:, 0]
        self.put(rows[chosen], found.at(chosen))


@dataclass(frozen=True)
class Victim:
    """A model with the images on which it is attacked.

    Attributes:
        model: see `Model`.
        images: (N, ...), all images, unchanged, in [0, 1].
        labels: (n,), the classes to leave, or to reach where the goal is targeted.
        goal: what counts as success and what is raised.
        rows: (n,), which of all images these are.
        asked: bool (N,), marks in place the images whose gradient was asked for.
        masked: bool (N,), marks in place those whose gradient was exactly zero while not fooled.
        guide: whose gradient is followed; None: the model's own.
    """

    model: Model
    images: Tensor
    labels: Tensor
    goal: Goal
    rows: Tensor
    asked: Tensor
    masked: Tensor
    guide: Guide | None = None

    def at(self, rows: Tensor) -> "Victim":
        """The same model with the given rows (k,) of these images."""
        return replace(
            self,
            model=of_rows(self.model, rows),
            labels=self.labels[rows],
            rows=self.rows[rows],
            guide=of_rows(self.guide, rows),
        )

    @cached_property
    def clean(self) -> Tensor:
        """(n, ...), these images unchanged."""
        everyone = torch.arange(len(self.images), device=self.rows.device)
        return self.images if torch.equal(self.rows, everyone) else picked(self.images, self.rows)

    def logits(self, points: Tensor) -> Tensor:
        """The model's answer to points (n, ...), as (n, K).

        Raises:
            BlindspotsError: its shape is not (n, K), it is not finite, or a label is not below K.
        """
        count(forward=len(points))
        logits = self.model(points)
        if logits.ndim != 2 or len(logits) != len(points) or logits.shape[1] < 2:
            raise BlindspotsError(
                f"The model answered {len(points)} images with shape {tuple(logits.shape)}; it "
                "must give one row of logits per image."
            )
        if len(logits) and int(self.labels.max()) >= logits.shape[1]:
            raise BlindspotsError(
                f"A label is {int(self.labels.max())}, but the model knows {logits.shape[1]} "
                "classes, counted from 0; map the labels to its classes."
            )
        if not torch.isfinite(logits.detach().sum()) and not torch.isfinite(logits).all():
            raise answer_not_finite()
        return logits

    @torch.no_grad()
    def judge(self, points: Tensor) -> Found:
        """What the model makes of points (n, ...): one forward pass."""
        logits = self.logits(points)
        loss = self.goal.value(logits, self.labels)
        return Found(points, loss, self.goal.fooled(logits, self.labels))

    def climb(self, points: Tensor) -> tuple[Found, Tensor]:
        """As `judge`, with the gradient of the loss by the points: a forward and a backward pass.

        With a guide the gradient is the guide's, which costs a forward pass more.

        Returns:
            What the model makes of the points, and the gradient (n, ...).

        Raises:
            BlindspotsError: the model has no gradient by its input, or one that is not finite.
        """
        if self.guide is None:
            found, gradient = self.differentiated(points, self.logits)
        else:
            found, gradient = self.judge(points), self.differentiated(points, self.guided)[1]
        steepest = gradient.flatten(1).abs().amax(1)
        if not torch.isfinite(steepest).all():
            raise gradient_not_finite()
        self.asked[self.rows] = True
        self.masked[self.rows] |= (steepest == 0) & ~found.fooled
        return found, gradient

    def guided(self, points: Tensor) -> Tensor:
        """The guide's logits for points (n, ...), as (n, K) or (T, n, K)."""
        assert self.guide is not None
        count(forward=len(points))
        return self.guide(points)

    def differentiated(self, points: Tensor, answer: Guide) -> tuple[Found, Tensor]:
        """What `answer` makes of the points, and the gradient of its loss by them."""
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            logits = answer(points)
            loss = self.goal.value(logits, self.labels) if logits.ndim == 2 else self.mean(logits)
            gradient = None
            if loss.requires_grad:
                count(backward=len(points))
                (gradient,) = torch.autograd.grad(loss.sum(), points, allow_unused=True)
        if gradient is None:
            raise BlindspotsError(
                "The model's logits have no gradient by its input, so this attack cannot follow "
                "one; attack it by queries (square-linf), or with inputs crafted on another "
                "network, or with noise."
            )
        shown = logits.detach() if logits.ndim == 2 else logits.detach().mean(0)
        fooled = self.goal.fooled(shown, self.labels)
        return Found(points.detach(), loss.detach(), fooled), gradient

    def mean(self, moments: Tensor) -> Tensor:
        """The loss (n,) averaged over moments (T, n, K)."""
        return torch.stack([self.goal.value(each, self.labels) for each in moments]).mean(0)


def answer_not_finite() -> BlindspotsError:
    """What to say of logits that are not finite."""
    return BlindspotsError(
        "The model answered with logits that are not finite; train it anew or lower its learning "
        "rate."
    )


def gradient_not_finite() -> BlindspotsError:
    """What to say of a gradient that is not finite."""
    return BlindspotsError(
        "The gradient by the input is not finite, so this attack cannot follow it; look for a "
        "division by zero or an overflow in the model."
    )


@contextmanager
def under_attack(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    goal: Goal | None = None,
    guide: Guide | None = None,
) -> Iterator[Victim]:
    """The model frozen, with its images checked; warns afterwards of gradients that were zero.

    Raises:
        BlindspotsError: the images are no float32 or float64 in [0, 1], or the labels do not fit.
    """
    if inputs.dtype not in (torch.float32, torch.float64) or inputs.ndim < 2:
        raise BlindspotsError(
            f"The images have type {inputs.dtype} and shape {tuple(inputs.shape)}; give float32 "
            "images such as (N, 1, 28, 28)."
        )
    if inputs.numel() and not (inputs.min() >= 0 and inputs.max() <= 1):
        raise BlindspotsError("The images have pixels outside [0, 1]; divide intensities by 255.")
    require_labels(labels, len(inputs))
    rows = torch.arange(len(inputs), device=inputs.device)
    unmarked = torch.zeros_like(rows, dtype=torch.bool)
    labels = labels.to(inputs.device, torch.int64)
    victim = Victim(
        *(model, inputs.detach(), labels, goal or Goal()),
        *(rows, unmarked.clone(), unmarked.clone(), guide),
    )
    with frozen(model), frozen(guide):
        yield victim
    whose = model.whose if isinstance(model, Crowd) else torch.zeros_like(rows)
    for individual in range(int(whose.amax()) + 1 if len(whose) else 0):
        own = whose == individual
        warn_of(int(victim.asked[own].sum()), int(victim.masked[own].sum()), individual)


def warn_of(asked: int, masked: int, individual: int) -> None:
    """Say for how many of the attacked images of an individual the gradient was zero, if any."""
    if masked:
        sentence = (
            f"The gradient was exactly zero for {100 * masked / asked:.3g} % of the attacked "
            f"images ({masked} of {asked}) before they were fooled, so the attack stood still "
            "there: a sign of masked gradients."
        )
        warnings.warn(MaskedGradientWarning(sentence, individual), stacklevel=5)
