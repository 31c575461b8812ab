"""The outcomes of all individuals in one labelled result, with pictures to draw."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from experiments.bench import Bench, scored
from experiments.result import image_indices
from experiments.semantics.measures import TOP
from experiments.semantics.unit import Interpret
from experiments.store import read_dataset, unit_path

EXAMPLES = 4  # members of each kind whose top images are kept, of the first individual
SHOWN = TOP  # images of each: those that its purity is of


def assembled(
    units: Mapping[tuple[str, int], Interpret], compared: xr.Dataset, bench: Bench
) -> xr.Dataset:
    """Measures by (network, individual, area, kind, member), lesions, modularity, and examples.

    See :mod:`experiments.semantics.unit` for the variables. NaN stands where a network lacks an
    area, a kind or a member. ``example_*`` are of the last hidden area of the first individual.
    """
    parts = {
        place: read_dataset(unit_path(unit.stage, unit.key) / unit.product)
        for place, unit in units.items()
    }
    names = list(dict.fromkeys(name for name, _ in units))
    rows = []
    for name in names:
        mine = {individual: part for (of, individual), part in parts.items() if of == name}
        people = xr.DataArray(list(mine), dims="individual", name="individual")
        rows.append(xr.concat(list(mine.values()), people, join="outer"))
    networks = xr.DataArray(names, dims="network", name="network")
    result = xr.concat(rows, networks, join="outer").drop_encoding()
    first = {name: next(p for (of, _), p in parts.items() if of == name) for name in names}
    images = next(iter(units.values())).images
    return result.merge(examples(first, bench, images)).assign_coords(
        image=image_indices(bench, images), label=("image", scored(bench, images).labels.numpy())
    )


def examples(parts: Mapping[str, xr.Dataset], bench: Bench, images: int) -> xr.Dataset:
    """The top images of a few members of each kind, for each network.

    ``example_picture`` (network, kind, example, top, row, column), ``example_label`` (..., top),
    ``example_member`` (network, kind, example) and ``example_area`` (network). Principal directions
    are the leading ones and modules the first; units, of those that are not silent, random
    directions and groups are drawn by chance.
    """
    split = scored(bench, images)
    pictures, labels = split.images.numpy()[:, 0], split.labels.numpy()
    kinds = [str(each) for each in next(iter(parts.values()))["kind"].to_numpy()]
    shape = (len(parts), len(kinds), EXAMPLES)
    member = np.full(shape, -1)
    picture = np.full((*shape, SHOWN, *pictures.shape[1:]), np.nan, np.float32)
    label = np.full((*shape, SHOWN), -1)
    generator = np.random.default_rng(0)
    for n, part in enumerate(parts.values()):
        last = part.isel(area=-1)
        for k, kind in enumerate(kinds):
            active = np.flatnonzero((last["silent"].sel(kind=kind) == 0).to_numpy())
            if kind in ("unit", "random", "group"):
                active = generator.permutation(active)
            for e, at in enumerate(active[:EXAMPLES]):
                top = last["top_image"].sel(kind=kind, member=at).to_numpy()[:SHOWN].astype(int)
                member[n, k, e], picture[n, k, e], label[n, k, e] = at, pictures[top], labels[top]
    dims = ("network", "kind", "example")
    return xr.Dataset(
        {
            "example_picture": ((*dims, "top_shown", "row", "column"), picture),
            "example_label": ((*dims, "top_shown"), label),
            "example_member": (dims, member),
            "example_area": ("network", [str(p["area"].to_numpy()[-1]) for p in parts.values()]),
        },
        coords={"network": list(parts), "kind": kinds},
    )
