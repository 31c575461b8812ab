"""Which figures a blink experiment has."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: xr.Dataset, directory: Path) -> dict[str, Path]:
    """All figures of the result into ``directory``; the PNG of each by name."""
    from experiments.blink.humans import samples
    from figures.blink import lag_curves, manipulations
    from figures.save import save

    human = {
        name: (each.lag_ms, each.accuracy, each.participants) for name, each in samples().items()
    }
    draws: dict[str, Callable[[], Figure]] = {"lag-curves": lambda: lag_curves(result, human)}
    for name, control in zip(
        result["network"].to_numpy(), result["control"].to_numpy(), strict=True
    ):
        if not control:
            draws[f"manipulations-{name}"] = partial(manipulations, result, str(name))
    return {name: save(make(), directory, name)[0] for name, make in draws.items()}
