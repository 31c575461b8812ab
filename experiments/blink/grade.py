"""Whether a population blinks as people do: every target as a row with its interval.

A row's measure is taken on the mean curve over individuals; its interval is that of
:mod:`experiments.blink.resampled`. A target is passed by the measure itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.blink import shape
from experiments.blink.curves import lags_ms
from experiments.blink.humans import fit
from experiments.blink.resampled import Resampled, interval_of
from experiments.blink.streams import Floats

INDIVIDUALS, TRIALS, POPULATION = 20, 2000, 40
INSIDE = (2, 3)  # lags in items of the middle of the blink
NO_BLINK = 0.10  # magnitude below which an individual is a non-blinker
POOR = 0.5  # late level at which one is a poor performer


@dataclass(frozen=True)
class Row:
    """One target.

    Attributes:
        name: what is measured.
        wanted: the target in words.
        measured: the value; NaN where the data do not hold it.
        low, high: of its 95 % interval; NaN where it has none.
        passed: whether the value is as wanted; None where it could not be measured.
    """

    name: str
    wanted: str
    measured: float
    low: float
    high: float
    passed: bool | None


@dataclass(frozen=True)
class Band:
    """Where a value shall lie, ends included."""

    low: float = -np.inf
    high: float = np.inf

    def __str__(self) -> str:
        if np.isinf(self.high):
            return f">= {self.low:g}"
        return f"<= {self.high:g}" if np.isinf(self.low) else f"{self.low:g} to {self.high:g}"

    def holds(self, value: float) -> bool | None:
        """Whether the value lies there; None for NaN."""
        rounding = 1e-9
        if not np.isfinite(value):
            return None
        return bool(self.low - rounding <= value <= self.high + rounding)


def row(name: str, band: Band, draws: Floats) -> Row:
    """The row of a measure; ``draws`` are the sample's value and those of resamples."""
    value = float(draws[0])
    return Row(name, str(band), value, *interval_of(draws[1:]), band.holds(value))


def grade(
    found: xr.Dataset,
    network: str,
    generator: np.random.Generator,
    *,
    controls: Mapping[str, str] | None = None,
    population: str | None = None,
) -> list[Row]:
    """All targets for ``network``.

    Args:
        found: of :func:`experiments.blink.curves.curves`.
        network: whose curves.
        generator: of the resamples.
        controls: networks among the curves that must not blink, and what each of them is.
        population: the network whose individuals vary as people do; by default ``network``.

    Raises:
        BlindspotsError: there is no such network among the curves, or it has no trials.
    """
    here = Resampled(found, network, generator)
    rows = [*extent(here), *levels(here), *blink(here), *human(here), *manipulated(here)]
    for control, what in (controls or {}).items():
        depth = Resampled(found, control, generator).shape(shape.depth)
        rows.append(row(f"depth without a blink: {what}", Band(high=0.08), depth))
    people = Resampled(found, population, generator) if population else here
    return [*rows, *differences(people)]


def extent(here: Resampled) -> Iterator[Row]:
    """How much was measured."""
    trials = here.found["trials"]
    dual = trials.sel(condition="dual").sum("individual") if here.has("dual") else trials[:0].sum()
    fewest = float(dual.where(dual > 0).min())
    for name, wanted, value in (
        ("individuals", INDIVIDUALS, float(here.found.sizes["individual"])),
        ("trials per lag, pooled", TRIALS, fewest),
    ):
        yield Row(name, f">= {wanted}", value, np.nan, np.nan, Band(low=wanted).holds(value))


def levels(here: Resampled) -> Iterator[Row]:
    """Accuracy of T1, and of T2 where T1 is ignored."""
    yield row("T1 in the dual task", Band(0.75, 0.95), here.mean("t1", "dual").mean(1))
    control = here.mean("t2", "ignore-t1")
    yield row("T2 at its worst lag, T1 ignored", Band(low=0.80), control.min(1))
    yield row("range of T2 over lags, T1 ignored", Band(high=0.08), np.ptp(control, 1))


