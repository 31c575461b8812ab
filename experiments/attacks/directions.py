"""Many points around each image at once, for attacks that feel their way by answers alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from experiments.attacks.curve import batches
from experiments.attacks.sources import Draw, drawn
from experiments.attacks.victim import Victim


def streams(seeds: Tensor) -> list[torch.Generator]:
    """A source of chance for each image, at its beginning."""
    return [torch.Generator(seeds.device).manual_seed(int(seed)) for seed in seeds]


def numbers(draw: Draw, count: int, like: Tensor, sources: Sequence[torch.Generator]) -> Tensor:
    """`count` draws of the shape of each image (n, ...) from its own source: (n, count, ...)."""
    each = like[0].expand(count, *like.shape[1:])
    return torch.stack([drawn(draw, each, source) for source in sources])


def groups(images: int, points: int, batch_size: int) -> list[Tensor]:
    """Rows (images,) in parts, so that `points` around every image of a part make one batch."""
    return batches(torch.arange(images), max(batch_size // points, 1))


def ask(part: Victim, points: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """What the model makes of P points around each image.

    Args:
        part: the model with n images.
        points: (n, P, ...).
        batch_size: points per forward pass.

    Returns:
        The loss (n, P), and whether it is fooled, bool (n, P).
    """
    flat = points.flatten(0, 1)
    image = torch.arange(len(points), device=flat.device).repeat_interleave(points.shape[1])
    found = [
        part.at(image[rows]).judge(flat[rows])
        for rows in batches(torch.arange(len(flat), device=flat.device), batch_size)
    ]
    shape = points.shape[:2]
    loss = torch.cat([each.loss for each in found]).reshape(shape)
    return loss, torch.cat([each.fooled for each in found]).reshape(shape)
