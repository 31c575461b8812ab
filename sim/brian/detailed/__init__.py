"""Detailed runs: the trained network with the membranes, synapses and axons of cells, in Brian2.

:class:`Detailed` is the individual, :func:`run` steps it, :func:`calibrate` matches its population
rates to those of training. What the cells are like is a :class:`networks.Physiology`.
"""

from sim.brian.detailed.body import Body
from sim.brian.detailed.calibration import Calibration, calibrate
from sim.brian.detailed.recording import in_cells_units
from sim.brian.detailed.simulate import Detailed, run

__all__ = ["Body", "Calibration", "Detailed", "calibrate", "in_cells_units", "run"]
