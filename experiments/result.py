"""The labelled result of a comparison: saved and loaded again, with what lies beside it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.bench import Bench
from experiments.inputs import Corrupt, Craft, is_measured
from experiments.plan import Plan
from experiments.store import unit_path
from experiments.units import is_complete
from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    from sim import Network
    from sim.brian.detailed import Detailed

FORMAT = 1  # of the file; raise it when its variables or dimensions change


def image_indices(bench: Bench, count: int) -> NDArray[np.int64]:
    """Which test images are scored."""
    from experiments.data.dataset import scored_images

    return scored_images(bench.load(), count)[1]


def load_result(run: str | os.PathLike[str]) -> xr.Dataset:
    """The labelled result of a run directory; what it holds: :mod:`experiments.assemble`.

    Raises BlindspotsError where there is none, or another version of blindspots wrote it.
    """
    path = Path(run) / "result.nc"
    if not path.exists():
        raise BlindspotsError(
            f"'{run}' holds no result.nc; name the directory of a comparison that has ended."
        )
    try:
        result = xr.load_dataset(path, engine="netcdf4").drop_encoding()
    except Exception as error:
        raise BlindspotsError(
            f"'{path}' is not a labelled result ({type(error).__name__}: {error}); run the "
            "comparison again."
        ) from None
    if result.attrs.get("format") != FORMAT:
        raise BlindspotsError(
            f"'{path}' was written by blindspots {result.attrs.get('blindspots', '(unknown)')} in "
            f"format {result.attrs.get('format', '(none)')}, this version reads format {FORMAT}; "
            "run the comparison again, or install that version."
        )
    return result


def individual_directory(run: Path, name: str, individual: int) -> Path:
    """Where a run keeps a trained individual."""
    return run / "networks" / name / f"individual-{individual}"


def load_network(
    run: str | os.PathLike[str], name: str, individual: int = 0
) -> "Network | Detailed":
    """A trained individual of a run: images (N, 1, 28, 28) in [0, 1] to logits (N, 10).

    A torch module, differentiable by its input; ``NAME@cells`` is a callable without a gradient.
    Raises BlindspotsError where the run has no such individual.
    """
    from experiments.cells import load_at

    root = Path(run) / "networks"
    names = sorted(p.name for p in root.iterdir()) if root.is_dir() else []
    if name not in names:
        raise unknown("network", name, names, f"in '{run}'")
    directory = individual_directory(Path(run), name, individual)
    if not directory.is_dir():
        there = sorted(p.name.removeprefix("individual-") for p in (root / name).iterdir())
        raise BlindspotsError(
            f"'{name}' has no individual {individual} in '{run}'; it has {', '.join(there)}."
        )
    return load_at(directory)


def inputs_hashes(plan: Plan) -> dict[str, str]:
    """SHA-256 of each complete set of inputs, by its file's name in the run directory."""
    sets: dict[str, Craft | Corrupt] = {
        set_name(*place): craft for place, craft in plan.sets.items() if is_measured(craft)
    }
    sets |= {f"corrupted/{k}": each for k, each in plan.corrupted.items() if is_complete(each)}
    paths = {name: unit_path(each.stage, each.key) / "inputs.json" for name, each in sets.items()}
    return {name: str(json.loads(path.read_text())["sha256"]) for name, path in paths.items()}


def set_name(source: str, individual: int, attack: str) -> str:
    """A set's file in ``inputs/``, without its ending."""
    return f"{source.replace(':', '_')}-{individual}-{attack}"


def weights_hashes(directories: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each individual's weights file."""
    return {
        name: hashlib.sha256((path / "weights.safetensors").read_bytes()).hexdigest()
        for name, path in directories.items()
    }
