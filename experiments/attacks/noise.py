"""Noise of the same budget as an attack: what changing the input does without aiming.

The direction of the noise is drawn once per image and serves every budget (common random
numbers), so the inputs along the curve differ in size alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from experiments.attacks.curve import BATCH, along, clean_start, step_along, threats
from experiments.attacks.sources import Source, drawn
from experiments.attacks.threat import stretch
from experiments.attacks.victim import Model, under_attack


def gaussian_noise(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """Independent Gaussian noise whose root mean square after clipping to [0, 1] is epsilon.

    Args:
        model: images to logits; only asked which images are fooled.
        inputs: (N, 1, 28, 28), float in [0, 1].
        labels: (N,), the right classes.
        epsilons: ascending budgets in [0, 1]; where the box leaves an image less room, its noise
            is as large as the box allows.
        generator: source of chance: one normal number per pixel.
        keep_going: False: an image that is fooled keeps its input at larger budgets. True: the
            noise at its full size for every image and budget, the same for every model (which is
            then not asked at all).
        batch_size: images per forward pass.

    Returns:
        (E, N, 1, 28, 28), type and device of the inputs.

    Raises:
        BlindspotsError: bad arguments, or logits of wrong shape or not finite.
    """
    with under_attack(model, inputs, labels) as victim:
        return along(
            victim,
            drawn(torch.randn, victim.clean, generator),
            threats("l2", epsilons),
            clean_start(victim, keep_going=keep_going, batch_size=batch_size),
            stretch,
            keep_going=keep_going,
            batch_size=batch_size,
        )


def uniform_noise(
    model: Model,
    inputs: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    generator: Source,
    keep_going: bool = False,
    batch_size: int = BATCH,
) -> Tensor:
    """Independent noise, uniform in [-epsilon, epsilon] on every pixel, clipped to [0, 1].

    Arguments, result and errors as for `gaussian_noise`; one uniform number per pixel is drawn.
    """
    with under_attack(model, inputs, labels) as victim:
        return along(
            victim,
            2 * drawn(torch.rand, victim.clean, generator) - 1,
            threats("linf", epsilons),
            clean_start(victim, keep_going=keep_going, batch_size=batch_size),
            step_along,
            keep_going=keep_going,
            batch_size=batch_size,
        )
