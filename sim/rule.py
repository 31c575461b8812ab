"""What an attacker may do otherwise than training when it follows a gradient back through time.

A rule leaves what the network answers as it is, unless it says so (`graded`); it decides what the
derivative of a spike is, and which paths the gradient takes.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from networks import SpikingUnit
from sim.units import spike

Fire = Callable[[SpikingUnit, Tensor], Tensor]
"""From a unit and how far its membrane is above threshold to what it emits."""

Shape = Literal[
    "fast_sigmoid", "atan", "sigmoid", "triangle", "rectangle", "straight_through_estimator"
]


class Rule(NamedTuple):
    """How a step is differentiated.

    Attributes:
        fire: what a spiking unit emits, and its derivative; default: the surrogate of training.
        blocked: kinds of projection ("lateral", ...) through which no gradient flows.
        carries: whether a membrane hands its gradient on to the step before.
        resets: whether a gradient flows through the reset to the spike that caused it.
    """

    fire: Fire = spike
    blocked: frozenset[str] = frozenset()
    carries: bool = True
    resets: bool = False


PLAIN = Rule()

DERIVATIVES: dict[Shape, Callable[[Tensor, Tensor | float], Tensor]] = {
    "fast_sigmoid": lambda x, k: 1 / (1 + k * x.abs()).square(),
    "atan": lambda x, k: k / 2 / (1 + (torch.pi / 2 * k * x).square()),
    "sigmoid": lambda x, k: k * torch.sigmoid(k * x) * torch.sigmoid(-k * x),
    "triangle": lambda x, k: k * (1 - k * x.abs()).clamp_min(0),
    "rectangle": lambda x, k: k / 2 * ((k * x).abs() < 1).to(x.dtype),
    "straight_through_estimator": lambda x, k: torch.ones_like(x),
}
"""The derivative put in the place of a spike's, by the way above threshold and the slope.

fast_sigmoid, atan and sigmoid as snnTorch has them (its sigmoid overflows far below threshold,
its triangle turns the sign above it; these do neither); triangle (Bellec et al. 2018) and rectangle
(Wu et al. 2018) have area 1.
"""


class _Fired(torch.autograd.Function):
    """1 where `above` > 0, with a derivative that is given."""

    generate_vmap_rule = True  # for an axis of individuals

    @staticmethod
    def forward(above: Tensor, derivative: Tensor) -> Tensor:
        return (above > 0).to(above.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (derivative,) = ctx.saved_tensors
        return gradient * derivative, None


def surrogate(shape: Shape, slope: float) -> Fire:
    """Spikes as ever, with another surrogate derivative than that of training."""

    def fire(unit: SpikingUnit, above: Tensor) -> Tensor:
        return _Fired.apply(above, DERIVATIVES[shape](above.detach(), slope))

    return fire


def adaptive(shape: Shape, sharpness: float) -> Fire:
    """A surrogate whose slope fits the membranes: `sharpness` over their mean way to threshold.

    The mean is over the units of an area, for each image and step, so that neither too few units
    have a gradient nor all have the same. After the adaptive sharpness of Wang et al. 2025
    (arXiv 2512.22522), which fits it to running statistics instead.
    """

    def fire(unit: SpikingUnit, above: Tensor) -> Tensor:
        away = above.detach()
        mean = away.flatten(1).abs().mean(1).clamp_min(1e-6)
        slope = sharpness / mean.reshape(-1, *[1] * (away.ndim - 1))
        return _Fired.apply(above, DERIVATIVES[shape](away, slope))

    return fire


def graded(slope: float) -> Fire:
    """A smooth twin: units emit sigmoid(slope * way above threshold), and its true derivative.

    This one changes the answer: it is another network with the same weights, which emits rates.
    Its gradient is the true one under a rule with ``resets``. Attacks along rates: Bu et al. 2023
    (arXiv 2303.12435), Hao et al. 2024 (ICLR).
    """

    def fire(unit: SpikingUnit, above: Tensor) -> Tensor:
        return torch.sigmoid(slope * above)

    return fire
