"""Affine maps about the centre of the image, bilinear, with black beyond the edge."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from experiments.corruptions.corrupt import SIDE, Images

Floats = NDArray[np.float64]
CENTRE = (SIDE - 1) / 2


def mapped(images: Images, matrices: Floats, shifts: Floats | None = None) -> Images:
    """Each image (row, column) as seen through its own map.

    Args:
        images: (N, 28, 28).
        matrices: (N, 2, 2) or (2, 2); from where in the result, seen from the centre, to where
            in the image.
        shifts: (N, 2), rows and columns, added to that.
    """
    grid = np.indices((SIDE, SIDE)).reshape(2, -1) - CENTRE
    places = np.broadcast_to(matrices @ grid, (len(images), *grid.shape)) + CENTRE
    if shifts is not None:
        places = places + shifts[:, :, None]
    which = np.broadcast_to(np.arange(len(images))[:, None], (len(images), grid.shape[1]))
    found = map_coordinates(
        images, (which, places[:, 0], places[:, 1]), order=1, mode="grid-constant", prefilter=False
    )
    return found.reshape(images.shape)


def signs(generator: np.random.Generator, *shape: int) -> Floats:
    """Minus or plus one, each as likely."""
    return generator.choice((-1.0, 1.0), size=shape)


def shear(images: Images, generator: np.random.Generator, degrees: float) -> Images:
    """Columns leaned over by an angle to one side or the other, by chance.

    The leaning columns keep their length, so the image loses height, as where MNIST-C was made.
    """
    angle = np.deg2rad(degrees) * signs(generator, len(images))
    none, one = np.zeros_like(angle), np.ones_like(angle)
    rows = [[np.cos(angle), none], [-np.sin(angle), one]]
    return mapped(images, np.moveaxis(np.array(rows), 2, 0))


def rotate(images: Images, generator: np.random.Generator, degrees: float) -> Images:
    """Turned by an angle to one side or the other, by chance."""
    angle = np.deg2rad(degrees) * signs(generator, len(images))
    rows = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return mapped(images, np.moveaxis(np.array(rows), 2, 0))


def scale(images: Images, _: np.random.Generator, factor: float) -> Images:
    """`factor` times as large."""
    return mapped(images, np.eye(2) / factor)


def translate(images: Images, generator: np.random.Generator, pixels: float) -> Images:
    """Shifted by `pixels` along rows and along columns, each way by chance."""
    return mapped(images, np.eye(2), pixels * signs(generator, len(images), 2))
