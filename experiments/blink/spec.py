"""The specification of a blink experiment: everything that determines its numbers."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Self

import numpy as np
import tomli_w
from pydantic import Field, ValidationError, model_validator

from experiments.blink.recipes import GRU, Rehearsal, Schooling, is_reportable
from experiments.blink.task import Task, conditions
from experiments.store import key_of
from networks import Wiring, wiring_named
from networks.attention import Attention
from networks.described import Described
from networks.errors import BlindspotsError, unknown
from networks.viewing import check_watches
from networks.wiring import explain

PRESETS = ("quick", "full", "fit")
VARYING = ("refractoriness", "refractory_ms", "gate_gain", "threshold", "consolidation_per_s")


class Observed(Described):
    """One kind of observer: a sensory network of the catalogue with attention behind it.

    ``attention`` changes parameters of the specification's own. Gate and memory are spiking pools
    where the sensory network's units spike. ``control`` says in words what the observer is a
    control of, where it must not blink; ``conditions`` are those it is shown, by default all.
    ``individuals`` and ``per_lag`` replace the specification's own. With ``end_to_end`` the network
    (of the catalogue, or "gru") has no attention behind it and reports by itself: it is trained on
    whole streams (``rehearsal`` changes the specification's own).
    """

    network: str
    end_to_end: bool = False
    attention: dict[str, Any] = Field(default={})
    rehearsal: dict[str, Any] = Field(default={})
    control: str = ""
    conditions: tuple[str, ...] = ()
    individuals: Annotated[int, Field(ge=1)] | None = None
    per_lag: Annotated[int, Field(ge=1)] | None = None

    @property
    def wiring(self) -> Wiring | None:
        """That of its network; None of gated recurrent units, which have none."""
        return None if self.end_to_end and self.network == GRU else wiring_named(self.network)


class BlinkSpec(Described):
    """Who watches streams, of which kinds, and how many.

    ``sensory`` networks of each kind are taught with seeds of their own (``schooling``);
    ``individuals`` have one of them each, in turn, and parameters of attention of their own: the
    logarithms of :data:`VARYING` have the standard deviation ``variation`` around ``attention``.
    ``per_lag`` trials of each lag are shown in "dual", ``per_lag_other`` elsewhere. The noise on
    pixels is set once for each sensory network and kind of observer, on validation images, so that
    a single target is reported in a share ``level`` of trials at ``contrast``; it is the same in
    all conditions. Nothing is fitted in a run.
    """

    title: str = "blink"
    observers: Annotated[dict[str, Observed], Field(min_length=1)]
    conditions: Annotated[tuple[str, ...], Field(min_length=1)]
    sensory: Annotated[int, Field(ge=1)] = 2
    individuals: Annotated[int, Field(ge=1)] = 4
    variation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    per_lag: Annotated[int, Field(ge=1)] = 100
    per_lag_other: Annotated[int, Field(ge=1)] = 50
    contrast: Annotated[float, Field(gt=0, le=1)] = 0.75
    level: Annotated[float, Field(gt=0, lt=1)] = 0.88
    task: Task = Task()
    schooling: Schooling = Schooling()
    rehearsal: Rehearsal = Rehearsal()
    attention: Attention = Attention()
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _can_be_honoured(self) -> Self:
        known = conditions(self.task)
        for who, observer in self.observers.items():
            try:
                if wiring := observer.wiring:
                    check_watches(wiring)
                self.usual_attention(who)
                self.rehearsal_of(who)
            except ValidationError as error:
                raise ValueError(f"observers.{who}: {explain(error)}") from None
            except BlindspotsError as error:
                raise ValueError(f"observers.{who}: {str(error).rstrip('.')}") from None
            for name in (*self.conditions, *observer.conditions):
                if name not in known:
                    raise ValueError(str(unknown("condition", name, known)).rstrip(".?"))
            if observer.end_to_end:
                self._check_whole(who, known)
        if not any("dual" in self.shown_to(who) for who in self.observers):
            raise ValueError(
                "conditions: nobody is shown 'dual', beside which all else is measured; add it"
            )
        if self.task.dt_ms != self.schooling.dt_ms:
            raise ValueError(
                f"task.dt_ms: {self.task.dt_ms:g} ms, and sensory networks are taught in steps of "
                f"{self.schooling.dt_ms:g} ms; make them one"
            )
        return self

    def _check_whole(self, who: str, known: Mapping[str, Task]) -> None:
        """Raise ValueError where an observer trained end to end is asked for what it cannot do."""
        if self.observers[who].attention:
            raise ValueError(
                f"observers.{who}: what is trained end to end has no attention; drop one of the two"
            )
        how = self.rehearsal_of(who)
        if how.glances and self.observers[who].wiring is None:
            raise ValueError(
                f"observers.{who}: gated recurrent units have no areas that learn from single "
                "pictures; set its rehearsal's glances to 0"
            )
        dt_ms = how.dt_ms
        for name in self.shown_to(who):
            if not is_reportable(known[name], dt_ms):
                raise ValueError(
                    f"observers.{who}: what is trained end to end reports pairs of digits, in "
                    f"steps of {dt_ms:g} ms; '{name}' asks for something else: set "
                    'its conditions, for example to ["dual"]'
                )

    @property
    def attentive(self) -> dict[str, Observed]:
        """The observers that have attention, by name."""
        return {who: each for who, each in self.observers.items() if not each.end_to_end}

    def rehearsal_of(self, observer: str) -> Rehearsal:
        """How an observer is trained end to end."""
        changes = self.observers[observer].rehearsal
        return Rehearsal.model_validate({**dict(self.rehearsal), **changes})

    def shown_to(self, observer: str) -> tuple[str, ...]:
        """The conditions that an observer is shown."""
        return self.observers[observer].conditions or self.conditions

    def individuals_of(self, observer: str) -> int:
        """How many there are of a kind of observer."""
        return self.observers[observer].individuals or self.individuals

    def per_lag_of(self, observer: str, condition: str) -> int:
        """Trials for each lag of a condition and individual."""
        if condition != "dual":
            return self.per_lag_other
        return self.observers[observer].per_lag or self.per_lag

    def is_spiking(self, observer: str) -> bool:
        """Whether the observer's units are spiking ones."""
        wiring = self.observers[observer].wiring
        return bool(wiring and wiring.spiking)

    def usual_attention(self, observer: str) -> Attention:
        """The parameters around which individuals of a kind of observer vary."""
        changes = self.observers[observer].attention
        return Attention.model_validate({**dict(self.attention), **changes})

    def attention_of(self, observer: str, individual: int) -> Attention:
        """The parameters of one individual; the same deviations in all kinds of observers."""
        seed = int(key_of(vary=self.seed, individual=individual)[:12], 16)
        deviations = np.random.default_rng(seed).standard_normal(len(VARYING))
        factors = np.exp(self.variation * deviations)
        usual = dict(self.usual_attention(observer))
        own = {name: float(usual[name] * f) for name, f in zip(VARYING, factors, strict=True)}
        return Attention.model_validate({**usual, **own})

    def to_toml(self) -> str:
        """Text that :func:`blink_spec_from` reads back to an equal specification."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def blink_preset(name: str) -> dict[str, Any]:
    """The settings of a preset, to be overridden and given to :func:`blink_spec_from`."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return tomllib.loads((files("experiments") / "blink" / f"{name}.toml").read_text())


def blink_spec_from(settings: dict[str, Any], **overrides: Any) -> BlinkSpec:
    """The specification of ``settings``; those ``overrides`` that are not None replace them."""
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        return BlinkSpec.model_validate({**settings, **given})
    except ValidationError as error:
        raise BlindspotsError(f"The blink cannot be run: {explain(error)}.") from None
