"""How little change is enough to fool each network."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.style import COLUMN, GREY, colours, head, stage, styled
from networks.errors import BlindspotsError


@styled
def distortion_curves(result: xr.Dataset) -> Figure:
    """Share of images fooled by at most a given minimal distortion, one line per network.

    Pooled over individuals and images that were measured. Images for which nothing was found
    keep the curve below 100 %. The dashed level marks the median.

    Args:
        result: the labelled result with `minimum_distortion` (network, individual, image),
            root-mean-squared change, inf where none was found, NaN where not measured.

    Raises:
        BlindspotsError: the result holds no minimal distortions.
    """
    if "minimum_distortion" not in result or not np.isfinite(result["minimum_distortion"]).any():
        raise BlindspotsError("The result holds no minimal distortions; run the attack 'lbfgs'.")
    looks = colours(result)
    curves = {}
    for name in looks:
        values = result["minimum_distortion"].sel(network=name).to_numpy().ravel()
        measured = values[~np.isnan(values)]
        if np.isfinite(measured).any():
            curves[name] = np.sort(measured)
    handles = [Line2D([], [], label=name, **looks[name].kwargs()) for name in curves]
    figure, above = stage(1.5 * COLUMN, 3.2, handles, columns=3)
    panel = above.subplots()
    end = 1.05 * max(
        np.quantile(v[np.isfinite(v)], 0.99) for v in curves.values() if np.isfinite(v).any()
    )
    for name, values in curves.items():
        found = values[np.isfinite(values)]
        share = 100 * np.arange(1, len(found) + 1) / len(values)
        panel.plot(
            np.concatenate([[0], found, [max(end, found[-1])]]),
            np.concatenate([[0], share, share[-1:]]),
            drawstyle="steps-post",
            markevery=(len(found) // 8, max(1, len(found) // 4)),
            **looks[name].kwargs(),
        )
    panel.axhline(50, color=GREY, linewidth=0.7, linestyle="--", zorder=0)
    panel.set(xlim=(0, end), ylim=(0, 102))
    panel.set_xlabel("minimal distortion (rms change, intensity range [0, 1])")
    panel.set_ylabel("images fooled (%)")
    head(figure, result, "Minimal distortion that fools (L-BFGS, white-box)")
    return figure