def blink(here: Resampled) -> Iterator[Row]:
    """The shape of T2|T1 in the dual task."""
    late = here.shape(shape.late)
    lowest = here.shape(shape.minimum_ms) / 100
    yield row("T2|T1 at lag 1", Band(low=0.60), here.at("last", "dual", 1))
    yield row("where the minimum lies, in 100 ms", Band(2, 3), lowest)
    yield row("minimum of T2|T1", Band(0.20, 0.60), here.shape(shape.minimum))
    yield row("depth", Band(low=0.20), here.shape(shape.depth))
    yield row("depth over late level", Band(low=0.30), here.shape(shape.relative_depth))
    yield row("lag-1 sparing", Band(low=0.10), here.shape(shape.sparing))
    yield row("lag 6 over late level", Band(low=0.85), here.at("last", "dual", 6) / late)
    yield row("half-recovery in ms", Band(280, 500), here.shape(shape.half_recovery_ms))
    reversals = here.mean("reversals", "dual")
    later = reversals[:, 1:].max(1) if reversals.shape[1] > 1 else np.full(len(reversals), np.nan)
    yield row("reversals at lag 1", Band(0.08, 0.40), here.at("reversals", "dual", 1))
    yield row("reversals at any later lag", Band(high=0.05), later)


def human(here: Resampled) -> Iterator[Row]:
    """How close T2|T1 comes to the Berkeley sample."""
    rmse, r = np.full((2, len(here.draws)), np.nan)
    if here.has("dual") and here.lags("dual")[1].max() >= 700:
        ms = here.lags("dual")[1]
        fits = [fit(curve, ms) for curve in here.mean("last", "dual")]
        rmse, r = (np.array([getattr(each, name) for each in fits]) for name in ("rmse", "r"))
    yield row("RMSE to Berkeley", Band(high=0.06), rmse)
    yield row("r with Berkeley", Band(low=0.95), r)


def manipulated(here: Resampled) -> Iterator[Row]:
    """By how much four manipulations lift the last target at lags 2 and 3 (triplets: at lag 2)."""
    dual = here.at("last", "dual", *INSIDE)
    for name, condition, baseline in (
        ("T1 + 1 blank, gain", "t1+1-blank", dual),
        ("T2 last, gain", "t2-last", dual),
        ("T1 ignored, gain", "ignore-t1", here.at("last", "dual-ringed", *INSIDE)),
    ):
        yield row(name, Band(low=0.10), here.at("last", condition, *INSIDE) - baseline)
    gain = here.at("last", "TTT", 2) - here.at("last", "TDT", 2)
    yield row("T3|T1 in TTT over TDT", Band(low=0.10), gain)


def differences(here: Resampled) -> Iterator[Row]:
    """How individuals differ; a non-blinker counts who is no poor performer."""
    count = float(here.found.sizes["individual"])
    wanted = Band(low=POPULATION)
    yield Row("individuals that vary", str(wanted), count, np.nan, np.nan, wanted.holds(count))
    nothing = np.full(len(here.draws), np.nan)
    sd, share = nothing, nothing
    if here.has("dual") and count > 1:
        _, ms = here.lags("dual")
        curve = here.found["last"].sel(condition="dual").transpose("individual", "lag").to_numpy()
        curve = curve[:, np.isfinite(lags_ms(here.found, "dual"))]
        size, late = (measure(curve, ms) for measure in (shape.magnitude, shape.late))
        sd = size[here.draws].std(1, ddof=1)
        skilled = (size < NO_BLINK) & (late > POOR)
        share = skilled[here.draws].mean(1)
    yield row("SD of magnitude", Band(0.07, 0.20), sd)
    yield row("share of skilled non-blinkers", Band(1e-3, 0.15), share)
