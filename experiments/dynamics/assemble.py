"""The labelled result of the command ``dynamics``: all individuals together."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from experiments.answers import read_tensors
from experiments.bench import Bench, scored
from experiments.dynamics.intervene import Intervene
from experiments.dynamics.measures.parts import side_by_side
from experiments.dynamics.plan import OWN, Question, has_distortion
from experiments.dynamics.watch import Watch
from experiments.inputs import Craft, is_measured
from experiments.provenance import commit, versions
from experiments.result import image_indices
from experiments.store import read_dataset
from experiments.units import Unit, is_complete, product
from networks import DETAILED
from networks.projection import DRIVES

FORMAT = 1  # of the file; raise it when its variables or dimensions change
NOT_MEASURED = -1
FLAGS = ("led_astray", "recovered")


def assemble(
    asked: Question,
    watched: Sequence[Watch],
    intervened: Sequence[Intervene],
    nearest: Mapping[tuple[str, int], Craft],
    compared: xr.Dataset,
    bench: Bench,
) -> xr.Dataset:
    """What all complete units measured, NaN or -1 where a network lacks something.

    Dimensions are network, individual, condition, area, kind, time and image. Beside the measures
    of :mod:`experiments.dynamics.measures` there are ``minimum_distortion`` (network, individual,
    image) as in the comparison, ``first_answer`` and ``steps`` (network), and, of interventions,
    what :mod:`experiments.dynamics.intervene` says. ``led_astray`` and ``recovered`` are int8.
    """
    parts = {
        (each.subject.network, each.subject.individual): _measured(each)
        for each in watched
        if is_complete(each)
    }
    for unit in intervened:
        place = unit.subject.network, unit.subject.individual
        if is_complete(unit) and place in parts:
            parts[place] = parts[place].merge(_loaded(unit), combine_attrs="override")
    for each in watched:
        place = each.subject.network, each.subject.individual
        if place in parts and (far := _distortion(each, nearest.get(place), compared)) is not None:
            parts[place]["minimum_distortion"] = ("image", far)
    result = together(parts)
    names = [str(name) for name in result["network"].to_numpy()]
    result = result.assign_coords(
        {
            "image": image_indices(bench, asked.images),
            "label": ("image", scored(bench, asked.images).labels.numpy().astype(np.int8)),
            **_described(names, compared),
        }
    )
    return result.assign_attrs(
        format=FORMAT,
        blindspots=version("blindspots"),
        data=bench.data,
        data_sha256=bench.sha256,
        attack=asked.attack,
        epsilon=asked.epsilon,
        crafted_on="each network itself" if asked.origin == OWN else asked.origin,
        norm=asked.norm,
        commit=commit() or "",
        versions=json.dumps(versions()),
        inputs=json.dumps({each.subject.label: each.crafted.key[2] for each in watched}),
    )


def together(parts: Mapping[tuple[str, int], xr.Dataset]) -> xr.Dataset:
    """Individuals of networks side by side, whatever areas, kinds and steps each has."""
    names = list(dict.fromkeys(name for name, _ in parts))
    fill = {
        str(name): NOT_MEASURED
        for part in parts.values()
        for name, array in part.data_vars.items()
        if np.issubdtype(array.dtype, np.integer)
    }
    order = {
        dim: _in_order(dim, parts.values())
        for dim in ("condition", "area", "time", "kind", "pathway", "act", "phase", "stimulus")
    }
    rows = []
    for name in names:
        here = {i: part for (of, i), part in parts.items() if of == name}
        index = xr.DataArray(list(here), dims="individual", name="individual")
        rows.append(side_by_side(list(here.values()), index, fill))
    joined = side_by_side(rows, xr.DataArray(names, dims="network", name="network"), fill)
    return joined.sel({dim: labels for dim, labels in order.items() if dim in joined.dims})


def _in_order(dim: str, parts: Iterable[xr.Dataset]) -> list[Any]:
    """The labels along a dimension in the order in which they first come; kinds in their own."""
    seen: dict[Any, None] = {}
    for part in parts:
        if dim in part.coords:
            seen |= dict.fromkeys(part[dim].to_numpy().tolist())
    if dim == "kind":
        return [kind for kind in DRIVES if kind in seen]
    return sorted(seen) if dim == "time" else list(seen)


def _loaded(unit: Unit) -> xr.Dataset:
    return read_dataset(product(unit)).drop_vars("image", errors="ignore")


def _measured(unit: Watch) -> xr.Dataset:
    measured = _loaded(unit).drop_vars("label", errors="ignore")
    flags = {name: measured[name].astype(np.int8) for name in FLAGS}
    answers = np.atleast_1d(measured.attrs["answers"])
    facts = {"first_answer": int(answers[0]), "steps": measured.sizes["time"]}
    return measured.assign({**flags, **facts})


def _distortion(
    watch: Watch, nearest: Craft | None, compared: xr.Dataset
) -> "np.ndarray[tuple[int], np.dtype[np.float32]] | None":
    """The smallest change that fools, by image; NaN where the clean image is wrong."""
    who = watch.subject
    if has_distortion(compared, who, watch.images):
        here = compared["minimum_distortion"].sel(network=who.network, individual=who.individual)
        far = here.to_numpy()[: watch.images].astype(np.float32)
    elif nearest and is_measured(nearest):
        far = read_tensors(nearest, "distances.safetensors")["distance_rms"][0].astype(np.float32)
    else:
        return None
    return np.where(far > 0, far, np.nan).astype(np.float32)


def _described(names: Sequence[str], compared: xr.Dataset) -> dict[str, Any]:
    """What the comparison knows of each network; of cells that it has not, of the trained twin."""
    known = [str(name) for name in compared["network"].to_numpy()]
    rows = [name if name in known else name.removesuffix(DETAILED) for name in names]
    keys = [
        str(key) for key, each in compared.coords.items()
        if each.dims == ("network",) and key != "network"
    ]  # fmt: skip
    facts = {key: ("network", list(compared[key].sel(network=rows).to_numpy())) for key in keys}
    if "units" in facts:
        facts["units"] = (
            "network",
            [
                "cells" if name.endswith(DETAILED) else unit
                for name, unit in zip(names, facts["units"][1], strict=True)
            ],
        )
    return facts
