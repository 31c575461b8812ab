"""The labelled result of a reproduction, and what its tables say."""

import json
from importlib.metadata import version

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from statsmodels.stats.weightstats import DescrStatsW

from experiments.bench import Bench
from experiments.reproduce.plan import SOURCE, Plan, Settings
from experiments.reproduce.units import AMPLIFIED, DEVIATIONS, pictures
from experiments.statistics.accuracies import wilson
from experiments.store import damaged
from experiments.units import Unit, is_complete, product

LEVELS = ("minimal", "amplified")
AIMS = ("random", "nearest", "literal")


def assemble(settings: Settings, plan: Plan, bench: Bench) -> xr.Dataset:
    """The outcomes of all complete units; -1 or NaN where one failed or was not asked for.

    Variables, with their dimensions (``network``, ``source``: the network that inputs were made
    for, ``level``, ``aim``, ``deviation``, ``panel``, ``image``):

    - ``prediction`` (network, source, level, image): the class that the network answers to the
      source's inputs with random targets, at their smallest change and amplified to 0.1.
    - ``noise_prediction`` (network, deviation, image): under Gaussian noise; 0 is clean.
    - ``distortion`` (source, aim, image): root-mean-squared change of the nearest input found
      that reaches a random wrong class, or any, or a random one by the published attack to the
      letter (:mod:`experiments.reproduce.literal`); infinite where none was found.
    - ``label`` (panel, image).
    - ``wrong``, ``asked`` (network, split): mistakes, and of how many images, over all training
      and all test images.
    """
    names = [m.name for m in plan.members]
    panels = list(dict.fromkeys(m.panel for m in plan.members))
    place, count = {name: at for at, name in enumerate(names)}, settings.images
    prediction = np.full((len(names), len(names), len(LEVELS), count), -1, np.int8)
    for (name, source), unit in plan.scores.items():
        if is_complete(unit):
            prediction[place[name], place[source]] = tensor(unit, "prediction")
    noisy = np.full((len(names), len(DEVIATIONS), count), -1, np.int8)
    for name, unit in plan.noisy.items():
        if is_complete(unit):
            noisy[place[name]] = tensor(unit, "prediction")
    far = np.full((len(names), len(AIMS), count), np.nan, np.float32)
    for (source, aim), each in plan.distorted.items():
        if is_complete(each):
            far[place[source], AIMS.index(aim)] = tensor(each, "distance")
    labels = [pictures(bench, SOURCE[panel], count).labels.cpu().numpy() for panel in panels]
    mistakes = np.stack([counted(plan, name) for name in names])
    return xr.Dataset(
        {
            "prediction": (("network", "source", "level", "image"), prediction),
            "noise_prediction": (("network", "deviation", "image"), noisy),
            "distortion": (("source", "aim", "image"), far, {"units": "intensity"}),
            "label": (("panel", "image"), np.stack(labels).astype(np.int8)),
            "wrong": (("network", "split"), mistakes[:, :, 0]),
            "asked": (("network", "split"), mistakes[:, :, 1]),
        },
        coords={
            "network": names,
            "source": names,
            "level": list(LEVELS),
            "aim": list(AIMS),
            "deviation": list(DEVIATIONS),
            "panel": panels,
            "split": ["train", "test"],
            "of_panel": ("network", [m.panel for m in plan.members]),
            "part": ("network", [m.part for m in plan.members]),
            "added": ("network", [m.added for m in plan.members]),
        },
        attrs={
            "format": 1,
            "blindspots": version("blindspots"),
            "title": "reproduction of Szegedy et al. 2014",
            "data": bench.data,
            "data_sha256": bench.sha256,
            "amplified_to": AMPLIFIED,
            "spec": settings.to_toml(),
        },
    )


def tensor(unit: Unit, name: str) -> NDArray[np.generic]:
    """One array of a unit's product."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(product(unit))[name]
    except (OSError, SafetensorError) as error:
        raise damaged(product(unit), error) from None


def counted(plan: Plan, name: str) -> NDArray[np.int64]:
    """Mistakes and images, for training and test images; 0 of 0 where that unit failed."""
    unit = plan.errors[name]
    if not is_complete(unit):
        return np.zeros((2, 2), np.int64)
    try:
        counts = json.loads(product(unit).read_text())
        return np.array([counts["train"], counts["test"]], np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise damaged(product(unit), error) from None


def summarise(result: xr.Dataset) -> xr.Dataset:
    """What the tables print: fractions with 95 % Wilson intervals, distortions with t intervals.

    - ``error`` (network, source, level): share of the source's inputs that the network gets
      wrong, over the images for which one was found; ``noise_error`` (network, deviation);
      ``full_error`` (network, split), over all images.
    - ``individuals_scored`` (network): 1 where it was.
    - ``mean_distortion``, ``rms_distortion`` (source, aim): over the images that the source gets
      right when clean and for which an input was found; ``found_share`` is their share of those
      that it gets right.
    """
    label = result["label"].sel(panel=result["of_panel"])
    found = np.isfinite(result["distortion"].sel(aim="random"))
    asked = (result["prediction"] >= 0) & found
    table = shares((result["prediction"] != label) & asked, asked, "error")
    noisy = result["noise_prediction"]
    table |= shares((noisy != label) & (noisy >= 0), noisy >= 0, "noise_error")
    full = shares(result["wrong"], result["asked"], "full_error", over=None)
    right = (noisy.sel(deviation=0) == label).rename(network="source").reset_coords(drop=True)
    summary = xr.Dataset({**table, **full, **averages(result["distortion"], right)})
    summary["individuals_scored"] = (noisy >= 0).any(["deviation", "image"]).astype(int)
    facts = {"images": result.sizes["image"], "confidence": 0.95}
    return summary.assign_attrs(result.attrs | facts)


def shares(
    hit: xr.DataArray, asked: xr.DataArray, name: str, over: str | None = "image"
) -> dict[str, xr.DataArray]:
    """``name``, ``name``_low and ``name``_high: hits of those asked, with Wilson intervals."""
    hits, total = (hit.sum(over), asked.sum(over)) if over else (hit, asked)
    share = hits.where(total > 0) / total.where(total > 0)
    low, high = wilson(share.to_numpy(), total.transpose(*share.dims).to_numpy())
    return {name: share, f"{name}_low": share.copy(data=low), f"{name}_high": share.copy(data=high)}


def averages(distortion: xr.DataArray, right: xr.DataArray) -> dict[str, xr.DataArray]:
    """Mean and root mean square over images, with 95 % t intervals."""
    used = right & np.isfinite(distortion)
    table = {}
    for name, power in (("mean_distortion", 1), ("rms_distortion", 2)):
        values = (distortion**power).where(used).transpose("source", "aim", "image")
        three = np.full((3, *values.shape[:2]), np.nan)
        for place in np.ndindex(*values.shape[:2]):
            known = values.to_numpy()[place]
            known = known[np.isfinite(known)].astype(float)
            if len(known) > 1:
                described = DescrStatsW(known)
                three[(slice(None), *place)] = described.mean, *described.tconfint_mean()
        three = three.clip(min=0) ** (1 / power)
        for suffix, each in zip(("", "_low", "_high"), three, strict=True):
            table[name + suffix] = values.isel(image=0, drop=True).copy(data=each)
    measured = distortion.notnull() & right
    share = used.sum("image") / measured.sum("image").where(measured.any("image"))
    return table | {"found_share": share.transpose("source", "aim")}
