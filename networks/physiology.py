"""The biophysical parameters of a detailed run, each with its unit and the source of its default.

All that a user can set stands here. A field's name ends in its unit: ms, mv, pf, pa; fields
without one are fractions.
"""

from math import log
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from networks.area import SpikingUnit
from networks.described import Described
from networks.errors import BlindspotsError, unknown
from networks.wiring import explain

Ingredient = Literal[
    "currents",
    "conductances",
    "reset",
    "refractoriness",
    "jitter",
    "noise",
    "heterogeneity",
    "adaptation",
]
INGREDIENTS: dict[Ingredient, str] = {
    "currents": "spikes arrive as exponential synaptic currents instead of voltage jumps",
    "conductances": "spikes arrive as exponential synaptic conductances instead of voltage jumps",
    "reset": "a spike takes the membrane to reset_mv, instead of taking the distance from rest to "
    "threshold off it",
    "refractoriness": "a spike holds the membrane for refractory_ms, where a trained unit goes on "
    "and spikes again after a step",
    "jitter": "every axon has its own delay, the same for all its spikes",
    "noise": "a white current noise on every membrane",
    "heterogeneity": "every cell has its own threshold and membrane time constant",
    "adaptation": "every spike adds to a slow outward current",
}
USUAL: tuple[Ingredient, ...] = (
    *("conductances", "reset", "refractoriness", "jitter", "noise", "heterogeneity"),
)

