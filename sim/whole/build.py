"""The loop through time in C++ (``loop.cpp`` and its headers), as Python calls it.

The structures here are those of ``net.h``.
"""

import ctypes
from functools import cache
from pathlib import Path

from sim.native import native

HERE = Path(__file__).parent
HEADERS = sorted(HERE.glob("*.h"))
SOURCE = HERE / "loop.cpp"
EMITS = (
    *("fast_sigmoid", "atan", "spike sigmoid", "straight_through_estimator"),
    *("relu", "tanh", "sigmoid", "identity"),
)
"""What a unit emits or, where it spikes, its surrogate: as ``Emits`` in ``units.h``."""

KINDS = ("dense", "diagonal", "convolution")
"""What a projection's weights are: as ``Kind`` in ``joint.h``."""

number, count, pointer = ctypes.c_float, ctypes.c_int64, ctypes.c_void_p


class CRoom(ctypes.Structure):
    """``Room`` in ``net.h``."""

    _fields_ = [
        *((name, pointer) for name in ("alone", "many")),
        *((name, count) for name in ("turn", "apart")),
    ]


class CStage(ctypes.Structure):
    """``Stage`` in ``net.h``."""

    _fields_ = [("since", count), ("drive", pointer), ("across", count)]


class CArea(ctypes.Structure):
    """``Area`` in ``net.h``."""

    _fields_ = [
        *((name, count) for name in ("units", "channels", "emits", "is_listed", "since", "last")),
        *((name, number) for name in ("keeps", "takes", "threshold", "steep")),
        *((name, CRoom) for name in ("u", "du")),
        ("stages", count),
        ("stage", ctypes.POINTER(CStage)),
        ("answer", pointer),
        ("asked", count),
        ("by_bias", pointer),
    ]


class CShape(ctypes.Structure):
    """``Shape`` in ``joint.h``."""

    _fields_ = [(name, count) for name in ("channels", "height", "width")]


class CLink(ctypes.Structure):
    """``Link`` in ``joint.h``."""

    _fields_ = [
        *((name, count) for name in ("source", "target", "delay", "kind", "lists")),
        *((name, count) for name in ("kernel", "stride", "upward")),
        *((name, CShape) for name in ("from", "to")),
        *((name, pointer) for name in ("weight", "by_weight")),
    ]


class CStill(ctypes.Structure):
    """``Still`` in ``net.h``."""

    _fields_ = [("link", CLink), ("by_drive", pointer)]


class CNet(ctypes.Structure):
    """``Net`` in ``net.h``."""

    _fields_ = [
        *((name, count) for name in ("images", "longest", "threads", "block", "shares")),
        *((name, count) for name in ("areas", "links", "stills")),
        ("area", ctypes.POINTER(CArea)),
        ("link", ctypes.POINTER(CLink)),
        ("still", ctypes.POINTER(CStill)),
    ]


@cache
def library() -> ctypes.CDLL:
    """The compiled loop; BlindspotsError where it cannot be built or loaded."""
    compiled = native(SOURCE, HEADERS)
    for function in (compiled.there, compiled.back, compiled.weigh):
        function.argtypes, function.restype = (ctypes.POINTER(CNet), count, count), None
    return compiled
