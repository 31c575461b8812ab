"""Blur: through rippled glass, and by motion."""

from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter

from experiments.corruptions.corrupt import SIDE, Images


def glass(
    images: Images, generator: np.random.Generator, sigma: float, reach: int, rounds: int
) -> Images:
    """Blur, exchange of pixels with others nearby, blur again.

    In each of `rounds` passes, from the last pixel to the first, every second pixel (by chance)
    changes places with one at most `reach` rows and columns away. The blur runs along columns
    alone: the code of MNIST-C asks for a filter of colour images, which takes the columns of a
    grey image for its colours.
    """
    blurred = gaussian_filter(images, (0, sigma, 0), mode="nearest")
    inner = range(SIDE - reach, reach, -1)
    places = list(product(range(rounds), inner, inner))
    coins, ways = generator.spawn(2)
    tossed = coins.integers(0, 2, (len(images), len(places), 1), dtype=np.int8)
    moves = tossed * ways.integers(-reach, reach, (len(images), len(places), 2), dtype=np.int8)
    every = np.arange(len(images))
    for at, (_, row, column) in enumerate(places):
        there = (every, row + moves[:, at, 0], column + moves[:, at, 1])
        here = blurred[:, row, column].copy()
        blurred[:, row, column] = blurred[there]
        blurred[there] = here
    return gaussian_filter(blurred, (0, sigma, 0), mode="nearest")


def motion(images: Images, generator: np.random.Generator, sigma: float, radius: int) -> Images:
    """A streak in one direction, at most 45 degrees from the horizontal, by chance.

    Weights fall along the streak like half a Gaussian of `sigma` pixels, cut off after 2 `radius`
    steps of one pixel, each to the nearest pixel; beyond the edge, the edge goes on. This is the
    blur of ImageMagick, with which MNIST-C was made.
    """
    angle = np.deg2rad(generator.uniform(-45, 45, len(images)))
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    every, (rows, columns) = np.arange(len(images))[:, None, None], np.indices((SIDE, SIDE))
    streak = np.zeros_like(images)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down, across = (np.rint(step * f(angle)).astype(int) for f in (np.sin, np.cos))
        row = np.clip(rows + down[:, None, None], 0, SIDE - 1)
        column = np.clip(columns + across[:, None, None], 0, SIDE - 1)
        streak += weight * images[every, row, column]
    return streak
