"""Drawings of a blink experiment."""

from figures.blink.beside import beside
from figures.blink.cells import cells
from figures.blink.examples import has_examples
from figures.blink.film import film
from figures.blink.fitted import fitted
from figures.blink.inside import inside
from figures.blink.lags import lag_curves
from figures.blink.manipulations import manipulations
from figures.blink.pools import has_spikes, pools
from figures.blink.population import population
from figures.blink.provocation import provocation
from figures.blink.strip import strip

__all__ = [
    "beside",
    "cells",
    "film",
    "fitted",
    "has_examples",
    "has_spikes",
    "inside",
    "lag_curves",
    "manipulations",
    "pools",
    "population",
    "provocation",
    "strip",
]
