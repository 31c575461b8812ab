"""What the figures of activity read off a labelled recording, and how they call it.

A recording holds `AREA.drive`, `AREA.potential` and `AREA.output` (time, image, AREA.unit); the
attributes of each array name the unit model and, for spiking units, the threshold.

Its `time` counts steps, or is in ms (`time_unit`); then `step_ms` says how long a step of the
trained network lasts, and two recordings may be sampled differently. A sample in ms lasts from its
time to the next, so that what happens in a step is at the same place however it is sampled.
"""

from collections.abc import Hashable, Mapping, Sequence
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


def in_ms(recording: xr.Dataset) -> bool:
    """Whether the recording's time is in milliseconds, and not in steps."""
    return recording.attrs.get("time_unit") == "ms"


def step_ms(recording: xr.Dataset) -> float:
    """How long a step of the trained network lasts, of a recording in ms.

    Raises:
        BlindspotsError: the recording does not say so.
    """
    if "step_ms" not in recording.attrs:
        raise BlindspotsError(
            "The recording is in ms, but does not say how long a step lasts; set its attribute "
            "'step_ms'."
        )
    return float(recording.attrs["step_ms"])


def width(recording: xr.Dataset) -> float:
    """How long a sample lasts, in the unit of the recording's time."""
    time = recording["time"].to_numpy()
    if len(time) > 1:
        return float(time[1] - time[0])
    return step_ms(recording) if in_ms(recording) else 1.0


def starts(recording: xr.Dataset) -> Floats:
    """When each sample begins: a step half a step before its number, a sample in ms at its time."""
    time = recording["time"].to_numpy()
    return time if in_ms(recording) else time - 0.5


def middles(recording: xr.Dataset) -> Floats:
    """The middle of each sample."""
    return starts(recording) + width(recording) / 2


def same_sampling(first: xr.Dataset, second: xr.Dataset) -> bool:
    """Whether both recordings have their samples at the same times."""
    one, two = first["time"].to_numpy(), second["time"].to_numpy()
    return len(one) == len(two) and bool(np.allclose(one, two))


def check_alike(first: xr.Dataset, second: xr.Dataset, areas: Sequence[str]) -> None:
    """Raises BlindspotsError where two recordings are not of the same images, units and time.

    Recordings in ms may be sampled differently, as long as they take steps for equally long.
    """
    if in_ms(first) != in_ms(second):
        raise BlindspotsError(
            "The recordings do not match: one is in steps, the other in ms; give both in ms."
        )
    if in_ms(first) and not np.isclose(step_ms(first), step_ms(second)):
        raise BlindspotsError(
            f"The recordings do not match: a step lasts {step_ms(first):g} ms in one and "
            f"{step_ms(second):g} ms in the other."
        )
    free = ("time",) if in_ms(first) else ()
    for area in areas:
        name = f"{area}.output"
        sizes = [
            {dim: size for dim, size in each[name].sizes.items() if dim not in free}
            if name in each
            else "no array"
            for each in (first, second)
        ]
        if sizes[0] != sizes[1]:
            raise BlindspotsError(
                f"The recordings do not match: '{name}' is {written(sizes[0])} and "
                f"{written(sizes[1])}; record the same areas on the same images."
            )


def written(sizes: dict[Hashable, int] | str) -> str:
    """ "10 time x 4 image x 20 h1.unit"."""
    return sizes if isinstance(sizes, str) else " x ".join(f"{n} {d}" for d, n in sizes.items())


def simulator(recording: xr.Dataset) -> str:
    """What the recording was simulated with."""
    name = str(recording.attrs.get("simulator", "simulation"))
    detailed = recording.attrs.get("way") == "detailed"
    return SIMULATORS.get(name, name) + (" (detailed)" if detailed else "")


def condition_names(first: xr.Dataset, second: xr.Dataset) -> tuple[str, str] | None:
    """The conditions of two recordings, if they are known and differ."""
    if any("condition" not in each.coords for each in (first, second)):
        return None
    names = str(first["condition"].values), str(second["condition"].values)
    return names if names[0] != names[1] else None


def pair_names(first: xr.Dataset, second: xr.Dataset) -> tuple[str, str]:
    """What tells two recordings apart: their conditions or else simulators, if those differ."""
    names = condition_names(first, second) or (simulator(first), simulator(second))
    return names if names[0] != names[1] else (f"{names[0]} 1", f"{names[1]} 2")


def place(first: xr.Dataset, second: xr.Dataset | None = None) -> str:
    """ "torch", "torch and Brian2", or "clean and adversarial images"."""
    if second is None:
        return simulator(first)
    pair = " and ".join(pair_names(first, second))
    return f"{pair} images" if condition_names(first, second) else pair


def answer(here: xr.Dataset) -> str:
    """ "a 7, answered 9", as far as the recording at one image knows."""
    said = [f"a {int(here['label'])}"] if "label" in here.coords else []
    said += [f"answered {int(here['logits'].argmax('class'))}"] if "logits" in here else []
    return ", ".join(said)


def answered(heres: Mapping[str, xr.Dataset]) -> str:
    """ "answered: clean 0, adversarial 7", of one image under each condition."""
    said = (f"{name} {int(here['logits'].argmax('class'))}" for name, here in heres.items())
    return f"answered: {', '.join(said)}"


def image_name(here: xr.Dataset, position: int) -> str:
    """ "test image 123 (a 7, answered 9)", or the position where the recording knows no more."""
    number = int(here["image"]) if "image" in here.coords else position
    said = answer(here)
    return f"image {number} ({said})" if said else f"image {number}"


def attacked(recording: xr.Dataset) -> str:
    """ "pgd-linf, ε = 0.1" where the recording is of inputs that were crafted so, or nothing."""
    if "attack" not in recording.attrs:
        return ""
    return f"{recording.attrs['attack']}, ε = {float(recording.attrs['epsilon']):g}"


def network_name(recording: xr.Dataset) -> str:
    """What the network is called, and whether nobody trained it."""
    name = str(recording.attrs.get("wiring", "unnamed network"))
    return name if recording.attrs.get("weights", "trained") == "trained" else f"{name} (untrained)"


def title(figure: Figure, recording: xr.Dataset, text: str, detail: str) -> None:
    """What is drawn; then network, data and detail. Loud if the data are named and not MNIST."""
    parts = [network_name(recording)]
    loud = "data" in recording.attrs and not is_mnist(recording)
    if "data" in recording.attrs:
        parts.append(("NOT MNIST: " if loud else "") + str(recording.attrs["data"]))
    if by := attacked(recording):
        parts[-1] += f" under {by}"
    line = f"{', '.join(parts)}, {detail}"
    if len(line) * LETTER > figure.get_figwidth():
        line = f"{', '.join(parts)},\n{detail}"
    figure.suptitle(f"{text}\n{line}", color=VERMILLION if loud else BLACK, linespacing=1.4)


def time_axis(panel: Axes, *recordings: xr.Dataset, named: bool) -> None:
    """From the first sample to the end of the last; ticks at whole steps, or round ms."""
    first = recordings[0]
    left = min(starts(each)[0] for each in recordings)
    panel.set_xlim(left, max(starts(each)[-1] + width(each) for each in recordings))
    whole = not in_ms(first)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=whole, steps=[1, 2, 5, 10]))
    if named:
        panel.set_xlabel(f"time ({first.attrs.get('time_unit', 'steps')})")
    else:
        panel.tick_params(axis="x", labelbottom=False)
