"""Attacks inside an audit say nothing: what they would warn of has a check of its own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.attacks.victim import MaskedGradientWarning


@contextmanager
def without_warnings() -> Iterator[None]:
    """Zero gradients are counted by `gradients.zero_gradient`, not warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskedGradientWarning)
        yield
