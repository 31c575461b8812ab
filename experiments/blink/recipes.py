"""How networks are taught to watch streams: the settings, which are known before PyTorch is there.

What is done by them: :mod:`experiments.blink.schooling` and :mod:`experiments.blink.rehearsal`.
"""

from typing import Annotated

from pydantic import Field

from experiments.blink.task import Task
from networks.described import Described

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
GRU = "gru"


class Schooling(Described):
    """How a sensory network is taught.

    ``epochs`` times every training image, in batches of ``streams`` streams of ``items`` items,
    each shown for between ``shortest_ms`` and ``longest_ms``, drawn for each batch; the highest
    learning ``rate`` of a one-cycle schedule (AdamW). Noise on pixels has
    a standard deviation up to ``noise``, contrast is between ``contrast`` and 1, both drawn for
    each stream and item. Of the items ``distractors`` are such (one in four of each kind) and
    ``blanks`` empty; ``rings`` of all have a ring, of a brightness between 0.3 and 0.9.
    """

    epochs: Annotated[int, Field(ge=1)] = 5
    streams: Annotated[int, Field(ge=1)] = 32
    items: Annotated[int, Field(ge=2)] = 4
    shortest_ms: Annotated[float, Field(gt=0)] = 50.0
    longest_ms: Annotated[float, Field(gt=0)] = 80.0
    dt_ms: Annotated[float, Field(gt=0)] = 10.0
    rate: Annotated[float, Field(gt=0)] = 8e-3
    noise: Annotated[float, Field(ge=0)] = 0.4
    contrast: Share = 0.5
    distractors: Share = 0.35
    blanks: Share = 0.15
    rings: Share = 0.3

    @property
    def durations(self) -> tuple[int, int]:
        """The fewest and the most steps for which an item is shown."""
        return round(self.shortest_ms / self.dt_ms), round(self.longest_ms / self.dt_ms)


class Rehearsal(Described):
    """How a network is trained end to end.

    ``batches`` of ``per_lag`` streams of each lag, one in four of them with a single target; the
    noise on pixels has a standard deviation up to ``noise``, drawn for each batch. AdamW with a
    one-cycle schedule up to ``rate``. The network is stepped by ``dt_ms``, a divisor of the task's
    interval; units of a wiring forget over ``tau_ms``, and gated recurrent units are ``units``.
    Beside the answer after the stream, those of a stream that had ended with any earlier item are
    asked for, with the weight ``prefixes``. At first streams end soon after the earliest first
    target; over the fraction ``growing`` of the batches they grow to their length. Before all
    this the first areas of a wiring learn from ``glances`` batches of single pictures.
    """

    batches: Annotated[int, Field(ge=1)] = 1500
    per_lag: Annotated[int, Field(ge=1)] = 8
    rate: Positive = 3e-3
    noise: Annotated[float, Field(ge=0)] = 0.4
    dt_ms: Positive = 50.0
    tau_ms: Positive = 100.0
    units: Annotated[int, Field(ge=1)] = 128
    prefixes: Annotated[float, Field(ge=0)] = 1.0
    growing: Share = 0.0
    glances: Annotated[int, Field(ge=0)] = 0


def is_reportable(task: Task, dt_ms: float) -> bool:
    """Whether such an observer can do the task: it knows one, pairs of digits among others.

    It takes no instruction, and its steps must fit the task's interval.
    """
    steps = task.soa_ms / dt_ms
    plain = task.pattern == "pair" and task.instruction == "both" and task.targets == "category"
    return plain and steps >= 1 - 1e-9 and abs(steps - round(steps)) < 1e-6
