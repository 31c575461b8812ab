"""Figures of the command ``dynamics``: of one individual, and of the population."""

from pathlib import Path

import xarray as xr

Drawn = dict[str, tuple[str, Path]]
"""Caption and file of each figure, by name."""


def draw_individual(recordings: xr.Dataset, measured: xr.Dataset, folder: Path) -> Drawn:
    """The figures of one individual's recordings, and of its measures."""
    return {}


def draw_population(result: xr.Dataset, summary: xr.Dataset, folder: Path) -> Drawn:
    """The figures of all networks."""
    return {}
