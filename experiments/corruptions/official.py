"""The files of MNIST-C itself (Mu & Gilmer 2019, zenodo.org/records/3239543), where there are any.

A directory holds one directory for each corruption, with the 10,000 corrupted test images of MNIST
in MNIST's order: `fog/test_images.npy`, `fog/test_labels.npy` and so on.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.corruptions.names import MNIST_C
from networks.errors import BlindspotsError, unknown

SHAPE = (10000, 28, 28, 1)


def official_images(directory: Path, name: str) -> NDArray[np.uint8]:
    """All test images under a corruption of MNIST-C: uint8 (10000, 28, 28), 0 to 255.

    Raises:
        BlindspotsError: MNIST-C has no such corruption, or the file is missing, cannot be read, or
            holds another shape or type.
    """
    if name not in (known := [each.name for each in MNIST_C]):
        raise unknown("corruption in MNIST-C", name, known)
    path = directory / name / "test_images.npy"
    found = _array(path)
    if found.shape != SHAPE or found.dtype != np.uint8:
        raise BlindspotsError(
            f"'{path}' holds {found.dtype} {found.shape}, MNIST-C has uint8 {SHAPE}; "
            "unpack its archive again."
        )
    return found[..., 0]


def check_labels(directory: Path, name: str, labels: NDArray[np.int64]) -> None:
    """Raise BlindspotsError where the file of labels, if there is one, has other labels."""
    path = directory / name / "test_labels.npy"
    if path.exists() and not np.array_equal(_array(path), labels):
        raise BlindspotsError(
            f"The labels in '{path}' are not those of MNIST's test images in their order; unpack "
            "the archive of MNIST-C again, or leave out --mnist-c."
        )


def official_sha256(directory: Path, name: str) -> str:
    """SHA-256 of the images' bytes; errors as for `official_images`."""
    return hashlib.sha256(official_images(directory, name).tobytes()).hexdigest()


def _array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise BlindspotsError(
            f"There is no '{path}'; name the directory that holds MNIST-C's fog/test_images.npy."
        ) from None
    except (OSError, ValueError, EOFError) as error:
        raise BlindspotsError(
            f"'{path}' cannot be read ({error}); unpack the archive of MNIST-C again."
        ) from None
    return found
