"""Stimuli: how still images become what the input area emits at each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from networks import BlindspotsError, Code, Constant, Latency, Poisson


def encode(
    code: Code, images: Tensor, steps: int, generator: torch.Generator | None = None
) -> Sequence[Tensor]:
    """What the input emits at each of ``steps`` steps: tensors like ``images`` (N, 1, H, W).

    ``Constant`` gives the very same tensor each time, which lets the simulator compute its drive
    once. ``Poisson`` needs an explicit ``generator``.
    """
    if isinstance(code, Constant):
        return [images] * steps
    if isinstance(code, Poisson):
        if generator is None:
            raise BlindspotsError(
                "The input is Poisson coded, which is random; give the network a torch.Generator."
            )
        return [poisson(code, images, _drawn(images, generator)) for _ in range(steps)]
    return _latency(code, images, steps)


def _straight_through(value: Tensor, like: Tensor) -> Tensor:
    """``value`` going forward, the derivative of ``like`` going backward."""
    return value + (like - like.detach())


def poisson(code: Poisson, images: Tensor, draw: Tensor) -> Tensor:
    """One frame of spikes: 1 where ``draw``, uniform in [0, 1), is below the probability.

    ``draw`` is like ``images`` (N, ...), or (1, ...): then all images have one chance in common.
    """
    probability = code.gain * images
    return _straight_through((draw < probability).to(images.dtype), probability)


def _drawn(images: Tensor, generator: torch.Generator) -> Tensor:
    draw = torch.rand(
        images.shape, generator=generator, dtype=images.dtype, device=generator.device
    )
    return draw.to(images.device)


def _latency(code: Latency, images: Tensor, steps: int) -> list[Tensor]:
    fires_at = torch.round((1 - images.detach()) * (steps - 1))
    fires_at = torch.where(images > code.threshold, fires_at, torch.full_like(fires_at, steps))
    return [
        _straight_through((fires_at == t).to(images.dtype), images / steps) for t in range(steps)
    ]


def binarise(frame: Tensor, threshold: float | None) -> Tensor:
    """1 where ``frame`` exceeds ``threshold``, with the identity's gradient; None: as it is."""
    if threshold is None:
        return frame
    return _straight_through((frame > threshold).to(frame.dtype), frame)
