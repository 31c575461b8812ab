"""Detailed individuals on disk: the trained weights, and beside them cells.json."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.store import damaged
from networks import BlindspotsError, Physiology
from networks.physiology import physiology_from

if TYPE_CHECKING:
    from torch import Tensor

    from sim import Network
    from sim.brian.detailed import Calibration, Detailed

CELLS = "cells.json"


def embodied(
    trained: Path,
    physiology: Physiology,
    seed: int,
    images: "Tensor",
    report: Callable[[float, float], None] = lambda done, score: None,
) -> "tuple[Detailed, Calibration]":
    """The individual in the directory ``trained`` with cells, calibrated on ``images``."""
    from experiments.training import load_individual
    from sim.brian.detailed import Detailed, calibrate
    from sim.brian.detailed.calibration import ROUNDS

    plain = Detailed(load_individual(trained), physiology, seed=seed)
    calibration = calibrate(plain, images, done=lambda rounds: report(rounds / ROUNDS, 0.0))
    return plain.calibrated(calibration.gains), calibration


def save_cells(network: "Detailed", calibration: "Calibration", directory: Path) -> None:
    """``cells.json``: the physiology, the seed and how the rates were matched."""
    facts = {
        "physiology": network.physiology.model_dump(mode="json"),
        "seed": network.seed,
        "calibration": {
            "gains": calibration.gains,
            "trained": calibration.trained,
            "before": calibration.before,
            "after": calibration.after,
        },
    }
    (directory / CELLS).write_text(json.dumps(facts, indent=1))


def rate_error(directory: Path) -> float:
    """|ln ratio| of the rates in cells and in training, in the area that is furthest off."""
    from sim.brian.detailed.calibration import distance

    try:
        facts = json.loads((directory / CELLS).read_text())["calibration"]
        return distance(facts["after"], facts["trained"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(directory / CELLS, error) from None


def load_at(directory: Path) -> "Network | Detailed":
    """The individual in a directory: trained units, or cells where it holds those."""
    from experiments.training import load_individual

    return load_cells(directory) if (directory / CELLS).exists() else load_individual(directory)


def load_cells(directory: Path) -> "Detailed":
    """The detailed individual that :func:`save_cells` left beside its weights."""
    from experiments.training import load_individual
    from sim.brian.detailed import Detailed

    path = directory / CELLS
    try:
        facts = json.loads(path.read_text())
        physiology = physiology_from(dict(facts["physiology"]))
        gains = {str(k): float(v) for k, v in dict(facts["calibration"]["gains"]).items()}
        seed = int(facts["seed"])
    except KeyError as error:
        raise damaged(path, ValueError(f"it lacks {error}")) from None
    except (OSError, ValueError, TypeError, BlindspotsError) as error:
        raise damaged(path, error) from None
    network = load_individual(directory)
    areas = set(network.wiring.spiking)
    if set(gains) != areas or not all(math.isfinite(g) and g > 0 for g in gains.values()):
        raise damaged(path, ValueError(f"no positive gain for each of {', '.join(sorted(areas))}"))
    return Detailed(network, physiology, seed=seed, gains=gains)
