"""What adds up the steps of networks: plain torch, compiled C++, or Triton on a GPU.

All follow the one written step. They add in different orders, so that a potential differs in its
last bits, and one that lies within those of its threshold may spike in one of them alone; training
carries that on. Hence any but the plain one is used where it is asked for, and results name it.
The compiled one works on a CPU, for one individual in float32, those of Triton on a GPU (or where
Triton plays one, `sim.whole.pointwise`); elsewhere the plain one takes over.
"graphs" is "triton", and replays the steps of training as CUDA graphs.
"""

from importlib import import_module
from types import ModuleType
from typing import Literal, get_args

from networks import BlindspotsError
from sim.chosen import chosen

Engine = Literal["plain", "compiled", "triton", "graphs"]
ENVIRONMENT = "BLINDSPOTS_ENGINE"
ORDER = 6  # raise it when an engine but the plain one comes to add in another order


def engine() -> Engine:
    """The engine that ``BLINDSPOTS_ENGINE`` names; plain without it.

    Raises BlindspotsError where there is none of that name.
    """
    return chosen(ENVIRONMENT, "engine", get_args(Engine))


def check_engine(asked: Engine, device: str) -> None:
    """Raise BlindspotsError where an engine cannot do its part here, on "cpu" or "cuda".

    Without this it shows only when a network first goes through time.
    """
    if asked == "compiled":
        from sim.whole.build import library

        library()  # which may take a compiler its time
    if asked in ("triton", "graphs") and device == "cuda":
        kernels(asked)


def kernels(asked: Engine) -> ModuleType:
    """The module of Triton's kernels; BlindspotsError where Triton is not installed."""
    try:
        return import_module("sim.whole.fused")
    except ModuleNotFoundError as error:
        raise BlindspotsError(
            f"{ENVIRONMENT}={asked} needs {error.name}, which is not installed; install it (pip "
            f"install 'blindspots[gpu]'), or leave out {ENVIRONMENT}."
        ) from None
