"""How a wiring evolves in time: rate and spiking units on torch."""

from sim.drives import drive_by_kind
from sim.interventions import Clamp, Hold, Inject, Intervention, Lesion, Scale, Silence
from sim.network import Network
from sim.parameters import initial_parameters
from sim.run import run
from sim.step import Circuit, State, step
from sim.stimulus import encode, poisson

__all__ = [
    "Circuit",
    "Clamp",
    "Hold",
    "Inject",
    "Intervention",
    "Lesion",
    "Network",
    "Scale",
    "Silence",
    "State",
    "drive_by_kind",
    "encode",
    "initial_parameters",
    "poisson",
    "run",
    "step",
]
