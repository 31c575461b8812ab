"""One individual of a kind of observer, as others name it, and as it is loaded."""

from dataclasses import dataclass
from typing import Any

from experiments.blink.adversarial.observer import Observer
from experiments.blink.pictures import Noise
from experiments.blink.units import Titrate
from experiments.units import said
from networks.attention import Attention


@dataclass(frozen=True)
class Individual:
    """``number`` of ``kind``: its own attention, behind the sensory network that was titrated."""

    kind: str
    number: int
    attention: Attention
    titrated: Titrate

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.kind} ({self.number})"

    @property
    def facts(self) -> dict[str, Any]:
        """What determines its answers, for keys."""
        return {"titrated": self.titrated.key, "attention": said(self.attention)}

    def observer(self) -> Observer:
        """It, loaded."""
        return Observer(self.titrated.sensory.load(), self.attention, self.titrated.spiking)

    def noise(self) -> Noise:
        """What is laid over the items that it is shown."""
        return self.titrated.noise()
