"""What units have written, read back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.store import damaged, unit_path
from experiments.units import Unit


def read_tensors(unit: Unit, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of a unit's safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = unit_path(unit.stage, unit.key) / name
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from None


def right(prediction: NDArray[np.int8], label: NDArray[np.int8]) -> NDArray[np.int8]:
    """1 where the prediction is the label, 0 where not, -1 where there is none."""
    return np.where(prediction < 0, -1, prediction == label).astype(np.int8)
