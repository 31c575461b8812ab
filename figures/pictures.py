"""Pictures of inputs and of what was changed in them."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from networks.errors import BlindspotsError


def picture(ax: Axes, pixels: np.ndarray) -> AxesImage:
    """A picture (row, column) in grey; intensities from 0 to 1."""
    ax.set_axis_off()
    return ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def change(ax: Axes, difference: np.ndarray) -> AxesImage:
    """What was added (red) and taken (blue), (row, column), on a scale symmetric about zero."""
    ax.set_axis_off()
    limit = max(float(np.abs(difference).max()), 1e-9)
    return ax.imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")


def input_pictures(recording: xr.Dataset, image: int) -> xr.DataArray:
    """The inputs of one image, (condition, row, column).

    Raises:
        BlindspotsError: they were not recorded.
    """
    if "inputs" not in recording:
        raise BlindspotsError("The recording holds no 'inputs'; keep them to draw them.")
    return recording["inputs"].isel(image=image)
