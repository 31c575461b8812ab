"""Codes: how a still image becomes what the input area emits at each step."""

from typing import Annotated, Literal

from pydantic import Field

from networks.described import Described


class Constant(Described):
    """The image itself at every step, as a constant current."""

    model: Literal["constant"] = "constant"


class Poisson(Described):
    """At each step a spike with probability ``gain`` times the intensity.

    Drawn independently per pixel and step. The gradient is that of the probability
    (straight-through), so that attacks see through the draw.
    """

    model: Literal["poisson"] = "poisson"
    gain: Annotated[float, Field(gt=0, le=1)] = 1.0


class Latency(Described):
    """One spike per pixel brighter than ``threshold``: the brighter, the earlier.

    Intensity x spikes at step round((1 - x) (steps - 1)). The gradient of every step's frame is
    1 / steps (straight-through to the mean), so that attacks see dark pixels too.
    """

    model: Literal["latency"] = "latency"
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.05


Code = Annotated[Constant | Poisson | Latency, Field(discriminator="model")]
