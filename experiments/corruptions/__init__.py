"""Inputs that nature or a camera might spoil, with no network in mind: the corruptions room.

The fifteen corruptions of MNIST-C (Mu & Gilmer 2019, arXiv:1906.02337), re-implemented from their
description with its constants ("MNIST-C-style"), and sweeps of one property from none to much.
Where the user has the files of MNIST-C itself, :mod:`experiments.corruptions.official` reads them.
Importing this package imports neither SciPy nor PyTorch.
"""

from experiments.corruptions.corrupt import corrupt
from experiments.corruptions.names import (
    CORRUPTIONS,
    MNIST_C,
    SWEEPS,
    Corruption,
    corruption_named,
    corruptions_named,
)

__all__ = [
    "CORRUPTIONS",
    "MNIST_C",
    "SWEEPS",
    "Corruption",
    "corrupt",
    "corruption_named",
    "corruptions_named",
]
