"""What adds up the steps of flat networks: plain torch, compiled C++, or Triton on a GPU.

All follow the one written step. They add in different orders, so that a potential differs in its
last bits, and one that lies within those of its threshold may spike in one of them alone; training
carries that on. Hence any but the plain one is used where it is asked for, and results name it.
The compiled one works on a CPU, those of Triton on a GPU; elsewhere the plain one takes over.
"graphs" is "triton", and replays the steps of training as CUDA graphs.
"""

import os
from typing import Literal, get_args

from networks import BlindspotsError

Engine = Literal["plain", "compiled", "triton", "graphs"]
ENVIRONMENT = "BLINDSPOTS_ENGINE"


def engine() -> Engine:
    """The engine that ``BLINDSPOTS_ENGINE`` names; plain without it.

    Raises BlindspotsError where there is none of that name.
    """
    named = os.environ.get(ENVIRONMENT) or "plain"
    for known in get_args(Engine):
        if named == known:
            return known
    raise BlindspotsError(
        f"{ENVIRONMENT}={named} names no engine; give one of {', '.join(get_args(Engine))}."
    )
