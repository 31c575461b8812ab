"""What the numbers do and do not show, in plain English."""

import xarray as xr

from experiments.verdict.cautions import cautions
from experiments.verdict.findings import findings, in_short, setting
from experiments.verdict.gradients import misled

__all__ = ["verdict"]


def verdict(summary: xr.Dataset, result: xr.Dataset) -> list[str]:
    """Sentences for a reader who will quote them, most important first.

    Args:
        summary: from `experiments.statistics.summarise`.
        result: the labelled result it was made from.

    Returns:
        One sentence over all; what was measured; then for every contrast one sentence per view at
        the reference attack and epsilon, with its matched control; then every reason for doubt,
        each starting with "Warning: ". A difference that is not shown is never called absent, and
        nothing is called proven.
    """
    doubted = misled(result)
    first = [in_short(summary), setting(summary)]
    return [*first, *findings(summary, doubted), *cautions(summary, doubted)]
