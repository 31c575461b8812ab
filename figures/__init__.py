"""Figures for a paper, drawn from labelled results alone.

`draw_all` writes every figure that a result supports; the rooms' functions return matplotlib
figures to change before `save`. Nothing here touches pyplot or leaves settings behind.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_all"]


def draw_all(
    result: xr.Dataset, summary: xr.Dataset, directory: str | os.PathLike[str]
) -> dict[str, Path]:
    """Draws and saves (PNG and PDF) every figure that the result holds the data for.

    - for every attack that is no noise: `curves-ATTACK` where it was run at several budgets, with
      `noise-ATTACK` where noise of its norm was; `images-ATTACK` (at the reference epsilon) where
      examples were kept;
    - `forest` and `transfer` at the reference attack and epsilon;
    - `distortion` if minimal distortions were measured;
    - `corruptions` and `corruption-examples` if the corruptions of MNIST-C were measured,
      `corruption-severities` if at several severities, `sweeps` and `sweep-examples`.

    Args:
        result: the labelled result.
        summary: from `experiments.statistics.summarise`.
        directory: where the files go; made if absent.

    Returns:
        Name of the figure: path of its PNG; the PDF lies beside it.
    """
    from figures.curves import noise_control, robust_curves
    from figures.distortion import distortion_curves
    from figures.forest import forest
    from figures.images import image_grid
    from figures.matrix import transfer_matrix
    from figures.save import save

    attack = str(result.attrs["reference_attack"])
    epsilon = float(result.attrs["reference_epsilon"])
    paths: dict[str, Path] = {}
    for each in aimed(summary):
        curved = several_budgets(summary, each)
        if curved:
            name = f"curves-{each}"
            paths[name] = save(robust_curves(summary, each), directory, name)[0]
        if curved and has_noise(summary, str(summary["norm"].sel(attack=each).values)):
            name = f"noise-{each}"
            paths[name] = save(noise_control(summary, each), directory, name)[0]
        if "example_inputs" in result and result["example_inputs"].sel(attack=each).notnull().any():
            name = f"images-{each}"
            paths[name] = save(image_grid(result, each), directory, name)[0]
    at = summary.sel(attack=attack).sel(epsilon=epsilon, method="nearest")
    if at["difference"].notnull().any():
        paths["forest"] = save(forest(summary, attack, epsilon), directory, "forest")[0]
    paths["transfer"] = save(transfer_matrix(result, attack, epsilon), directory, "transfer")[0]
    if "minimum_distortion" in result and np.isfinite(result["minimum_distortion"]).any():
        paths["distortion"] = save(distortion_curves(result), directory, "distortion")[0]
    for name, figure in corruption_figures(result, summary):
        paths[name] = save(figure, directory, name)[0]
    return paths


def corruption_figures(result: xr.Dataset, summary: xr.Dataset) -> Iterator[tuple[str, "Figure"]]:
    """The figures of corrupted images that the result holds the data for, by name."""
    from figures import corruptions as room

    if "corruption_accuracy" not in summary:
        return
    kinds = set(summary["corruption_kind"].to_numpy())
    if "mnist-c" in kinds:
        yield "corruptions", room.corruption_accuracies(summary)
        yield "corruption-examples", room.corruption_examples(result)
    if room.several(summary, "mnist-c"):
        yield "corruption-severities", room.corruption_curves(summary, "mnist-c")
    if "sweep" in kinds:
        yield "sweeps", room.corruption_curves(summary, "sweep")
        yield "sweep-examples", room.sweep_examples(result)


def measured(summary: xr.Dataset) -> xr.Dataset:
    """The summary at the attacks under which anything was measured."""
    there = summary["accuracy"].notnull().any(["network", "view", "epsilon"])
    return summary.isel(attack=there.to_numpy())


def aimed(summary: xr.Dataset) -> list[str]:
    """Measured attacks that are no noise."""
    here = measured(summary)
    return [str(each) for each in here["attack"].to_numpy()[here["kind"].to_numpy() != "noise"]]


def several_budgets(summary: xr.Dataset, attack: str) -> bool:
    """Whether an attack was run at more than one budget, or there is but one."""
    here = measured(summary)["accuracy"].sel(attack=attack)
    others = [dim for dim in here.dims if dim != "epsilon"]
    return int(here.notnull().any(others).sum()) > min(1, here.sizes["epsilon"] - 1)


def has_noise(summary: xr.Dataset, norm: str) -> bool:
    """Whether noise of a norm was measured."""
    here = measured(summary)
    return bool(((here["kind"] == "noise") & (here["norm"] == norm)).any())
