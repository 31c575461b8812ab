"""Lighting: brightness, contrast, fog."""

import numpy as np

from experiments.corruptions.corrupt import SIDE, Images

LAND = 256  # side of the fractal that fog is cut from
CHUNK = 20  # such fractals held in memory at once


def brightness(images: Images, _: np.random.Generator, offset: float) -> Images:
    """`offset` added to every pixel (and cut off at black and white)."""
    return images + offset


def contrast(images: Images, _: np.random.Generator, factor: float) -> Images:
    """Differences to the image's mean intensity times `factor`."""
    mean = images.mean((1, 2), keepdims=True)
    return mean + factor * (images - mean)


def fog(images: Images, generator: np.random.Generator, amount: float, decay: float) -> Images:
    """`amount` of a cloud added to each image; the sum is scaled to keep what white was."""
    brightest = images.max((1, 2), keepdims=True)
    starts = range(0, len(images), CHUNK)
    clouds = [plasma(min(CHUNK, len(images) - at), generator, decay) for at in starts]
    cloud = np.concatenate(clouds) if clouds else np.zeros_like(images)
    return (images + amount * cloud) * brightest / np.maximum(brightest + amount, 1e-12)


def plasma(count: int, generator: np.random.Generator, decay: float) -> Images:
    """Corners (count, 28, 28) of fractal clouds, from 0 to 1 over 256 x 256 pixels.

    By diamonds and squares on a torus (Fournier, Fussell & Carpenter 1982, Commun. ACM
    25:371-384): each point is the mean of its four neighbours at the scale at hand plus noise,
    whose amplitude falls by `decay` squared from one scale to the next (both factors of MNIST-C's
    noise shrink). Unlike here, the code of MNIST-C takes a wrong corner at every other edge, which
    makes its clouds a little rougher from row to row.
    """
    noise = 2 * generator.random((count, LAND, LAND), dtype=np.float32) - 1
    land = np.zeros_like(noise)
    step, amplitude = LAND, 1.0
    while step > 1:
        half = step // 2
        corners = land[:, ::step, ::step]
        right = corners + np.roll(corners, -1, 2)
        below = corners + np.roll(corners, -1, 1)
        centres = (right + np.roll(right, -1, 1)) / 4 + amplitude * noise[:, half::step, half::step]
        land[:, half::step, half::step] = centres
        above, left = centres + np.roll(centres, 1, 1), centres + np.roll(centres, 1, 2)
        edge = amplitude * noise[:, ::step, half::step]
        land[:, ::step, half::step] = (right + above) / 4 + edge
        edge = amplitude * noise[:, half::step, ::step]
        land[:, half::step, ::step] = (below + left) / 4 + edge
        step, amplitude = half, amplitude / decay**2
    low, high = land.min((1, 2), keepdims=True), land.max((1, 2), keepdims=True)
    return ((land - low) / (high - low))[:, :SIDE, :SIDE].astype(np.float64)
