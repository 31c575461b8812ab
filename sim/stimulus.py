"""Stimuli: how still images become what the input area emits at each step."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from networks.area import Described


class Constant(Described):
    """The image itself at every step, as a constant current."""

    model: Literal["constant"] = "constant"


class Poisson(Described):
    """At each step a spike with probability ``gain`` times the intensity.

    Drawn independently per pixel and step. The gradient is that of the probability
    (straight-through), so that attacks see through the draw.
    """

    model: Literal["poisson"] = "poisson"
    gain: Annotated[float, Field(gt=0, le=1)] = 1.0


class Latency(Described):
    """One spike per pixel brighter than ``threshold``: the brighter, the earlier.

    Intensity x spikes at step round((1 - x) (steps - 1)). The gradient of every step's frame is
    1 / steps (straight-through to the mean), so that attacks see dark pixels too.
    """

    model: Literal["latency"] = "latency"
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.05


Encoder = Constant | Poisson | Latency


def encode(
    encoder: Encoder, images: Tensor, steps: int, generator: torch.Generator | None = None
) -> Sequence[Tensor]:
    """What the input emits at each of ``steps`` steps: tensors like ``images`` (N, 1, H, W).

    ``Constant`` gives the very same tensor each time, which lets the simulator compute its drive
    once. ``Poisson`` needs an explicit ``generator`` on the images' device.
    """
    if isinstance(encoder, Constant):
        return [images] * steps
    if isinstance(encoder, Poisson):
        if generator is None:
            raise ValueError("Poisson coding is random: give a torch.Generator")
        return [_poisson(encoder, images, generator) for _ in range(steps)]
    return _latency(encoder, images, steps)


def _straight_through(value: Tensor, like: Tensor) -> Tensor:
    """``value`` going forward, the derivative of ``like`` going backward."""
    return value + (like - like.detach())


def _poisson(encoder: Poisson, images: Tensor, generator: torch.Generator) -> Tensor:
    probability = encoder.gain * images
    draw = torch.rand(images.shape, generator=generator, dtype=images.dtype, device=images.device)
    return _straight_through((draw < probability).to(images.dtype), probability)


def _latency(encoder: Latency, images: Tensor, steps: int) -> list[Tensor]:
    fires_at = torch.round((1 - images.detach()) * (steps - 1))
    fires_at = torch.where(images > encoder.threshold, fires_at, torch.full_like(fires_at, steps))
    return [
        _straight_through((fires_at == t).to(images.dtype), images / steps) for t in range(steps)
    ]


def binarise(frame: Tensor, threshold: float | None) -> Tensor:
    """1 where ``frame`` exceeds ``threshold``, with the identity's gradient; None: as it is."""
    if threshold is None:
        return frame
    return _straight_through((frame > threshold).to(frame.dtype), frame)
