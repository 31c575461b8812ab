"""Which of two engines adds up the steps of flat networks: plain torch, or compiled kernels.

Both follow the one written step. They add in different orders, so that a potential differs in its
last bits, and one that lies within those of its threshold may spike in one of them alone; training
carries that on. Hence the compiled one is used where it is asked for, and results name it.
"""

import os
from importlib.util import find_spec
from typing import Literal, get_args

from networks import BlindspotsError

Engine = Literal["plain", "compiled"]
ENVIRONMENT = "BLINDSPOTS_ENGINE"


def engine() -> Engine:
    """The engine that ``BLINDSPOTS_ENGINE`` names; plain without it.

    Raises BlindspotsError where there is none of that name, or what it needs is not installed.
    """
    named = os.environ.get(ENVIRONMENT) or "plain"
    if named == "plain":
        return "plain"
    if named != "compiled":
        raise BlindspotsError(
            f"{ENVIRONMENT}={named} names no engine; give one of {', '.join(get_args(Engine))}."
        )
    if find_spec("numba") is None:
        raise BlindspotsError(
            f"{ENVIRONMENT}=compiled needs numba, which is not installed; install it with "
            "pip install 'blindspots[fast]', or leave the variable out."
        )
    return "compiled"
