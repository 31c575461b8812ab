"""Streams of items: which digit, letter or scrambled digit stands where, and what is asked of it.

Pictures are made of them by :mod:`experiments.blink.pictures`. What tells a condition from another
(lag, positions, roles) stays with the experimenter: observers get pictures and the instruction.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from experiments.blink.task import Task
from networks.errors import BlindspotsError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

LETTERS = "ACDEFGHJKLMNPRTUVWXY"  # without I, O, Q, S, Z and B, which pass for digits
APART = 2  # items within which nothing is repeated
DIGITS = 10


class Kind(IntEnum):
    """What an item is."""

    DISTRACTOR = 0
    DIGIT = 1
    BLANK = 2


@dataclass(frozen=True)
class Streams:
    """n trials of one task; arrays are (n, items) or (n,).

    Attributes:
        task: the condition.
        kind: of every item, a :class:`Kind`.
        image: of digits and what is scrambled of them the index in the split that they come from,
            of letters that in ``LETTERS``; -1 for blanks.
        label: 0 to 9 for digits, -1 for all else.
        cue: whether a ring surrounds the item.
        target: whether the item is asked for.
        contrast: factors of the items' contrast.
        t1, t2, t3: positions of the targets in the stream, asked for or not; -1 where there is
            none.
        lag: items from the first to the last target, or to the places that they would have.
    """

    task: Task
    kind: Ints
    image: Ints
    label: Ints
    cue: Bools
    target: Bools
    contrast: Floats
    t1: Ints
    t2: Ints
    t3: Ints
    lag: Ints

    def __len__(self) -> int:
        return len(self.lag)

    @property
    def lag_ms(self) -> Floats:
        """The lag in milliseconds, (n,)."""
        return self.lag * np.float64(self.task.soa_ms)

    @property
    def places(self) -> Ints:
        """Positions of T1, T2 and T3, (n, 3)."""
        return np.stack([self.t1, self.t2, self.t3], 1)

    def at(self, values: Ints | Bools, place: Ints) -> Ints:
        """``values`` (n, items) of the items at ``place`` (n,); -1 where the place is -1."""
        found = np.take_along_axis(values, np.maximum(place, 0)[:, None], 1)[:, 0]
        return np.where(place >= 0, found, -1)

    def part(self, rows: slice | Ints) -> "Streams":
        """Those trials alone."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "task"}
        return Streams(self.task, **arrays)


def streams(task: Task, per_lag: int, labels: Ints, generator: np.random.Generator) -> Streams:
    """``per_lag`` trials for each lag of ``task``, in random order.

    Within two items no digit and no image is repeated, whether whole or scrambled, and no letter;
    targets differ from each other at any distance.

    Args:
        task: the condition.
        per_lag: trials for each lag.
        labels: (N,) of the split whose images are shown.
        generator: the only source of chance. The same state gives conditions that differ only in
            roles or in what is left out the same digits at the same positions.

    Raises:
        BlindspotsError: fewer than one trial, or a digit has no image.
    """
    if per_lag < 1:
        raise BlindspotsError(f"{per_lag} trials for each lag were asked for; give 1 or more.")
    lag, first = balanced(task, per_lag, generator)
    trial = np.arange(len(lag))
    due = [first, first + (lag if task.pattern == "pair" else 1)]
    if task.pattern != "pair":
        due.append(first + lag)
    digit = np.full((len(lag), task.items), -1)
    for place, drawn in zip(due, distinct(len(lag), len(due), generator), strict=True):
        digit[trial, place] = drawn
    digit = spaced(digit, DIGITS, generator)
    image = images_of(digit, labels, generator)

    shown = [not task.single, not task.t2_absent] if task.pattern == "pair" else [True] * 3
    shown[1] = shown[1] and task.pattern != "TDT"
    places = np.full((3, len(lag)), -1)
    for k, place in enumerate(due):
        places[k] = place if shown[k] else -1
    present = marked(places, digit.shape)
    kind = np.where(present | (task.targets == "cue"), Kind.DIGIT, Kind.DISTRACTOR)
    if task.distractor == "letters":
        letter = spaced(np.where(present, len(LETTERS), -1), len(LETTERS), generator)
        image = np.where(kind == Kind.DIGIT, image, letter)
    blank = blanks(task, places, digit.shape) & ~present
    kind[blank], image[blank] = Kind.BLANK, -1
    asked = present.copy()
    if task.instruction == "second":
        asked &= ~marked(places[:1], digit.shape)
    contrast = np.ones(digit.shape)
    contrast[marked(places[:1], digit.shape)] = task.t1_contrast
    contrast[marked(places[1:2], digit.shape)] = task.t2_contrast
    hinted = marked(places[1:2], digit.shape) & task.t2_ringed
    cue = present if task.targets == "cue" else hinted
    label = np.where(kind == Kind.DIGIT, digit, -1)
    t1, t2, t3 = places
    return Streams(task, kind, image, label, cue, asked, contrast, t1, t2, t3, lag)


def balanced(task: Task, per_lag: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """Lag and position of T1 of each trial, in random order; positions differ by one in number."""
    lag = np.repeat(task.lags, per_lag)
    first = [np.resize(generator.permutation(task.first), per_lag) for _ in task.lags]
    order = generator.permutation(len(lag))
    return lag[order], np.concatenate(first)[order]


def distinct(trials: int, many: int, generator: np.random.Generator) -> Ints:
    """``many`` different digits for each trial, (many, trials)."""
    return generator.random((trials, DIGITS)).argsort(1)[:, :many].T


def spaced(fixed: Ints, codes: int, generator: np.random.Generator) -> Ints:
    """``fixed`` (n, items) with its places of -1 filled from 0 to ``codes`` - 1.

    No filled place repeats anything within two items; entries of ``codes`` and above are in
    nobody's way.
    """
    filled = fixed.copy()
    for column in range(fixed.shape[1]):
        near = filled[:, max(0, column - APART) : column + APART + 1]
        draws = generator.random((len(fixed), codes))
        draws[(near[:, :, None] == np.arange(codes)).any(1)] = -1
        free = fixed[:, column] < 0
        filled[free, column] = draws[free].argmax(1)
    return filled


def images_of(digit: Ints, labels: Ints, generator: np.random.Generator) -> Ints:
    """For each digit the index of a random image of it."""
    draws = generator.random(digit.shape)
    image = np.zeros(digit.shape, np.int64)
    for each in range(DIGITS):
        pool = np.flatnonzero(labels == each)
        if not len(pool):
            raise BlindspotsError(f"No image is a {each}; give a split with images of all digits.")
        here = digit == each
        image[here] = pool[(draws[here] * len(pool)).astype(np.int64)]
    return image


def marked(places: Ints, shape: tuple[int, ...]) -> Bools:
    """True at the places (k, n) that are not -1, (n, items)."""
    return (places[:, :, None] == np.arange(shape[1])).any(0)


def blanks(task: Task, places: Ints, shape: tuple[int, ...]) -> Bools:
    """Where the task wants nothing to be shown, (n, items)."""
    empty = np.zeros(shape, bool)
    if task.blank_after_t1:
        empty |= marked(places[:1] + 1, shape)
    if task.t2_last:
        empty |= np.arange(shape[1]) > places[1][:, None]
    return empty
