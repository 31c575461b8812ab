"""When a perturbation must be shown, and when the answer must be read, for it to count."""

from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.matrix import heat
from figures.population import counted_images, named_after
from figures.recordings import title
from figures.style import WIDTH, styled
from networks.errors import BlindspotsError


@styled
def early_late(result: xr.Dataset) -> Figure:
    """Accuracy by the window of the perturbation and the step of the answer, a panel per network.

    Means over individuals and images.

    Args:
        result: `early_late_right` (network, individual, start, read, image): 1, 0, or -1 where
            not measured; a window of frames from `start` on carries the perturbation, the answer
            is that of step `read` alone.

    Raises:
        BlindspotsError: it was not measured.
    """
    if "early_late_right" not in result or not bool((result["early_late_right"] >= 0).any()):
        raise BlindspotsError(
            "The result holds no early/late matrix; measure the interventions to draw it."
        )
    right = result["early_late_right"]
    shares = 100 * (right == 1).where(right >= 0).mean(["individual", "image"])
    names = [str(n) for n in right["network"].to_numpy() if shares.sel(network=n).notnull().any()]
    columns = min(3, len(names))
    rows = ceil(len(names) / columns)
    figure = Figure(figsize=(WIDTH, 0.9 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    painted = [
        matrix(shares.sel(network=name), ax=panel)
        for panel, name in zip(panels.ravel(), names, strict=False)
    ]
    for panel, name in zip(panels.ravel(), names, strict=False):
        panel.set_title(name)
    for panel in panels.ravel()[len(names) :]:
        panel.set_axis_off()
    for panel in panels[:, 0]:
        panel.set_ylabel("perturbed (step)")
    for at, panel in enumerate(panels.ravel()[: len(names)]):
        if at + columns >= len(names):
            panel.set_xlabel("answer read (step)")
    bar = figure.colorbar(painted[0], ax=panels, pad=0.015, aspect=30, shrink=0.9)
    bar.set_label("accuracy (%)")
    bar.outline.set_visible(False)
    text = "Perturbed early or late, read early or late"
    title(figure, named_after(result, names), text, counted_images(result))
    return figure


def matrix(shares: xr.DataArray, *, ax: Axes) -> AxesImage:
    """One network's per cents, (start, read); windows and steps that it has not are left out."""
    shares = shares.dropna("start", how="all").dropna("read", how="all")
    values = shares.transpose("start", "read").to_numpy()
    starts = [f"from {int(each)}" for each in shares["start"].to_numpy()]
    reads = [f"{int(each)}" for each in shares["read"].to_numpy()]
    painted = heat(ax, values, starts, reads, (0, 100))
    ax.set_xticks(np.arange(len(reads)), reads, rotation=0, ha="center")
    return painted
