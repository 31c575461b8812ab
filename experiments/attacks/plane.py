"""The nearest point of a hyperplane within the box [0, 1], on which DeepFool and FAB walk."""

import torch
from torch import Tensor

from experiments.attacks.names import Norm
from experiments.attacks.threat import ROUNDS, TINY, rms


def length(change: Tensor, norm: Norm) -> Tensor:
    """Size of each change (n, ...), in intensity: (n,)."""
    return change.flatten(1).abs().amax(1) if norm == "linf" else rms(change)


def dual_length(gradient: Tensor, norm: Norm) -> Tensor:
    """How much the gradients (n, ...) promise per intensity of the best change: (n,)."""
    flat = gradient.flatten(1)
    return flat.abs().sum(1) if norm == "linf" else rms(flat) * flat.shape[1]


def to_plane(points: Tensor, normal: Tensor, needed: Tensor, norm: Norm) -> Tensor:
    """The smallest change d with normal . d = needed and points + d in [0, 1].

    The optimality conditions give d_i = sign_i * min(s * size_i, room_i), with size |normal| under
    l2 and 1 under linf, for one s >= 0 per image (Croce & Hein 2020, section 2). What it gains,
    normal . d, is piecewise linear and concave in s, so that Newton's iteration from s = 0 never
    overshoots, and ends exactly once no further pixel meets the box.

    Args:
        points: (n, ...) in [0, 1].
        normal: (n, ...), any scale.
        needed: (n,), of either sign.
        norm: by which d is smallest.

    Returns:
        (n, ...); where the box holds no such point, as far as the box allows.
    """
    steep = normal.flatten(1).abs()
    largest = steep.amax(1, keepdim=True).clamp_min(TINY)
    steep = steep / largest
    sign = normal.flatten(1).sign() * needed.sign()[:, None]
    size = torch.where(steep > 0, 1.0, 0.0).to(steep.dtype) if norm == "linf" else steep
    start, wanted = points.flatten(1), needed.abs() / largest[:, 0]
    room = ((sign > 0).to(start.dtype) - start).abs()  # towards 1 where rising, else towards 0
    scale = torch.zeros_like(wanted)
    for _ in range(ROUNDS):
        taken = torch.minimum(size * scale[:, None], room)
        loose = (steep * size * (size * scale[:, None] < room)).sum(1)
        missing = (wanted - (steep * taken).sum(1)).clamp_min(0)
        grown = scale + torch.where(loose > 0, missing / loose.clamp_min(TINY), 0)
        settled = bool((grown <= scale * (1 + 1e-7)).all())
        scale = grown
        if settled:
            break
    return (sign * torch.minimum(size * scale[:, None], room)).reshape(points.shape)
