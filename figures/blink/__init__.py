"""Drawings of a blink experiment."""

from figures.blink.lags import lag_curves
from figures.blink.manipulations import manipulations
from figures.blink.provocation import provocation

__all__ = ["lag_curves", "manipulations", "provocation"]
