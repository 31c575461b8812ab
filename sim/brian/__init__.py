"""The same wirings in Brian2: :func:`run` is ``sim.run`` on an independent simulator.

Brian2 is imported when something runs, not before.
"""

from sim.brian.compare import Agreement, Mismatch, agreement_of, compare, record_both
from sim.brian.replica import WAYS, Way, run

__all__ = ["WAYS", "Agreement", "Mismatch", "Way", "agreement_of", "compare", "record_both", "run"]
