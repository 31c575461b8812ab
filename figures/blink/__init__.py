"""Drawings of a blink experiment."""

from figures.blink.lags import lag_curves
from figures.blink.manipulations import manipulations

__all__ = ["lag_curves", "manipulations"]
