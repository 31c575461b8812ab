"""A wiring that watches a stream of items instead of one image."""

from math import exp

from networks.area import RateUnit, SpikingUnit
from networks.derive import hidden
from networks.errors import BlindspotsError
from networks.wiring import Wiring

ITEM_CLASSES = 13
"""The digits 0 to 9, a distractor, an empty screen; and, judged apart, whether there is a cue."""
DISTRACTOR, EMPTY, CUE = 10, 11, 12


def viewing(
    wiring: Wiring, dt_ms: float, tau_ms: float = 20.0, classes: int = ITEM_CLASSES
) -> Wiring:
    """The same areas and projections for streams that are stepped by ``dt_ms``.

    Units forget with the time constant ``tau_ms`` (spiking ones by their beta), the output has
    ``classes`` units, and every delay is one of whole steps as before. A network that
    answers one still image may do without memory; one that watches a stream needs to let go of
    what has passed, and to bridge the steps of an item.
    """
    leak, beta = min(1.0, dt_ms / tau_ms), exp(-dt_ms / tau_ms)
    inner = {area.name for area in hidden(wiring)}
    areas = []
    for area in wiring.areas:
        changes: dict[str, object] = {}
        if area.name in inner and isinstance(area.unit, SpikingUnit):
            changes = {"unit": area.unit.model_copy(update={"beta": beta})}
        elif area.name != wiring.input.name:
            assert isinstance(area.unit, RateUnit)
            changes = {"unit": area.unit.model_copy(update={"leak": leak})}
        if area.name == wiring.output:
            changes["shape"] = (classes,)
        areas.append(area.model_copy(update=changes))
    return wiring.replace(areas=tuple(areas))


def check_watches(wiring: Wiring) -> None:
    """Raise BlindspotsError where a wiring's input cannot show a stream of intensities."""
    unit = wiring.stimulated
    if unit.code.model != "constant" or unit.threshold is not None:
        raise BlindspotsError(
            f"'{wiring.name}' codes its input as {unit.label}; streams are shown as intensities: "
            "take a network with a constant input."
        )
