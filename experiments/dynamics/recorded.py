"""Recordings of one individual under all conditions, labelled by the condition."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.dynamics.conditions import ADVERSARIAL, NOISE
from experiments.dynamics.measures.parts import CLEAN, areas_of, side_by_side
from experiments.recordings import first_true, fooled

if TYPE_CHECKING:
    from torch import Tensor

    from networks import Wiring
    from sim import Network
    from sim.brian.detailed import Detailed

CHANCE = "dynamics"  # names the stream that random codes draw from
PICTURES = ("condition", "image", "row", "column")


def recordings(
    model: "Network | Detailed",
    inputs: "Mapping[str, Tensor]",
    labels: "Tensor",
    indices: NDArray[np.integer[Any]],
    seed: int,
    facts: Mapping[str, Any],
    *,
    few: list[int],
) -> tuple[xr.Dataset, xr.Dataset]:
    """What every area does under every condition, of all images and of a few.

    Args:
        model: the individual, on torch or in cells.
        inputs: by condition, (N, 1, 28, 28).
        labels: (N,).
        indices: of the images in the test set, (N,).
        seed: of the code of the input where that is random, the same under every condition.
        facts: further attributes, of which `network` is its name.
        few: positions of the images whose recordings are kept as they are.

    Returns:
        Of all images, in steps of the trained network; of the few as they were recorded,
        in ms where the individual runs in cells. Both hold, by (condition, ..., image, ...),
        drive, potential and output of every area, ``inputs`` and ``logits``; on torch also
        `AREA.drive_by_kind`.
    """
    steps, raw = [], []
    for images in inputs.values():
        stepped, whole = activity(model, images, seed)
        steps.append(stepped)
        raw.append(whole.isel(image=few))
    names = xr.DataArray(list(inputs), dims="condition", name="condition")
    wiring = model.wiring
    said = {
        **facts,
        "wiring": facts["network"],  # what figures call it
        "answers": np.array(list(wiring.answers)),
        "output": wiring.output,
        "input": wiring.input.name,
    }
    pictures = np.stack([each[:, 0].cpu().numpy() for each in inputs.values()])

    def together(parts: list[xr.Dataset], places: "slice | list[int]") -> xr.Dataset:
        joined = side_by_side(parts, names)
        joined["inputs"] = (PICTURES, pictures[:, places])
        coords = {"label": labels.cpu().numpy()[places], "image": indices[places]}
        return joined.assign_coords({k: ("image", v) for k, v in coords.items()}).assign_attrs(said)

    return together(steps, slice(None)), together(raw, few)


def looked_at(recording: xr.Dataset) -> int:
    """Position of the image to look at closely: what was asked for, else the first that fools."""
    if recording.attrs.get("asked_for"):
        return 0
    return first_true(fooled(recording.sel(condition=CLEAN), recording.sel(condition=ADVERSARIAL)))


def told_apart(recordings: Sequence[xr.Dataset]) -> int:
    """Position of the image to look at in several networks that were shown the same inputs.

    The first if asked for. Else the one that tells most: which most networks answer rightly when
    clean and, of those, under noise of the perturbation's norm; of these, which fools most
    networks; of these, the first. Without noise, an image would do that any change fools.
    """
    if recordings[0].attrs.get("asked_for"):
        return 0
    right = [(each["logits"].argmax("class") == each["label"]).astype(int) for each in recordings]
    clean, adversarial, noise = (
        np.sum([each.sel(condition=c) for each in right], axis=0)
        for c in (CLEAN, ADVERSARIAL, NOISE)
    )
    return int(np.lexsort((adversarial, -noise, -clean))[0])


def activity(
    model: "Network | Detailed", images: "Tensor", seed: int
) -> tuple[xr.Dataset, xr.Dataset]:
    """One condition in steps, and as it was recorded."""
    from experiments.attacks.chance import in_one_draw, stream
    from sim import run
    from sim.brian.detailed import Detailed
    from sim.brian.detailed import run as run_cells
    from sim.drives import drive_by_kind

    if isinstance(model, Detailed):
        raw = run_cells(model, images)
        return in_steps(raw, model.wiring), raw
    recording = run(model, in_one_draw(model.wiring, images, stream(CHANCE, seed)))
    recording = recording.assign(dict(drive_by_kind(model, recording).data_vars))
    return recording, recording


def in_steps(recording: xr.Dataset, wiring: "Wiring") -> xr.Dataset:
    """A recording in ms on the grid of trained steps.

    Spikes are counted within the step, potentials and rates averaged over it; of drives, which are
    currents in cells, nothing is left.
    """
    every = recording.sizes["time"] // wiring.steps
    found = {}
    for area in areas_of(recording):
        spikes = area in wiring.spiking
        emitted = recording[f"{area}.output"].astype("float32").coarsen(time=every)
        found[f"{area}.output"] = emitted.sum() if spikes else emitted.mean()
        if f"{area}.potential" in recording:
            potential = recording[f"{area}.potential"].coarsen(time=every).mean()
            found[f"{area}.potential"] = potential
    stepped = xr.Dataset({n: a.drop_vars("time", errors="ignore") for n, a in found.items()})
    stepped["logits"] = recording["logits"]
    return stepped.assign_coords(time=np.arange(wiring.steps)).assign_attrs(recording.attrs)
