"""Convolutions as matrices, and back, for formats that know no transposed convolution."""

import numpy as np
import torch
from numpy.typing import NDArray

from networks import Area, Projection
from networks.connectivity import weight_shape
from sim.step import transmit


def unfolded(
    projection: Projection, source: Area, target: Area, weight: NDArray[np.floating]
) -> NDArray[np.floating]:
    """The matrix (target size, source size) that does what the convolution does."""
    places = _places(projection, source, target)
    flat = np.concatenate([np.zeros(1, weight.dtype), weight.ravel()])
    return flat[places]


def folded(
    projection: Projection, source: Area, target: Area, matrix: NDArray[np.floating]
) -> NDArray[np.floating]:
    """The kernels of the matrix that :func:`unfolded` made; zero where a tap meets nothing."""
    places = _places(projection, source, target)
    shape = weight_shape(projection, source, target)
    flat = np.zeros(1 + int(np.prod(shape)), matrix.dtype)
    flat[places] = matrix
    return flat[1:].reshape(shape)


def _places(projection: Projection, source: Area, target: Area) -> NDArray[np.int64]:
    """For each (target, source) pair, which weight joins them, counted from 1; 0 for none.

    A pair of units is joined by one tap at most, so sending numbered taps through the
    convolution, one source unit at a time, reads off the number.
    """
    shape = weight_shape(projection, source, target)
    numbered = torch.arange(1, 1 + int(np.prod(shape)), dtype=torch.float64).reshape(shape)
    columns = []
    for units in torch.arange(source.size).split(256):
        one = torch.zeros(len(units), source.size, dtype=torch.float64)
        one[torch.arange(len(units)), units] = 1
        sent = transmit(projection, numbered, one.reshape(-1, *source.shape), target.shape)
        columns.append(sent.flatten(1).round().to(torch.int64).numpy())
    return np.concatenate(columns).T
