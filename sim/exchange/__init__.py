"""Networks and recordings in the formats of others: NIR, Neo and NWB.

The libraries come with the extra ``exchange`` and are imported when something is exchanged.
"""

from sim.exchange.neo import to_neo, write_neo
from sim.exchange.nir import Unsaid, from_nir, read_nir, to_nir, unsaid, write_nir
from sim.exchange.nwb import to_nwb, write_nwb

__all__ = [
    "Unsaid",
    "from_nir",
    "read_nir",
    "to_neo",
    "to_nir",
    "to_nwb",
    "unsaid",
    "write_neo",
    "write_nir",
    "write_nwb",
]
