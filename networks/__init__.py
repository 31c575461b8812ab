"""What is wired to what: areas, projections, wirings, their derivations, catalogue, physiology."""

from networks.area import Area, InputUnit, RateUnit, SpikingUnit
from networks.catalogue import NAMES, contrasts, wiring_named
from networks.code import Code, Constant, Latency, Poisson
from networks.count import macs, parameters
from networks.errors import BlindspotsError
from networks.physiology import DETAILED, INGREDIENTS, Physiology, ablations, physiology_from
from networks.projection import Convolution, Dense, OneToOne, Projection, Sparse
from networks.wiring import Wiring, from_json, from_toml, read_wiring

__all__ = [
    "DETAILED",
    "INGREDIENTS",
    "NAMES",
    "Area",
    "BlindspotsError",
    "Code",
    "Constant",
    "Convolution",
    "Dense",
    "InputUnit",
    "Latency",
    "OneToOne",
    "Physiology",
    "Poisson",
    "Projection",
    "RateUnit",
    "Sparse",
    "SpikingUnit",
    "Wiring",
    "ablations",
    "contrasts",
    "from_json",
    "from_toml",
    "macs",
    "parameters",
    "physiology_from",
    "read_wiring",
    "wiring_named",
]
