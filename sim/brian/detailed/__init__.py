"""Detailed runs: the trained network with the membranes, synapses and axons of cells, in Brian2.

:class:`Detailed` is the individual, :func:`run` steps it, :func:`calibrate` matches its population
rates to those of training, :class:`Physiology` holds every parameter with its unit and source.
"""

from sim.brian.detailed.body import Body
from sim.brian.detailed.physiology import (
    INGREDIENTS,
    Ingredient,
    Physiology,
    ablations,
    physiology_from,
)
from sim.brian.detailed.recording import in_cells_units
from sim.brian.detailed.simulate import Detailed, run

__all__ = [
    "INGREDIENTS",
    "Body",
    "Detailed",
    "Ingredient",
    "Physiology",
    "ablations",
    "in_cells_units",
    "physiology_from",
    "run",
]
