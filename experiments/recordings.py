"""What both simulators do on a few images, kept as netCDF and drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from experiments.origin import Wired
from experiments.stimuli import CLEAN, Shown, at_epsilon, clean_twin
from experiments.store import unwritable, write_dataset
from networks.errors import BlindspotsError
from sim.brian import Way, record_both

MOST = 10
"""So many images are kept: a few megabytes for the largest networks of the catalogue."""

Pair = tuple[xr.Dataset, xr.Dataset]
"""The recordings of torch and of Brian2."""


def scenes(sets: Sequence[Shown], epsilon: float | None, data: Path | None) -> list[Shown]:
    """The clean images that are kept, then those crafted at ``epsilon``, if ``sets`` are crafted.

    Raises BlindspotsError where nothing was crafted at ``epsilon``, or from other images.
    """
    if sets[0].what == CLEAN:
        return [sets[0].first(MOST)]
    crafted = at_epsilon(sets, epsilon).first(MOST)
    clean = clean_twin(crafted, data)
    return [clean, crafted._replace(places=clean.places)]


def folders_for(subjects: Sequence[Wired], out: Path) -> list[Path]:
    """A folder in ``out`` for each subject; BlindspotsError where that cannot be."""
    names = [each.name for each in subjects]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BlindspotsError(
            f"Two of the networks are called '{twice[0]}', but '{out}' keeps one of a name; give "
            "them in two commands with an --out each."
        )
    try:
        for name in names:
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from None
    return [out / name for name in names]


def keep(subject: Wired, stimuli: Sequence[Shown], folder: Path, way: Way | None) -> None:
    """Record ``subject`` on all ``stimuli``, and write recordings and figures into ``folder``."""
    pairs = [recorded(subject, each, way) for each in stimuli]
    for each, pair in zip(stimuli, pairs, strict=True):
        for recording in pair:
            name = f"{each.what.replace(' at ', '-')}-{recording.attrs['simulator']}.nc"
            write_dataset(recording, folder / name)
    try:
        draw(pairs, folder)
    except OSError as error:
        raise unwritable(folder, error) from None


def recorded(subject: Wired, stimuli: Shown, way: Way | None) -> Pair:
    """Both recordings, with what is known of the images and the weights."""
    coords = {"label": ("image", stimuli.labels.numpy()), "image": ("image", stimuli.places)}
    facts: dict[str, str | float] = {"data": stimuli.data, "weights": subject.weights}
    if stimuli.attack:
        facts |= {"attack": stimuli.attack, "epsilon": stimuli.epsilon}
    first, second = record_both(subject.network, stimuli.images, way=way)
    return (
        first.assign_coords(coords).assign_attrs(facts),
        second.assign_coords(coords).assign_attrs(facts),
    )


def draw(pairs: Sequence[Pair], folder: Path) -> None:
    """The last pair over each other; of clean and crafted images also what sets them apart."""
    from figures.contrast import contrast
    from figures.raster import raster
    from figures.rates import rates
    from figures.recordings import pair_names
    from figures.save import save
    from figures.traces import traces

    first, second = pairs[-1]
    clean = pairs[0][0]
    differ, changed = differing(first, second), fooled(clean, first)
    image = first_true(differ if differ.any() else changed)
    save(raster(first, second, image=image), folder, "raster")
    save(traces(first, second, image=image), folder, "traces")
    save(rates(dict(zip(pair_names(first, second), (first, second), strict=True))), folder, "rates")
    if len(pairs) > 1:
        save(contrast(clean, first, image=first_true(changed)), folder, "contrast")


def differing(first: xr.Dataset, second: xr.Dataset) -> xr.DataArray:
    """On which images the two recordings' spikes differ."""
    differ = xr.zeros_like(first["image"], dtype=bool)
    for name, array in first.data_vars.items():
        if str(name).endswith(".output") and array.attrs["unit_model"] == "lif":
            differ = differ | (array != second[name]).any(["time", array.dims[-1]])
    return differ


def fooled(clean: xr.Dataset, crafted: xr.Dataset) -> xr.DataArray:
    """On which images the network answers rightly when they are clean, and then no more."""
    answers = [each["logits"].argmax("class") for each in (clean, crafted)]
    return (answers[0] == clean["label"]) & (answers[1] != clean["label"])


def first_true(which: xr.DataArray) -> int:
    """Position of the first image of those, or of the first of all."""
    return int(np.argmax(which.to_numpy()))
