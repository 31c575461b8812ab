"""What people do under manipulations that nothing was fitted to, and whether a network does it too.

Each prediction is a difference whose sign is known of people. Sources: Chun & Potter 1995 (similar
distractors deepen the blink); Bowman & Wyble 2007 (short intervals: sparing in time, not in items;
a stronger T2 is seen more, and takes T1 and the order with it); Raymond et al. 1992 (detection);
Nieuwenstein et al. 2009 and Goodbourn et al. 2016 (no blink after a missed T1).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.blink import shape
from experiments.blink.grade import INSIDE
from experiments.blink.resampled import Resampled, interval_of
from experiments.blink.streams import Floats


@dataclass(frozen=True)
class Prediction:
    """One known direction.

    Attributes:
        name: the difference.
        direction: +1 or -1, of people.
        measured: the network's, on the mean curve over individuals; NaN where it was not run.
        low, high: of its 95 % interval.
        right: whether the whole interval has the sign of people (True) or the other (False); None
            where it holds 0 or nothing was measured.
    """

    name: str
    direction: int
    measured: float
    low: float
    high: float
    right: bool | None


def predictions(
    found: xr.Dataset, network: str, generator: np.random.Generator
) -> list[Prediction]:
    """All of them for ``network``, from :func:`experiments.blink.curves.curves`."""
    here = Resampled(found, network, generator)
    return [predicted(*each) for each in known_directions(here)]


def predicted(name: str, direction: int, draws: Floats) -> Prediction:
    """The prediction with its interval; ``draws`` are the sample's value and resamples'."""
    low, high = interval_of(draws[1:])
    value = float(draws[0])
    undecided = not (np.isfinite(value) and low * high > 0)
    right = None if undecided else bool(np.sign(low) == direction)
    return Prediction(name, direction, value, low, high, right)


def known_directions(here: Resampled) -> Iterator[tuple[str, int, Floats]]:
    """Name, the sign in people, and the difference (draw,)."""
    deep = {
        name: here.shape(shape.depth, name)
        for name in ("dual", "similar", "dissimilar", "letters", "detect", "cued")
    }
    inside = here.at("last", "dual", *INSIDE)
    missed = here.at("t2_given_t1_miss", "dual", 2)
    yield "depth, similar distractors over dissimilar", 1, deep["similar"] - deep["dissimilar"]
    yield "depth, detection of T2", 1, deep["detect"]
    yield "depth, cued targets", 1, deep["cued"]
    yield "depth, among letters", 1, deep["letters"]
    yield "T2 at lag 2, T1 missed over reported", 1, missed - here.at("last", "dual", 2)
    yield "T2|T1 inside the blink, T2 salient", 1, here.at("last", "t2-salient", *INSIDE) - inside
    t1 = here.mean("t1", "dual").mean(1)
    yield "T1 at lag 1, T2 salient", -1, here.at("t1", "t2-salient", 1) - here.at("t1", "dual", 1)
    reversals = here.at("reversals", "t2-salient", 1) - here.at("reversals", "dual", 1)
    yield "reversals at lag 1, T2 salient", 1, reversals
    yield "T1, T1 salient", 1, here.mean("t1", "t1-salient").mean(1) - t1
    yield "T1, 50 ms over 100 ms", -1, here.mean("t1", "soa-50").mean(1) - t1
    spared = here.at("last", "soa-50", 2) - here.at("last", "soa-50", 4, 5, 6)
    yield "sparing in time: lag 2 over lags 4 to 6 at 50 ms", 1, spared
    slow = here.at("last", "soa-150", 2, 3) - inside
    yield "T2|T1 at lags 2 and 3, 150 ms over 100 ms", 1, slow
    absent = here.mean("false_alarms", "t2-absent").mean(1)
    yield (
        "T2 reported where it is over where it is not",
        1,
        here.mean("last", "dual").mean(1) - absent,
    )
