"""The budget of an attack: what it may change, how that is measured, and the check that it held.

Epsilon has one unit under all norms, intensity: the largest change of a pixel under "linf", the
root mean squared change over the pixels under "l2" (the distortion of Szegedy et al. 2014,
section 4.1, sqrt(mean((x' - x)^2)); the conventional Euclidean length on a 28 by 28 image is
epsilon * sqrt(784) = 28 epsilon), the mean absolute change under "l1" (the conventional sum is
784 epsilon there). The l1 ball of epsilon therefore contains the l2 ball of the same epsilon, and
that the linf ball. Images lie in the box [0, 1], before and after.
"""

import math
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from experiments.attacks.names import Norm
from networks.errors import BlindspotsError, unknown

TOLERANCE = 1e-6  # intensity; above the rounding of float32, below anything that matters
Window = tuple[int, int]
ROUNDS = 100  # of `stretch`; a handful suffice unless nearly every pixel meets the box
TINY = 1e-30  # keeps divisions finite where there is nothing to divide


@dataclass(frozen=True)
class Threat:
    """What an attack may do.

    Attributes:
        norm: "linf", "l2" or "l1", see the module.
        epsilon: budget, in intensity, in [0, 1].
        targeted: whether a chosen class must be reached, rather than any wrong one.
        window: of movies (N, steps, ...), the only frames [first, end) that may change; None: all.

    Raises:
        BlindspotsError: no such norm or window, or epsilon outside [0, 1].
    """

    norm: Norm
    epsilon: float
    targeted: bool = False
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.norm not in get_args(Norm):
            raise unknown("norm", self.norm, get_args(Norm))
        if not (math.isfinite(self.epsilon) and 0 <= self.epsilon <= 1):
            raise BlindspotsError(f"Epsilon is {self.epsilon}; give a budget between 0 and 1.")
        if self.window and not 0 <= self.window[0] <= self.window[1]:
            raise BlindspotsError(
                f"The window is {self.window}; give a first frame from 0 on, and an end after it."
            )

    def held(self, clean: Tensor, points: Tensor) -> Tensor:
        """The points (N, ...), with the clean frames outside the window."""
        if self.window is None:
            return points
        first, end = self.window
        return torch.cat([clean[:, :first], points[:, first:end], clean[:, end:]], 1)


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """One value per image (N,), shaped to multiply images such as `like` (N, ...)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def rms(change: Tensor) -> Tensor:
    """Root mean square per image: (N, ...) to (N,), in the unit of the change."""
    flat = change.flatten(1)
    return torch.linalg.vector_norm(flat, dim=1) / math.sqrt(flat.shape[1])


def length(change: Tensor, norm: Norm) -> Tensor:
    """How large a change is per image, in intensity: (N, ...) to (N,)."""
    if norm == "l2":
        return rms(change)
    size = change.flatten(1).abs()
    return size.amax(1) if norm == "linf" else size.mean(1)


def distance(clean: Tensor, adversarial: Tensor, norm: Norm) -> Tensor:
    """How far each image was changed, in intensity: (N, ...) twice to float64 (N,)."""
    return length(adversarial.double() - clean.double(), norm)


def stretch(clean: Tensor, change: Tensor, epsilon: float) -> Tensor:
    """The clean image plus a multiple of the change, clipped to the box, at exactly epsilon rms.

    The multiple s >= 0 of each image solves rms(clip(clean + s * change) - clean) = epsilon;
    where the box leaves less room than that, the result is as far as the box allows. Solved
    without bisection: given which pixels are at the box, s has a closed form; it grows from round
    to round until no further pixel meets the box. The result also is the point of ball and box
    nearest to clean + change, if s <= 1 (the optimality conditions of that projection give
    clip(clean + change / (1 + multiplier))).

    Args:
        clean: (N, ...) in [0, 1].
        change: (N, ...), any scale; an image with a change of 0 is returned as it is.
        epsilon: root-mean-squared change wanted, >= 0.

    Returns:
        (N, ...) in [0, 1].
    """
    start, size, sign = clean.flatten(1), change.flatten(1).abs(), change.flatten(1).sign()
    room = ((sign > 0).to(start.dtype) - start).abs()  # towards 1 where rising, else towards 0
    size = size / size.amax(1, keepdim=True).clamp_min(TINY)
    power, limits = size.square(), room.square()
    budget = epsilon**2 * start.shape[1]
    scale = (budget / power.sum(1).clamp_min(TINY)).sqrt()
    for _ in range(ROUNDS):
        full = (size * scale[:, None] >= room).to(start.dtype)
        left = (budget - (limits * full).sum(1)).clamp_min(0)
        loose = (power - power * full).sum(1).clamp_min(TINY)
        grown = torch.maximum(scale, (left / loose).sqrt())
        settled = bool((grown <= scale * (1 + 1e-7)).all())
        scale = grown
        if settled:
            break
    moved = start + sign * torch.minimum(size * scale[:, None], room)
    return moved.clamp(0, 1).reshape(clean.shape)


def shrink(clean: Tensor, change: Tensor, epsilon: float) -> Tensor:
    """The point nearest to clean + change in the box with a mean absolute change of epsilon.

    Every pixel's change is lowered by the same amount s, down to 0 at most, and cut where the box
    ends (Croce and Hein 2021, proposition 2.1, on the intersection of l1 ball and box). What is
    left of all changes falls piecewise linearly with s, so that s follows from its corners.

    Args:
        clean: (N, ...) in [0, 1].
        change: (N, ...), which clipped to the box is larger than epsilon.
        epsilon: mean absolute change wanted, >= 0.

    Returns:
        (N, ...) in [0, 1].
    """
    start, size = clean.flatten(1).double(), change.flatten(1).abs().double()
    sign = change.flatten(1).sign().double()
    room = ((sign > 0).double() - start).abs()  # towards 1 where rising, else towards 0
    corners, order = torch.cat([size, size - room], 1).sort(1, descending=True)
    loose = torch.where(order < size.shape[1], 1.0, -1.0).double().cumsum(1)  # pixels that move
    steps = loose[:, :-1] * (corners[:, :-1] - corners[:, 1:])
    left = torch.nn.functional.pad(steps.cumsum(1), (1, 0))  # of all changes, at each corner
    budget = epsilon * start.shape[1]
    at = (left <= budget).sum(1, keepdim=True) - 1
    excess = (budget - left.gather(1, at)) / loose.gather(1, at).clamp_min(1)
    lowered = size - (corners.gather(1, at) - excess)
    moved = start + sign * torch.minimum(lowered.clamp_min(0), room)
    return moved.clamp(0, 1).reshape(clean.shape).to(clean.dtype)


def clip(clean: Tensor, points: Tensor, epsilon: float | Tensor) -> Tensor:
    """The points (N, ...), with no pixel further than epsilon from the clean one, in [0, 1]."""
    near = torch.maximum(points, clean - epsilon)
    return torch.minimum(near, clean + epsilon, out=near).clamp_(0, 1)


def project(clean: Tensor, points: Tensor, threat: Threat) -> Tensor:
    """The nearest points that the threat allows: in the ball around the clean images and the box.

    Args:
        clean: (N, ...) in [0, 1].
        points: (N, ...), finite.
        threat: the budget; every norm is projected exactly (Euclidean distance).

    Returns:
        (N, ...) in [0, 1] and within epsilon of the clean images.
    """
    points = threat.held(clean, points)
    if threat.norm == "linf":
        return clip(clean, points, threat.epsilon)
    clipped = points.clamp(0, 1)
    far = length(clipped - clean, threat.norm) > threat.epsilon
    if not far.any():
        return clipped
    nearest = stretch if threat.norm == "l2" else shrink
    clipped[far] = nearest(clean[far], (points - clean)[far], threat.epsilon)
    return clipped


def check(clean: Tensor, adversarial: Tensor, threat: Threat) -> None:
    """That changed images are finite, in the box and within budget, to 1e-6 of intensity.

    Args:
        clean: (N, ...) in [0, 1].
        adversarial: (N, ...), the same shape.
        threat: the budget.

    Raises:
        BlindspotsError: they are not; the sentence says which and by how much.
    """
    if adversarial.shape != clean.shape:
        raise BlindspotsError(
            f"The attack returned images of shape {tuple(adversarial.shape)} for "
            f"{tuple(clean.shape)}; it must keep the shape."
        )
    if not adversarial.numel():
        return
    low, high = (float(edge) for edge in torch.aminmax(adversarial))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise BlindspotsError("The attack returned pixels that are not finite; mend the attack.")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise BlindspotsError(
            f"The attack returned pixels between {low:.7g} and {high:.7g}; they must stay in "
            "[0, 1]."
        )
    if not torch.equal(threat.held(clean, adversarial), adversarial):
        raise BlindspotsError(
            f"The attack changed frames outside its window {threat.window}; mend the attack."
        )
    far = float(distance(clean, adversarial, threat.norm).max())
    if far > threat.epsilon + TOLERANCE:
        raise BlindspotsError(
            f"The attack changed an image by {far:.7g} ({threat.norm}), beyond its budget of "
            f"{threat.epsilon:.7g}; its accuracy would not be comparable."
        )
