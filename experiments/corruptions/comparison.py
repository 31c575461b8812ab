"""Corruptions in a comparison: which inputs it needs, and what the networks answered to them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.answers import read_tensors, right
from experiments.bench import Bench
from experiments.corruptions import Corruption, corruptions_named
from experiments.corruptions.official import official_sha256
from experiments.individuals import Model
from experiments.inputs import Corrupt
from experiments.scoring import Score
from experiments.spec import Spec
from experiments.store import key_of
from experiments.units import is_complete
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from experiments.plan import Plan

OUTCOME = ("network", "individual", "corruption", "severity", "image")


def corrupted_sets(spec: Spec, bench: Bench) -> dict[str, Corrupt]:
    """One set of inputs by corruption; every individual of every network is scored on it."""
    if spec.mnist_c and bench.data != "MNIST":
        raise BlindspotsError(
            f"The files of MNIST-C go with MNIST, not with {bench.data}; leave out --mnist-c."
        )
    return {each.name: _set(each, spec, bench) for each in corruptions_named(spec.corruptions)}


def _set(corruption: Corruption, spec: Spec, bench: Bench) -> Corrupt:
    every = tuple(range(1, len(corruption.levels) + 1))
    is_fixed = corruption.kind == "mnist-c" and spec.severities == "default"
    severities = (corruption.default,) if is_fixed else every
    official, sha256 = None, ""
    if spec.mnist_c and corruption.kind == "mnist-c":
        official = Path(spec.mnist_c).resolve()
        sha256 = official_sha256(official, corruption.name)
    chance = int(key_of(seed=spec.seed, corruption=corruption.name)[:12], 16)
    return Corrupt(corruption.name, severities, spec.images, chance, bench, official, sha256)


def corrupted_scores(
    sets: dict[str, Corrupt], individuals: dict[tuple[str, int], Model]
) -> Iterator[tuple[tuple[str, int, str], Score]]:
    """Everyone on every set, by network, individual and corruption."""
    for (network, i), model in individuals.items():
        for name, each in sets.items():
            yield (network, i, name), Score(model, each, each.images, each.bench)


def corrupted_outcomes(result: xr.Dataset, plan: "Plan") -> xr.Dataset:
    """The answers to corrupted images, for a result that holds the other outcomes.

    Empty where the comparison has no corruptions; see :func:`experiments.assemble.assemble`.
    """
    if not plan.corrupted:
        return xr.Dataset()
    names, networks = list(plan.corrupted), list(result["network"].to_numpy())
    kinds = corruptions_named(names)
    most = max(each.severities[-1] for each in plan.corrupted.values())
    sizes = (*(result.sizes[d] for d in OUTCOME[:2]), len(names), most, result.sizes["image"])
    prediction = np.full(sizes, -1, np.int8)
    for (network, i, name), unit in plan.corrupted_scores.items():
        if is_complete(unit):
            answers = read_tensors(unit, unit.product)["prediction"]
            at = [severity - 1 for severity in plan.corrupted[name].severities]
            prediction[networks.index(network), i, names.index(name), at] = answers
    return xr.Dataset(
        {
            "corruption_prediction": (OUTCOME, prediction),
            "corruption_correct": (OUTCOME, right(prediction, result["label"].to_numpy())),
            "example_corrupted": (
                ("corruption", "severity", "example", "row", "column"),
                _examples(plan, most, result["example_image"].to_numpy()),
            ),
        },
        coords={
            "corruption": names,
            "severity": np.arange(1, most + 1),
            "corruption_level": (("corruption", "severity"), _levels(kinds, most)),
            "corruption_kind": ("corruption", [each.kind for each in kinds]),
            "corruption_unit": ("corruption", [each.unit for each in kinds]),
            "corruption_neutral": ("corruption", [each.neutral for each in kinds]),
            "default_severity": ("corruption", [each.default for each in kinds]),
            "corruption_origin": ("corruption", [each.origin for each in plan.corrupted.values()]),
        },
    )


def _levels(corruptions: tuple[Corruption, ...], most: int) -> NDArray[np.float64]:
    """The first parameter at each severity; NaN where there is none."""
    levels = np.full((len(corruptions), most), np.nan)
    for row, corruption in zip(levels, corruptions, strict=True):
        values = [level[0] if level else np.nan for level in corruption.levels[:most]]
        row[: len(values)] = values
    return levels


def _examples(plan: "Plan", most: int, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """The images ``chosen`` under every corruption; NaN where they were not made."""
    pictures = np.full((len(plan.corrupted), most, len(chosen), 28, 28), np.nan, np.float32)
    for picture, unit in zip(pictures, plan.corrupted.values(), strict=True):
        if is_complete(unit):
            inputs = read_tensors(unit, unit.product)["inputs"]
            picture[[severity - 1 for severity in unit.severities]] = inputs[:, chosen, 0]
    return pictures
