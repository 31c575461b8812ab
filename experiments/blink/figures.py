"""Which figures a blink experiment has."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from experiments.blink.curves import shapes
from experiments.blink.grade import NO_BLINK
from experiments.blink.humans import MAGNITUDE_MEAN, MAGNITUDE_SD, NON_BLINKERS, SEM, samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Draws = Iterator[tuple[str, Callable[[], Figure]]]

LAG = 2  # in items: whose inside is drawn


def draw(result: xr.Dataset, beside: xr.Dataset | None, directory: Path) -> dict[str, Path]:
    """All figures into ``directory``; the PNG, or GIF, of each by name.

    ``beside`` are the curves of :func:`experiments.blink.beside.beside_people`. What the result
    holds no data of is left out.
    """
    from figures.blink import film, has_examples
    from figures.save import save

    drawn = {}
    for name, make in overall(result, beside):
        drawn[name] = save(make(), directory, name)[0]
    for who in observers(result):
        for kind, make in of_observer(result, who):
            drawn[f"{kind}-{who}"] = save(make(), directory, f"{kind}-{who}")[0]
        if has_examples(result, who):
            drawn[f"film-{who}"] = film(result, who, directory / f"film-{who}.gif")
    return drawn


def overall(result: xr.Dataset, beside: xr.Dataset | None) -> "Draws":
    """Figures of all observers together, by name."""
    from figures.blink import beside as beside_figure
    from figures.blink import lag_curves, population
    from figures.blink.lags import individuals
    from figures.blink.population import FEWEST

    human = {
        name: (each.lag_ms, each.accuracy, each.participants) for name, each in samples().items()
    }
    if observers(result):
        yield "lag-curves", partial(lag_curves, result, human, error=SEM)
    if beside is not None:
        yield "beside-people", partial(beside_figure, result, beside)
    many = [who for who in observers(result) if individuals(result, who) >= FEWEST]
    if many and "dual" in result["condition"]:
        magnitude = shapes(result)["magnitude"].sel(condition="dual", network=many)
        people = {
            "mean": MAGNITUDE_MEAN,
            "sd": MAGNITUDE_SD,
            "non_blinkers": NON_BLINKERS,
            "below": NO_BLINK,
            "count": sum(each.participants for each in samples().values()),
        }
        yield "population", partial(population, result, magnitude, people)


def of_observer(result: xr.Dataset, who: str) -> "Draws":
    """Figures of one observer, by kind."""
    from figures.blink import has_examples, has_spikes, inside, manipulations, pools, strip

    if has_examples(result, who):
        yield "stream", partial(strip, result, who)
    yield "manipulations", partial(manipulations, result, who)
    if "gate_sem" in result and LAG in result["lag"]:
        yield "inside", partial(inside, result, who, LAG)
    if has_spikes(result, who):
        yield "pools", partial(pools, result, who)


def observers(result: xr.Dataset) -> list[str]:
    """The observers that are nobody's control."""
    own = result["network"][(result["control"] == "").to_numpy()]
    return [str(name) for name in own.to_numpy()]