DETAILED = "@cells"
"""Ends the name of a network whose units were replaced by cells."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Physiology(Described):
    """How the units of a trained spiking network are turned into cells.

    Without any ingredient a cell is the trained unit in millivolts on a finer time grid: it still
    spikes at most once in ``step_ms``, and at ``dt_ms = step_ms`` it is the trained unit itself.
    Defaults and sources:

    - ``step_ms`` 2: what one step of the trained network lasts. With the catalogue's beta of 0.9
      it gives a membrane time constant of 19 ms (Brunel & Wang 2001: 20 ms), and a delay of one
      step is within the 1.5 +- 0.75 ms of Potjans & Diesmann (2014).
    - ``dt_ms`` 0.1: integration step; Potjans & Diesmann (2014).
    - ``capacitance_pf`` 500, ``rest_mv`` -70, ``threshold_mv`` -50: pyramidal cells of Brunel &
      Wang (2001). ``reset_mv`` is the rest, where the trained reset by subtraction leads from the
      threshold; they have -55. ``refractory_ms`` 1: their interneurons; 2, as in their pyramidal
      cells, would leave no time to charge a cell whose unit was trained to fire every step.
    - ``tau_excitatory_ms`` 2 (AMPA), ``tau_inhibitory_ms`` 5 (GABA-A): Brunel & Wang (2003).
    - ``reversal_excitatory_mv`` 0, ``reversal_inhibitory_mv`` -80: Vogels & Abbott (2005).
    - ``jitter`` 0.5: standard deviation of axonal delays over their mean; Potjans & Diesmann
      (2014), there per synapse.
    - ``noise_mv`` 4: standard deviation of the membrane at rest, by a white current; the size is
      that of Destexhe et al. (2001) after in vivo recordings, who use fluctuating conductances.
    - ``threshold_spread_mv`` 4, ``tau_spread`` 0.09: standard deviations between cells (of the time
      constant over its mean); excitatory cells of Duarte & Morrison (2019), Table 1, whose
      thresholds lie 31 mV above rest and who let more than these two vary.
    - ``adaptation_pa`` 80.5, ``tau_adaptation_ms`` 144: Brette & Gerstner (2005).

    (Brunel & Wang, J. Comput. Neurosci. 11:63, J. Neurophysiol. 90:415; Potjans & Diesmann, Cereb.
    Cortex 24:785; Vogels & Abbott, J. Neurosci. 25:10786; Destexhe et al., Neuroscience 107:13;
    Duarte & Morrison, PLoS Comput. Biol. 15:e1006781; Brette & Gerstner, J. Neurophysiol. 94:3637.)

    Weights keep their trained signs: a cell may excite some and inhibit others, against Dale's law.
    The membrane time constant is no parameter: -step_ms / ln(beta) of the trained unit.

    Raises :class:`pydantic.ValidationError`, naming field and value, where the values cannot be
    honoured together; :func:`physiology_from` turns it into one sentence.
    """

    ingredients: tuple[Ingredient, ...] = USUAL
    step_ms: Positive = 2.0
    dt_ms: Positive = 0.1
    capacitance_pf: Positive = 500.0
    rest_mv: float = -70.0
    threshold_mv: float = -50.0
    reset_mv: float = -70.0
    refractory_ms: NotNegative = 1.0
    tau_excitatory_ms: Positive = 2.0
    tau_inhibitory_ms: Positive = 5.0
    reversal_excitatory_mv: float = 0.0
    reversal_inhibitory_mv: float = -80.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.5
    noise_mv: NotNegative = 4.0
    threshold_spread_mv: NotNegative = 4.0
    tau_spread: Annotated[float, Field(ge=0, lt=0.5)] = 0.09
    adaptation_pa: NotNegative = 80.5
    tau_adaptation_ms: Positive = 144.0

    @model_validator(mode="after")
    def _can_be_honoured(self) -> Self:
        if len(set(self.ingredients)) < len(self.ingredients):
            raise ValueError("ingredients: one is given twice")
        if {"currents", "conductances"} <= set(self.ingredients):
            raise ValueError("ingredients: synapses are currents or conductances, not both")
        whole = self.step_ms / self.dt_ms
        if whole < 1 - 1e-9:
            raise ValueError(
                f"dt_ms: {self.dt_ms:g} ms is longer than a step of {self.step_ms:g} ms, the "
                "shortest delay; lower it"
            )
        if abs(whole - round(whole)) > 1e-6:
            raise ValueError(
                f"dt_ms: a step of {self.step_ms:g} ms is no whole number of {self.dt_ms:g} ms"
            )
        if not self.reversal_inhibitory_mv < self.reference_mv < self.reversal_excitatory_mv:
            raise ValueError(
                f"reversal potentials: {self.reversal_inhibitory_mv:g} mV (inhibitory) and "
                f"{self.reversal_excitatory_mv:g} mV (excitatory) must lie on either side of "
                f"{self.reference_mv:g} mV, half-way from rest to threshold"
            )
        if not self.rest_mv < self.threshold_mv or not self.reset_mv < self.threshold_mv:
            raise ValueError(
                f"threshold_mv: {self.threshold_mv:g} mV must lie above rest_mv "
                f"({self.rest_mv:g}) and reset_mv ({self.reset_mv:g})"
            )
        return self

    def has(self, ingredient: Ingredient) -> bool:
        """Whether it is switched on."""
        return ingredient in self.ingredients

    def only(self, *ingredients: Ingredient) -> "Physiology":
        """The same values with these ingredients alone."""
        return Physiology(**{**dict(self), "ingredients": ingredients})

    @property
    def samples(self) -> int:
        """Integration steps in one step of the trained network."""
        return round(self.step_ms / self.dt_ms)

    @property
    def span_mv(self) -> float:
        """From rest to threshold."""
        return self.threshold_mv - self.rest_mv

    @property
    def reference_mv(self) -> float:
        """Where a conductance carries the charge of the trained weight: half-way to threshold."""
        return self.rest_mv + self.span_mv / 2

    @property
    def driving_mv(self) -> tuple[float, float]:
        """Distance of the excitatory and the inhibitory reversal from there."""
        return (
            self.reversal_excitatory_mv - self.reference_mv,
            self.reference_mv - self.reversal_inhibitory_mv,
        )

    @property
    def synapses(self) -> Literal["jumps", "currents", "conductances"]:
        """How spikes act on the membrane."""
        if self.has("currents"):
            return "currents"
        return "conductances" if self.has("conductances") else "jumps"

    def time_constant_ms(self, area: str, unit: SpikingUnit) -> float:
        """The membrane time constant that decays by beta in a step; BlindspotsError for beta 0."""
        if not unit.beta:
            raise BlindspotsError(
                f"Area '{area}' has beta 0: its units forget within a step and have no membrane to "
                "simulate; give them a larger beta."
            )
        return -self.step_ms / log(unit.beta)

    @property
    def label(self) -> str:
        """The ingredients, for people."""
        return " + ".join(self.ingredients) or "bare"


def ablations(physiology: Physiology) -> dict[str, Physiology]:
    """No ingredient, each ingredient alone, and all of ``physiology``: the ablation axis."""
    alone: dict[str, Physiology] = {name: physiology.only(name) for name in INGREDIENTS}
    return {"bare": physiology.only(), **alone, "together": physiology}


def physiology_from(settings: dict[str, object]) -> Physiology:
    """The physiology of ``settings``; BlindspotsError names what cannot be honoured."""
    for name in settings:
        if name not in Physiology.model_fields:
            raise unknown("physiological parameter", name, Physiology.model_fields)
    try:
        return Physiology.model_validate(settings)
    except ValidationError as error:
        raise BlindspotsError(f"The physiology cannot be used: {explain(error)}.") from None
