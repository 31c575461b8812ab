"""A comparison that has ended, taken up again by another command."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from experiments.bench import Bench, bench_with
from experiments.kept import Kept
from experiments.result import individual_directory, load_network, load_result
from experiments.store import damaged
from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    from experiments.data.dataset import Dataset


def finished(run: Path, data: Path | None, device: str | None = "cpu") -> tuple[xr.Dataset, Bench]:
    """The result of the comparison in ``run``, and the bench with the data that it was made with.

    ``device`` is as for :func:`experiments.bench.bench_for`. Raises BlindspotsError where there is
    no result, the data are not to be had, or those here are others.
    """
    compared = load_result(run)
    return compared, bench_of(run, compared, data, device)


def bench_of(
    run: Path, compared: xr.Dataset, data: Path | None, device: str | None = "cpu"
) -> Bench:
    """The bench of :func:`finished`, for a result that has been read.

    Nothing stands in for MNIST where the run was made with it.
    """
    from experiments.data.dataset import DIGITS, load_data

    on_digits = compared.attrs["data"] == DIGITS
    load: Callable[[Path | None], Dataset] = load_data if on_digits else partial(mnist_for, run)
    bench = bench_with(load, data, device)
    if bench.sha256 != compared.attrs["data_sha256"]:
        raise BlindspotsError(
            f"'{run}' was made with {compared.attrs['data']}, other data than {bench.data} here; "
            "name the same with --data."
        )
    return bench


def mnist_for(run: Path, directory: Path | None) -> "Dataset":
    """MNIST, with which ``run`` was made; BlindspotsError where it is not to be had."""
    from experiments.data.dataset import load_again

    try:
        return load_again("MNIST", directory)
    except BlindspotsError as error:
        raise BlindspotsError(f"'{run}' was made with MNIST; {error}") from None


def images_of(compared: xr.Dataset, run: Path, wanted: int | None, usual: int) -> int:
    """How many of the run's images to use: ``wanted``, by default ``usual`` or all there are."""
    there = compared.sizes["image"]
    if wanted is None:
        return min(usual, there)
    if wanted > there:
        raise BlindspotsError(
            f"'{run}' attacked {there} images; ask for at most so many, not {wanted}."
        )
    return wanted


def place_of(compared: xr.Dataset, run: Path, image: int) -> int:
    """Where among the run's images that of this index in the test set is.

    Raises BlindspotsError where the run did not attack it.
    """
    there = compared["image"].to_numpy().tolist()
    if image not in there:
        known = ", ".join(map(str, there[:8]))
        raise BlindspotsError(
            f"Test image {image} is not among the {len(there)} that '{run}' attacked; choose "
            f"from {known}{', ...' if len(there) > 8 else ''}."
        )
    return int(there.index(image))


def chosen(compared: xr.Dataset, run: Path, names: list[str]) -> list[str]:
    """The networks ``names`` of a comparison, all of them where none is named."""
    there = [str(name) for name in compared["network"].to_numpy()]
    for name in names:
        if name not in there:
            raise unknown("network", name, there, f"in '{run}'")
    return names or there


def seed_of(individual: Path) -> int:
    """The seed that a trained individual in a directory started from."""
    path = individual / "training.json"
    try:
        return int(json.loads(path.read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None


def kept(run: Path, name: str, individual: int, bench: Bench) -> Kept:
    """A trained individual of the run; BlindspotsError where it is not there."""
    load_network(run, name, individual)
    directory = individual_directory(run, name, individual).resolve()
    return Kept(directory, identity_of(directory), bench)


def identity_of(individual: Path) -> str:
    """SHA-256 of an individual's weights and wiring."""
    parts = [individual / name for name in ("weights.safetensors", "wiring.json")]
    return hashlib.sha256(b"".join(each.read_bytes() for each in parts)).hexdigest()
