"""The whole loop through time as one function, its derivative written by hand."""

from sim.whole.answers import answers
from sim.whole.plan import is_flat

__all__ = ["answers", "is_flat"]
