"""What an observer is shown and asked: two targets in a rapid stream of items.

After Raymond, Shapiro & Arnell (1992), Chun & Potter (1995) and, for targets that a ring marks,
Goodbourn et al. (2016).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from networks.described import Described
from networks.errors import BlindspotsError, unknown
from networks.wiring import explain

Distractor = Literal["shuffled", "fine", "coarse", "letters"]
PATCH: dict[Distractor, int] = {"fine": 4, "shuffled": 7, "coarse": 14}
"""Side in pixels of the patches of a digit that change places; the larger, the more it is one."""

LONGEST = 24  # stream, in items
TRAILING = 4  # items after the last target, which mask it and keep it from standing out
FAINT = 0.5

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Salience = Annotated[float, Field(gt=0, le=3)]


class Task(Described):
    """One condition of the experiment.

    A stream has ``items`` items, one every ``soa_ms`` (stimulus onset asynchrony); the simulator
    steps by ``dt_ms``. The first target T1 stands at one of the positions ``first``, counted from
    0, and the last target ``lags`` items later. All positions and lags are equally frequent.

    - ``targets``: "category", digits among ``distractor``; or "cue", ringed digits among digits.
    - ``distractor``: a digit whose patches of 4 ("fine"), 7 ("shuffled") or 14 pixels ("coarse")
      have changed places, or "letters".
    - ``instruction``: report "both" targets, the "second" alone, or report T1 and "detect" T2
      (whatever it is called). "second" asks for what is ringed, so that T2 must be.
    - ``ring``: brightness of the ring, from 0 to 1. ``t2_ringed`` gives T2 one although its
      category defines it.
    - ``t1_contrast``, ``t2_contrast``: by how much these stand out, as factors of the contrast.
    - ``blank_after_t1``: nothing is shown after T1, where no target is due; ``t2_last``: nothing
      after T2; ``t2_absent``: a distractor in T2's place; ``single``: one in T1's.
    - ``pattern``: a "pair" of targets, or triplets "TTT" and "TDT" (Di Lollo et al. 2005) of three
      successive items, whose last is T3 and whose lag is therefore 2.

    Raises :class:`pydantic.ValidationError`, naming field and value, where the values cannot be
    honoured together; :func:`task_from` turns it into one sentence.
    """

    soa_ms: Positive = 100.0
    dt_ms: Positive = 10.0
    items: Annotated[int, Field(ge=15, le=LONGEST)] = 20
    first: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (3, 4, 5, 6, 7)
    lags: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = tuple(
        range(1, 9)
    )
    targets: Literal["category", "cue"] = "category"
    distractor: Distractor = "shuffled"
    instruction: Literal["both", "second", "detect"] = "both"
    ring: Annotated[float, Field(gt=0, le=1)] = 0.9
    t2_ringed: bool = False
    t1_contrast: Salience = 1.0
    t2_contrast: Salience = 1.0
    blank_after_t1: bool = False
    t2_last: bool = False
    t2_absent: bool = False
    single: bool = False
    pattern: Literal["pair", "TTT", "TDT"] = "pair"

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        steps = self.soa_ms / self.dt_ms
        if steps < 1 - 1e-9 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"soa_ms: {self.soa_ms:g} ms is no whole number of steps of {self.dt_ms:g} ms; "
                "change dt_ms to a divisor of it"
            )
        for name, values in (("first", self.first), ("lags", self.lags)):
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name}: {values} must rise, each given once")
        needed = self.first[-1] + self.lags[-1] + 1 + TRAILING * (not self.t2_last)
        if needed > self.items:
            raise ValueError(
                f"lags: lag {self.lags[-1]} after position {self.first[-1]} takes {needed} items "
                f"with the {TRAILING} that trail, and the stream has {self.items}; shorten lags or "
                "first, or raise items"
            )
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        absent = self.t2_absent and "t2_absent"
        missing = absent or (self.single and "single")
        if self.pattern != "pair":
            odd = missing or (self.blank_after_t1 and "blank_after_t1")
            if odd or self.t2_last or self.instruction != "both":
                raise ValueError(f"pattern: {self.pattern} goes with plain streams and 'both' only")
            if self.lags != (2,):
                raise ValueError(
                    f"lags: the last of {self.pattern} comes at lag 2; set lags to (2,)"
                )
        if self.single and self.t2_absent:
            raise ValueError("single: without T2 no target is left; drop t2_absent")
        if self.single and self.blank_after_t1:
            raise ValueError("blank_after_t1: a single target has no T1; drop one of the two")
        if self.t2_last and self.t2_absent:
            raise ValueError("t2_last: T2 cannot be last and absent; drop one of the two")
        if self.targets == "cue" and self.instruction == "second":
            raise ValueError(
                "instruction: 'second' asks for what is ringed, and so does a cue; a first target "
                "without a ring is what 'single' gives"
            )
        if self.instruction == "second" and not self.t2_ringed:
            raise ValueError("instruction: 'second' asks for what is ringed; set t2_ringed")
        return self

    @property
    def steps_per_item(self) -> int:
        """Steps of the simulator from one item to the next."""
        return round(self.soa_ms / self.dt_ms)

    def but(self, **changes: object) -> "Task":
        """The same task with these fields changed, checked again."""
        return task_from({**dict(self), **changes})


def task_from(settings: dict[str, object]) -> Task:
    """The task of ``settings``; BlindspotsError names what cannot be honoured."""
    for name in settings:
        if name not in Task.model_fields:
            raise unknown("setting of a task", name, Task.model_fields)
    try:
        return Task.model_validate(settings)
    except ValidationError as error:
        raise BlindspotsError(f"The task cannot be shown: {explain(error)}.") from None


def conditions(base: Task | None = None) -> dict[str, Task]:
    """The conditions of the experiment by name, each a change of ``base``, the dual task.

    "ignore-t1" shows the same pixels as "dual-ringed", where both targets are to be reported: in
    both a faint ring goes with T2, and only the instruction differs. With one seed all pairs at
    one SOA and with the same distractors share their items, but for those that a condition changes.
    """
    dual = base or Task()
    faint: dict[str, object] = {"t2_ringed": True, "ring": FAINT}
    triplet: dict[str, object] = {"lags": (2,)}
    short = {"soa_ms": 50.0, "items": 22, "lags": tuple(range(1, 11))}
    long = {"soa_ms": 150.0, "lags": tuple(range(1, 7))}
    return {
        "dual": dual,
        "dual-ringed": dual.but(**faint),
        "ignore-t1": dual.but(**faint, instruction="second"),
        "single": dual.but(single=True),
        "t1+1-blank": dual.but(blank_after_t1=True),
        "t2-last": dual.but(t2_last=True),
        "soa-50": dual.but(**short),
        "soa-150": dual.but(**long),
        "TTT": dual.but(**triplet, pattern="TTT"),
        "TDT": dual.but(**triplet, pattern="TDT"),
        "t2-absent": dual.but(t2_absent=True),
        "detect": dual.but(instruction="detect"),
        "detect-absent": dual.but(instruction="detect", t2_absent=True),
        "t1-salient": dual.but(t1_contrast=1.4),
        "t2-salient": dual.but(t2_contrast=1.4),
        "similar": dual.but(distractor="coarse"),
        "dissimilar": dual.but(distractor="fine"),
        "letters": dual.but(distractor="letters"),
        "cued": dual.but(targets="cue"),
        "cued-single": dual.but(targets="cue", single=True),
    }


def condition_named(name: str, base: Task | None = None) -> Task:
    """The condition of that name; BlindspotsError where there is none."""
    known = conditions(base)
    if name not in known:
        raise unknown("condition", name, known)
    return known[name]
