"""What parameters were fitted to, and how they do on streams that they were not fitted to."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from figures.blink.lags import PEOPLE, Curve, band
from figures.style import BLUE, GREY, SKY, WIDTH, stage, styled

LOOKS: dict[tuple[str, str], tuple[str, str, str, Any]] = {
    ("start", "fresh"): ("before the fit, fresh streams", GREY, "s", "--"),
    ("best", "fitted"): ("fitted, on the streams of the fit", SKY, "^", "-"),
    ("best", "fresh"): ("fitted, on fresh streams", BLUE, "o", "-"),
}


@styled
def fitted(curves: xr.Dataset, people: Curve, error: NDArray[np.float64]) -> Figure:
    """T2|T1 by lag in ms beside people, one panel for each observer.

    Args:
        curves: `last` (network, parameters, streams, lag), `rmse` without lag, `lag_ms` (lag).
        people: their curve.
        error: its standard error by lag, drawn as a band.
    """
    handles = [
        Line2D([], [], label=f"people (N = {people[2]}; band: SEM)", **PEOPLE),
        *(Line2D([], [], label=label, color=colour, marker=marker, linestyle=line)
          for label, colour, marker, line in LOOKS.values()),
    ]  # fmt: skip
    names = [str(name) for name in curves["network"].to_numpy()]
    figure, above = stage(min(WIDTH, 3.6 * len(names) + 0.8), 3.0, handles, columns=2)
    panels = above.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for panel, name in zip(panels, names, strict=True):
        band(panel, people, error)
        for (parameters, streams), (_, colour, marker, line) in LOOKS.items():
            here = curves["last"].sel(network=name, parameters=parameters, streams=streams)
            panel.plot(curves["lag_ms"], here, color=colour, marker=marker, linestyle=line)
        rmse = curves["rmse"].sel(network=name, parameters="best")
        panel.set_title(
            f"{name}: RMSE {float(rmse.sel(streams='fitted')):.3f} as fitted, "
            f"{float(rmse.sel(streams='fresh')):.3f} fresh"
        )
        panel.set_xlabel("lag (ms)")
        panel.set_ylim(0, 1.02)
    panels[0].set_ylabel("T2|T1 (share of trials)")
    return figure
