"""What the figures of dynamics read off a recording under several conditions.

Beside the arrays that `figures.recordings` describes, all with a leading dimension `condition`
(`clean`, `adversarial`, `noise`), it holds `inputs` (condition, image, row, column) with
intensities from 0 to 1, `logits` (condition, image, class) and the coordinate `label` (image). Its
attribute `answers` lists the steps that the answer is averaged over. `perturbed`, if it is there,
says from which step on and until before which one the perturbation was shown; else it always was.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from figures.rates import LOOKS
from figures.recordings import answered, at_image, in_ms, starts, step_ms, width
from figures.style import GREEN, VERMILLION, Look
from networks.errors import BlindspotsError, unknown

CONDITIONS = dict(zip(("clean", "adversarial", "noise"), LOOKS, strict=False))
DIRECTIONS = {
    "adversarial": CONDITIONS["adversarial"],
    "random": CONDITIONS["noise"],
    "leading": Look(GREEN, "-.", "D", False),
}
READ = "0.93"  # behind the steps that the answer is read from


def conditions(recording: xr.Dataset) -> list[str]:
    """The conditions that were recorded, in the order in which they are drawn.

    Raises:
        BlindspotsError: the recording is of one condition alone.
    """
    if "condition" not in recording.dims:
        raise BlindspotsError(
            "The recording is of one condition alone; concatenate those of the clean and of the "
            "perturbed images along 'condition'."
        )
    there = [str(each) for each in recording["condition"].to_numpy()]
    return [name for name in CONDITIONS if name in there]


def under(recording: xr.Dataset, condition: str) -> xr.Dataset:
    """The recording under one condition.

    Raises:
        BlindspotsError: it was not recorded.
    """
    known = conditions(recording)
    if condition not in known:
        raise unknown("recorded condition", condition, known)
    return recording.sel(condition=condition)


def recorded(recording: xr.Dataset, quantity: str, areas: Sequence[str] | None = None) -> list[str]:
    """The areas of which a quantity was recorded, or the chosen ones of them, from below.

    Raises:
        BlindspotsError: it was recorded of none, or not of a chosen one.
    """
    suffix = f".{quantity}"
    known = [str(name).removesuffix(suffix) for name in recording if str(name).endswith(suffix)]
    if not known:
        raise BlindspotsError(f"The recording holds no '{quantity}' of any area; record it.")
    for name in areas or ():
        if name not in known:
            raise unknown(f"area with a recorded {quantity}", name, known)
    return known if areas is None else list(areas)


def decisive(recording: xr.Dataset) -> str:
    """The area whose units stand for the classes: the one that the recording names, or the last.

    Raises:
        BlindspotsError: its potentials were not recorded.
    """
    last = str(recording.attrs.get("output", recorded(recording, "potential")[-1]))
    potentials = recording.get(f"{last}.potential")
    if potentials is None or potentials.shape[-1] != recording.sizes["class"]:
        raise BlindspotsError(
            "The recording holds no potentials of one unit for each class; record the output area."
        )
    return last


def margins(here: xr.Dataset) -> xr.DataArray:
    """Potential of the label's unit minus the largest of the others at each step (..., time).

    It is above zero where the label would be answered. ``here`` has no dimension image. Potentials
    in ms are averaged within each step.
    """
    area = decisive(here)
    potentials = by_step(here, f"{area}.potential")
    label = int(here["label"])
    units = f"{area}.unit"
    others = potentials.isel({units: np.arange(potentials.sizes[units]) != label})
    return potentials.isel({units: label}) - others.max(units)


def answers_at(here: xr.Dataset) -> xr.DataArray:
    """The class of the largest potential at each step, (time,), of one image and condition.

    Potentials in ms are averaged within each step.
    """
    area = decisive(here)
    return by_step(here, f"{area}.potential").argmax(f"{area}.unit")


def span(recording: xr.Dataset, first: float, stop: float) -> tuple[float, float]:
    """Where steps of the trained network from ``first`` to before ``stop`` lie on the time axis."""
    if in_ms(recording):
        return first * step_ms(recording), stop * step_ms(recording)
    return first - 0.5, stop - 0.5


def read_out(panel: Axes, recording: xr.Dataset) -> None:
    """Shades the steps that the answer is averaged over, where the recording names them."""
    steps = np.atleast_1d(recording.attrs.get("answers", []))
    if steps.size:
        panel.axvspan(
            *span(recording, steps.min(), steps.max() + 1), color=READ, linewidth=0, zorder=0
        )


def shown(recording: xr.Dataset) -> tuple[float, float]:
    """When the stimulus is shown, on the axis of time: always."""
    return float(starts(recording)[0]), float(starts(recording)[-1] + width(recording))


def perturbed(recording: xr.Dataset) -> tuple[float, float]:
    """When the perturbation is shown, on the axis of time: in the steps named, else always."""
    if "perturbed" not in recording.attrs:
        return shown(recording)
    first, stop = np.atleast_1d(recording.attrs["perturbed"])
    return span(recording, float(first), float(stop))


def windows(panel: Axes, recording: xr.Dataset) -> None:
    """Two bars in a low panel: while the stimulus and while the perturbation is shown."""
    spans = {
        "perturbation": (*perturbed(recording), VERMILLION),
        "stimulus": (*shown(recording), "0.6"),
    }
    for row, (start, stop, colour) in enumerate(spans.values()):
        panel.add_patch(Rectangle((start, row - 0.3), stop - start, 0.6, color=colour, lw=0))
    panel.set_yticks(range(len(spans)), list(spans), fontsize=6.5)
    panel.set_ylim(-0.6, len(spans) - 0.4)
    panel.tick_params(length=0, labelbottom=False)
    panel.spines[:].set_visible(False)


def shade(panel: Axes, recording: xr.Dataset) -> None:
    """Tints a panel while the perturbation is shown."""
    panel.axvspan(*perturbed(recording), color=VERMILLION, alpha=0.07, linewidth=0, zorder=0)


def by_step(recording: xr.Dataset, name: str) -> xr.DataArray:
    """One array of the recording, averaged within the steps of the trained network if in ms.

    Its time is then the middle of each step.
    """
    if not in_ms(recording):
        return recording[name]
    lasts = width(recording)
    every = max(1, round(step_ms(recording) / lasts))
    averaged = recording[name].astype(float).coarsen(time=every, boundary="trim").mean()
    return averaged.assign_coords(time=averaged["time"] + lasts / 2)


def norms(recording: xr.Dataset, image: int, condition: str) -> str:
    """The size of a perturbation: its largest and its root-mean-squared change of intensity."""
    inputs = recording["inputs"].isel(image=image)
    change = (inputs.sel(condition=condition) - inputs.sel(condition="clean")).to_numpy()
    return f"L∞ {np.abs(change).max():.3g}, rms {np.sqrt((change**2).mean()):.3g}"


def shown_image(recording: xr.Dataset, image: int) -> str:
    """ "image 3 (a 0; answered: clean 0, adversarial 7)", as far as the recording knows."""
    here = at_image(recording, image)
    number = int(here["image"]) if "image" in here.coords else image
    said = [f"a {int(here['label'])}"] if "label" in here.coords else []
    if "logits" in here:
        said.append(answered({name: under(here, name) for name in conditions(recording)}))
    return f"image {number} ({'; '.join(said)})" if said else f"image {number}"
