"""The data set of an experiment: training, validation and test images with labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from experiments.data.mnist import MIRRORS, find, named_directory
from networks.errors import BlindspotsError

VALIDATION = 5000
DIGITS = "scikit-learn digits (8x8 upsampled)"


class Split(NamedTuple):
    """Images (N, 1, 28, 28), float32 in [0, 1], and labels (N,), int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Dataset:
    """Named splits; ``test`` is for scores alone, any choice is made on ``validation``."""

    name: str
    train: Split
    validation: Split
    test: Split
    sha256: str


def load_data(directory: Path | None = None, mirrors: Sequence[str] = MIRRORS) -> Dataset:
    """MNIST; where it cannot be had and no directory was named, scikit-learn's digits, loudly.

    Raises BlindspotsError where a directory was named, by argument or by BLINDSPOTS_DATA, and does
    not hold MNIST.
    """
    try:
        return _mnist(directory, mirrors)
    except BlindspotsError as error:
        if directory or named_directory():
            raise
        # The reason is escaped: a path in it may hold brackets, which are markup to rich.
        Console(stderr=True).print(
            f"[bold red]This is not MNIST.[/] {escape(str(error))}\nUsing {DIGITS} instead: every "
            "result, figure and report will say so.",
            soft_wrap=True,
        )
        return _bundled()


def load_again(name: str, directory: Path | None) -> Dataset:
    """The data set that :func:`load_data` gave under ``name``; neither asks nor announces.

    Raises BlindspotsError where MNIST, which was there, has gone.
    """
    return _bundled() if name == DIGITS else _mnist(directory, MIRRORS)


def _mnist(directory: Path | None, mirrors: Sequence[str]) -> Dataset:
    train_images, train_labels, test_images, test_labels = find(directory, mirrors)
    train = ((train_images / np.float32(255)).astype(np.float32), train_labels)
    test = ((test_images / np.float32(255)).astype(np.float32), test_labels)
    return _dataset("MNIST", train, test, validation=VALIDATION)


def _bundled() -> Dataset:
    return _dataset(DIGITS, *_digits(), validation=297)


Labelled = tuple[NDArray[np.float32], NDArray[np.uint8]]


def _digits() -> tuple[Labelled, Labelled]:
    """The bundled 8 x 8 digits, enlarged to 20 x 20 in the middle of 28 x 28 like MNIST's."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    bunch = load_digits()
    large = np.clip(zoom(bunch.images / 16, (1, 2.5, 2.5), order=1), 0, 1)
    images = np.pad(large, ((0, 0), (4, 4), (4, 4))).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], bunch.target[order].astype(np.uint8)
    return (images[500:], labels[500:]), (images[:500], labels[:500])


def _dataset(name: str, train: Labelled, test: Labelled, validation: int) -> Dataset:
    digest = hashlib.sha256()
    for array in (*train, *test):
        digest.update(np.ascontiguousarray(array).tobytes())
    order = np.random.default_rng(0).permutation(len(train[0]))
    held, kept = np.sort(order[:validation]), np.sort(order[validation:])
    return Dataset(
        name,
        train=_split(train[0][kept], train[1][kept]),
        validation=_split(train[0][held], train[1][held]),
        test=_split(*test),
        sha256=digest.hexdigest(),
    )


def _split(images: NDArray[np.float32], labels: NDArray[np.uint8]) -> Split:
    return Split(torch.from_numpy(images)[:, None], torch.from_numpy(labels.astype(np.int64)))


def part_of(split: Split, part: int, parts: int, seed: int = 0) -> Split:
    """One of ``parts`` disjoint random parts (Szegedy et al. 2014, section 4.2: halves)."""
    order = np.random.default_rng(seed).permutation(len(split.labels))
    chosen = torch.from_numpy(np.sort(order[part::parts]))
    return Split(split.images[chosen], split.labels[chosen])


def scored_images(dataset: Dataset, count: int) -> tuple[Split, NDArray[np.int64]]:
    """``count`` test images and their indices: a fixed random order, cut off at ``count``."""
    available = len(dataset.test.labels)
    if not 1 <= count <= available:
        raise BlindspotsError(
            f"{count} test images were asked for; choose from 1 to {available} of {dataset.name}."
        )
    chosen = np.random.default_rng(1).permutation(available)[:count]
    index = torch.from_numpy(chosen)
    return Split(dataset.test.images[index], dataset.test.labels[index]), chosen
