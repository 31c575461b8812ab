"""What is wired to what: areas, projections, wirings, their derivations and the catalogue."""

from networks.area import Area, InputUnit, RateUnit, SpikingUnit
from networks.catalogue import NAMES, contrasts, wiring_named
from networks.count import macs, parameters
from networks.errors import BlindspotsError
from networks.projection import Convolution, Dense, OneToOne, Projection, Sparse
from networks.wiring import Wiring, from_json, from_toml, read_wiring

__all__ = [
    "NAMES",
    "Area",
    "BlindspotsError",
    "Convolution",
    "Dense",
    "InputUnit",
    "OneToOne",
    "Projection",
    "RateUnit",
    "Sparse",
    "SpikingUnit",
    "Wiring",
    "contrasts",
    "from_json",
    "from_toml",
    "macs",
    "parameters",
    "read_wiring",
    "wiring_named",
]
