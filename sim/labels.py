"""What the arrays of a recording say of themselves, for whoever gets the recording alone."""

from typing import Any

from networks import Area, SpikingUnit

MEANINGS = {
    "drive": "summed input of the step",
    "potential": "u[t], before the reset that out[t] causes",
    "output": "what is emitted at the step, after interventions",
}


def labels(area: Area, quantity: str) -> dict[str, Any]:
    """Attributes of the array ``area.quantity``: what it is, its unit, the model and threshold.

    All quantities are dimensionless, in the unit in which the weights were trained;
    ``unit_model`` is "lif", "rate" or "input", and ``threshold`` is there for "lif" alone.
    """
    said = {"long_name": MEANINGS[quantity], "units": "1", "unit_model": area.unit.model}
    if isinstance(area.unit, SpikingUnit):
        return {**said, "threshold": area.unit.threshold}
    return said
