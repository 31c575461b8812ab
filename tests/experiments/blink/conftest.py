"""Labels to draw streams from, and observers whose answers are known."""

import numpy as np
import pytest

from experiments.blink.reports import Reports
from experiments.blink.table import Observer


@pytest.fixture(scope="session")
def labels():
    """A split with 30 images of each digit, in no order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(10), 30))


@pytest.fixture(scope="session")
def observer():
    return Observer("fc-blt", 3, 7, "gated", "rate")


@pytest.fixture(scope="session")
def said():
    """A function from lists of digits, one list per trial, to reports."""

    def reports(*trials, slots=3):
        identity, when = np.full((len(trials), slots), -1), np.full((len(trials), slots), np.nan)
        for i, digits in enumerate(trials):
            identity[i, : len(digits)] = digits
            when[i, : len(digits)] = 500.0 + 100 * np.arange(len(digits))
        return Reports(identity, when)

    return reports
