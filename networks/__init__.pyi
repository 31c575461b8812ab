from .area import Area, InputUnit, RateUnit, SpikingUnit
from .catalogue import NAMES, contrasts, wiring_named
from .code import Code, Constant, Latency, Poisson
from .count import macs, parameters
from .errors import BlindspotsError
from .physiology import DETAILED, INGREDIENTS, Physiology, ablations, physiology_from
from .projection import Convolution, Dense, OneToOne, Projection, Sparse
from .wiring import Wiring, from_json, from_toml, read_wiring

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
