"""Time and memory against the size of the work, one panel for each size that is varied."""

from typing import TYPE_CHECKING, Any

import xarray as xr

from figures.style import BLUE, GREY, VERMILLION, WIDTH, stage, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: dict[str, dict[str, Any]] = {
    "blindspots": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "snnTorch": {"color": VERMILLION, "marker": "s", "linestyle": (0, (4, 1.5))},
}
NAMES = {
    "seconds": "CPU time (s)",
    "megabytes": "peak memory (MB)",
    "steps": "steps T",
    "batch": "batch",
    "units": "units per area",
    "areas": "areas",
    "individuals": "individuals",
    "images": "images",
    "epsilons": "budgets",
}


@styled
def scaling(dataset: xr.Dataset) -> "Figure":
    """Small multiples, both axes logarithmic: time above, memory below; grey: proportional.

    Args:
        dataset: for every size ``x`` that was varied, "seconds of x" and "megabytes of x" with
            dimensions library and x, and the attribute work; NaN where a library cannot.
    """
    from matplotlib.lines import Line2D

    axes = [str(name).removeprefix("seconds of ") for name in dataset if "seconds of" in str(name)]
    names = [str(each) for each in dataset["library"].to_numpy()]
    handles = [Line2D([], [], label=name, **LOOKS[name]) for name in names]
    handles.append(Line2D([], [], color=GREY, linewidth=0.7, label="proportional to size"))
    figure, upper = stage(WIDTH, 3.5, handles, columns=3)
    panels = upper.subplots(2, len(axes), sharey="row", squeeze=False)
    for row, quantity in zip(panels, ("seconds", "megabytes"), strict=True):
        for panel, axis in zip(row, axes, strict=True):
            _curves(panel, dataset[f"{quantity} of {axis}"], axis)
        row[0].set_ylabel(NAMES[quantity])
    for panel, axis in zip(panels[0], axes, strict=True):
        panel.set_title(dataset[f"seconds of {axis}"].attrs["work"])
    for panel, axis in zip(panels[1], axes, strict=True):
        panel.set_xlabel(NAMES[axis])
    upper.suptitle(f"{dataset.attrs['processor']}, torch {dataset.attrs['torch']}, one thread")
    return figure


def _curves(panel: Any, values: xr.DataArray, axis: str) -> None:
    sizes = values[axis].to_numpy()
    for name in values["library"].to_numpy():
        here = values.sel(library=name).to_numpy()
        panel.plot(sizes, here, **LOOKS[str(name)])
    first = values.max("library").to_numpy()[0]
    panel.plot(sizes, first * sizes / sizes[0], color=GREY, linewidth=0.7, zorder=0)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(sizes[:: max(1, len(sizes) // 2)], sizes[:: max(1, len(sizes) // 2)])
    panel.minorticks_off()
