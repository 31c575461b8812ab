"""Marks on the image: stripes, spatter, lines."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from experiments.corruptions.corrupt import SIDE, Images

Floats = NDArray[np.float64]
MUD = 63 / 255  # intensity
OPAQUE = 0.8  # mud that is thinner is none
REACH = 2.3  # pixels from a line's middle to where its logarithm ends
FIRST, LAST = 2, 25  # columns between which the zigzag runs
TOOTH = 2  # pixels: half the length, and the height, of a tooth


def stripe(images: Images, _: np.random.Generator) -> Images:
    """Black and white exchanged in the outer two quarters of the columns."""
    outer = np.ones(SIDE, bool)
    outer[SIDE // 4 : 3 * SIDE // 4] = False
    return np.where(outer, 1 - images, images)


def spatter(
    images: Images,
    generator: np.random.Generator,
    threshold: float,
    mean: float,
    spread: float,
    sigma: float,
    edge: float,
) -> Images:
    """Drops of mud: where blurred noise is above a threshold, blurred once more by `edge`.

    The noise is normal with `mean` and `spread`, blurred by `sigma` pixels.
    """
    wet = mean + spread * generator.standard_normal(images.shape)
    drops = gaussian_filter(wet, (0, sigma, sigma), mode="nearest") > threshold
    mud = gaussian_filter(drops.astype(float), (0, edge, edge), mode="nearest")
    mud[mud < OPAQUE] = 0
    return images * (1 - mud) + MUD * mud


def dotted_line(images: Images, generator: np.random.Generator) -> Images:
    """A bright line from the left edge to the right one, two pixels on and two off."""
    rows = generator.integers(0, SIDE - 1, (len(images), 2)).astype(float)
    ends = np.array([0.0, SIDE - 1])
    line = stroke(np.broadcast_to(ends, rows.shape), rows)
    line[:, :, np.arange(SIDE) // 2 % 2 == 0] = 0
    return images + line


def zigzag(images: Images, generator: np.random.Generator) -> Images:
    """A bright zigzag from left to right that rises or falls by at most five pixels."""
    starts, slopes = generator.spawn(2)
    first = starts.integers(0, SIDE - 1, len(images))
    rise = slopes.integers(-5, 5, len(images))
    angle = np.arctan(rise / (LAST - FIRST))
    length = (LAST - FIRST) / np.cos(angle)
    teeth = np.arange((LAST - FIRST - TOOTH) // (2 * TOOTH) + 1)
    height = TOOTH * (-1.0) ** teeth
    over = length - (LAST - FIRST) // (2 * TOOTH) * 2 * TOOTH  # what no whole tooth covers
    along = np.empty((2, len(images), len(teeth) + 2))
    along[:, :, 0] = 0
    along[:, :, 1:-1] = np.array([(2 * teeth + 1) * TOOTH, height])[:, None]
    along[:, :, -1] = length, height[-1] / (2 * over)
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    columns = FIRST + cosine * along[0] - sine * along[1]
    rows = first[:, None] + sine * along[0] + cosine * along[1]
    drawn = images
    for at in range(len(teeth) + 1):
        drawn = drawn + stroke(columns[:, at : at + 2], rows[:, at : at + 2])
    return drawn


def stroke(columns: Floats, rows: Floats) -> Images:
    """Lines (N, 28, 28) between two points each, bright in the middle and fading to both sides.

    Args:
        columns: (N, 2), of the left and the right end.
        rows: (N, 2), of the same.

    Returns:
        1 + ln(1 - d / 2.3), at least 0, at d pixels above or below the line; 0 left of the left
        end's column and right of the right end's.
    """
    (left, right), (start, end) = columns.T[:, :, None, None], rows.T[:, :, None, None]
    row, column = np.indices((SIDE, SIDE))
    off = np.abs(row - start - (end - start) / (right - left) * (column - left))
    bright = np.maximum(0, 1 + np.log1p(-np.minimum(off, REACH - 1e-10) / REACH))
    return np.where((column >= np.floor(left)) & (column < np.ceil(right)), bright, 0)
