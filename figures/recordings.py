"""What the figures of activity read off a labelled recording, and how they call it.

A recording holds `AREA.drive`, `AREA.potential` and `AREA.output` (time, image, AREA.unit); the
attributes of each array name the unit model and, for spiking units, the threshold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures.style import BLACK, LETTER, VERMILLION, is_mnist
from networks.errors import BlindspotsError, unknown

Floats = npt.NDArray[np.floating[Any]]
SIMULATORS = {"torch": "torch", "brian2": "Brian2"}


def spiking_areas(recording: xr.Dataset, areas: Sequence[str] | None = None) -> list[str]:
    """The areas whose spikes were recorded, or the chosen ones of them.

    Raises:
        BlindspotsError: there is none, or no such one.
    """
    names = [str(name).removesuffix(".output") for name in recording if ".output" in str(name)]
    known = [n for n in names if recording[f"{n}.output"].attrs.get("unit_model") == "lif"]
    if not known:
        raise BlindspotsError("The recording holds no spikes; record the output of spiking areas.")
    for name in areas or ():
        if name not in known:
            raise unknown("recorded spiking area", name, known)
    return known if areas is None else list(areas)


def at_image(recording: xr.Dataset, image: int) -> xr.Dataset:
    """The recording at one image, by its position.

    Raises:
        BlindspotsError: there is no such image.
    """
    count = recording.sizes["image"]
    if not 0 <= image < count:
        raise BlindspotsError(f"There is no image {image}; choose from 0 to {count - 1}.")
    return recording.isel(image=image)


def activity(here: xr.Dataset, area: str, quantity: str) -> Floats:
    """One array at one image, (time, unit).

    Raises:
        BlindspotsError: it was not recorded.
    """
    name = f"{area}.{quantity}"
    if name not in here:
        raise BlindspotsError(f"The recording holds no '{name}'; record it to draw it.")
    return here[name].transpose("time", ...).to_numpy()


def spikes_of(here: xr.Dataset, area: str) -> npt.NDArray[np.bool_]:
    """Which units of an area spike when at one image, (time, unit)."""
    return activity(here, area, "output") > 0.5


def check_alike(first: xr.Dataset, second: xr.Dataset, areas: Sequence[str]) -> None:
    """Raises BlindspotsError where two recordings are not of the same steps, images and units."""
    for area in areas:
        shapes = [
            recording[f"{area}.output"].shape if f"{area}.output" in recording else "no array"
            for recording in (first, second)
        ]
        if shapes[0] != shapes[1]:
            raise BlindspotsError(
                f"The recordings do not match: '{area}.output' is {shapes[0]} and {shapes[1]}; "
                "record the same areas on the same images."
            )


def simulator(recording: xr.Dataset) -> str:
    """What the recording was simulated with."""
    name = str(recording.attrs.get("simulator", "simulation"))
    return SIMULATORS.get(name, name)


def pair_names(first: xr.Dataset, second: xr.Dataset) -> tuple[str, str]:
    """What tells two recordings apart: their simulators, if those differ."""
    names = simulator(first), simulator(second)
    return names if names[0] != names[1] else (f"{names[0]} 1", f"{names[1]} 2")


def answer(here: xr.Dataset) -> str:
    """ "a 7, answered 9", as far as the recording at one image knows."""
    said = [f"a {int(here['label'])}"] if "label" in here.coords else []
    said += [f"answered {int(here['logits'].argmax('class'))}"] if "logits" in here else []
    return ", ".join(said)


def image_name(here: xr.Dataset, position: int) -> str:
    """ "test image 123 (a 7, answered 9)", or the position where the recording knows no more."""
    number = int(here["image"]) if "image" in here.coords else position
    said = answer(here)
    return f"image {number} ({said})" if said else f"image {number}"


def title(figure: Figure, recording: xr.Dataset, text: str, detail: str) -> None:
    """What is drawn; then network, data and detail. Loud if the data are named and not MNIST."""
    parts = [str(recording.attrs.get("wiring", "unnamed network"))]
    loud = "data" in recording.attrs and not is_mnist(recording)
    if "data" in recording.attrs:
        parts.append(("NOT MNIST: " if loud else "") + str(recording.attrs["data"]))
    line = f"{', '.join(parts)}, {detail}"
    if len(line) * LETTER > figure.get_figwidth():
        line = f"{', '.join(parts)},\n{detail}"
    figure.suptitle(f"{text}\n{line}", color=VERMILLION if loud else BLACK, linespacing=1.4)


def time_axis(panel: Axes, recording: xr.Dataset, *, named: bool) -> None:
    """Whole steps from the first to the last, each in the middle of its width."""
    time = recording["time"].to_numpy()
    panel.set_xlim(time[0] - 0.5, time[-1] + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if named:
        panel.set_xlabel(f"time ({recording.attrs.get('time_unit', 'steps')})")
    else:
        panel.tick_params(axis="x", labelbottom=False)
