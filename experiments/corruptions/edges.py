"""Edges alone: Canny's detector (1986, IEEE Trans. Pattern Anal. Mach. Intell. 8:679-698)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, gaussian_filter, label

from experiments.corruptions.corrupt import Images

Floats = NDArray[np.float64]
SIGMA = 1.0  # pixels
WEAK, STRONG = 0.1, 0.2  # magnitudes of the gradient from which an edge may go on, and may begin

ROUNDING = 1e-9  # so that a tie is one on every machine


def canny(images: Images, _: np.random.Generator) -> Images:
    """White edges on black: blur, gradient, its ridges, and those of them that a strong one joins.

    Blur and gradient are as where MNIST-C was made: a Gaussian of one pixel that counts what
    lies outside as missing, and Sobel's filters; nothing is found on the outermost pixels.
    """
    spread = gaussian_filter(np.ones(images.shape[1:]), SIGMA, mode="constant")
    smooth = gaussian_filter(images, (0, SIGMA, SIGMA), mode="constant") / spread
    down, across = sobel(smooth, 1, 2), sobel(smooth, 2, 1)
    size = np.hypot(down, across)
    thin = ridges(size, down, across)
    structure = np.zeros((3, 3, 3), int)
    structure[1] = 1  # neighbours in the same image, diagonal ones too
    pieces, count = label(thin & (size >= WEAK), structure)
    begins = np.zeros(count + 1, bool)
    begins[pieces[thin & (size >= STRONG)]] = True
    begins[0] = False
    return begins[pieces].astype(float)


def sobel(images: Images, along: int, smooth: int) -> Floats:
    """The gradient along one axis by Sobel's filter, smoothed along another."""
    slope = convolve1d(images, [1.0, 0.0, -1.0], axis=along, mode="reflect")
    found: Floats = convolve1d(slope, [1.0, 2.0, 1.0], axis=smooth, mode="reflect")
    return found


def ridges(size: Floats, down: Floats, across: Floats) -> NDArray[np.bool_]:
    """Where the gradient's size is no smaller than one step up and one step down the gradient.

    The size there is interpolated between the two neighbours that the step passes between.
    """
    steep = np.abs(down) >= np.abs(across)
    large, small = np.where(steep, (down, across), (across, down))
    lean = np.abs(small) / np.maximum(np.abs(large), np.finfo(float).tiny)
    rows, columns = np.sign(down).astype(int), np.sign(across).astype(int)
    straight = np.where(steep, (rows, np.zeros_like(rows)), (np.zeros_like(rows), columns))
    which, row, column = np.indices(size.shape)
    padded = np.pad(size, ((0, 0), (1, 1), (1, 1)))
    is_ridge = size > 0
    for way in (1, -1):
        beside = padded[which, row + 1 + way * straight[0], column + 1 + way * straight[1]]
        diagonal = padded[which, row + 1 + way * rows, column + 1 + way * columns]
        is_ridge &= (1 - lean) * beside + lean * diagonal <= size * (1 + ROUNDING)
    is_ridge[:, [0, -1]] = is_ridge[:, :, [0, -1]] = False
    return is_ridge
