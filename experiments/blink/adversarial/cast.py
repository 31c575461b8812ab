"""Who there is in a finished run: who can be attacked, and who else looks on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.blink.adversarial.individual import Individual
from experiments.blink.spec import BlinkSpec
from experiments.blink.units import Teach, Titrate
from networks.errors import BlindspotsError, unknown


@dataclass(frozen=True)
class Cast:
    """The observers of ``spec``; ``titrated`` by kind and sensory network."""

    spec: BlinkSpec
    titrated: Mapping[tuple[str, int], Titrate]

    def individual(self, kind: str, number: int) -> Individual:
        """One of a kind."""
        titrated = self.titrated[kind, number % self.spec.sensory]
        return Individual(kind, number, self.spec.attention_of(kind, number), titrated)

    def numbers(self, kind: str, most: int) -> range:
        """The first ``most`` of a kind, or all."""
        return range(min(most, self.spec.individuals_of(kind)))

    def is_control(self, kind: str) -> bool:
        """Whether a kind is not to blink."""
        return bool(self.spec.observers[kind].control)

    def has_attention(self, kind: str) -> bool:
        """Whether there is a memory behind a kind's network, whose input can be attacked."""
        return isinstance(self.titrated[kind, 0].taught, Teach)

    def usual(self) -> list[str]:
        """The kinds with the run's own gate, and the controls."""
        own = self.spec.attention.gate
        return [
            kind
            for kind, observed in self.spec.observers.items()
            if self.has_attention(kind)
            and (observed.control or observed.attention.get("gate", own) == own)
        ]

    def check(self, kinds: Sequence[str]) -> None:
        """Raise BlindspotsError for a kind that there is not, or that cannot be attacked."""
        for kind in kinds:
            if kind not in self.spec.observers:
                raise unknown("observer", kind, self.spec.observers, "in this run")
            if not self.has_attention(kind):
                raise BlindspotsError(
                    f"'{kind}' has no attention behind its network, so that no memory's input can "
                    f"be attacked; name others, such as {self.usual()[0]}."
                )

    def judges(self, kind: str, number: int) -> dict[str, Individual]:
        """Who else judges what was crafted on an individual, by what they are to it."""
        spec, found = self.spec, {}
        count = spec.individuals_of(kind)
        next_ones = [(number + step) % count for step in range(1, count)]
        for senses, is_same in (("same senses", True), ("other senses", False)):
            for each in next_ones:
                if ((each - number) % spec.sensory == 0) == is_same:
                    found[f"another, {senses}"] = self.individual(kind, each)
                    break
        for other, observed in spec.observers.items():
            if not self.has_attention(other):
                continue
            if self.is_control(other) and observed.network == spec.observers[kind].network:
                found[other] = self.individual(other, number % spec.individuals_of(other))
            elif not self.is_control(other) and spec.is_spiking(other) != spec.is_spiking(kind):
                there = self.individual(other, number % spec.individuals_of(other))
                found.setdefault("the other reading", there)
        return found
