"""A network, or what it does on test images, in the formats of others."""

import warnings
from collections.abc import Callable
from pathlib import Path

import xarray as xr
from rich.console import Console
from rich.markup import escape

from experiments.origin import warn_untrained, wired
from networks.errors import unknown
from sim import Network, run
from sim.exchange import unsaid, write_neo, write_nir, write_nwb

RECORDINGS: dict[str, Callable[[xr.Dataset, Path, float], None]] = {
    ".mat": write_neo,
    ".nwb": write_nwb,
}
SUFFIXES = (".nir", *RECORDINGS)


def export(
    network: str,
    to: Path,
    *,
    images: int,
    dt_ms: float,
    run_directory: Path | None,
    individual: int,
    data: Path | None,
    console: Console,
) -> None:
    """Write ``network`` (.nir), or its recordings on ``images`` test images (.nwb, .mat), ``to``.

    The ending of ``to`` chooses the format. Raises BlindspotsError where there is no such format
    or network, or the format cannot hold it.
    """
    if to.suffix not in SUFFIXES:
        raise unknown("format", to.suffix or to.name, SUFFIXES)
    found = wired(network, run_directory, individual, individual, purpose="can be exported")
    warn_untrained([found], console)
    built = found.network
    if to.suffix == ".nir":
        with warnings.catch_warnings():  # said below, in a sentence
            warnings.simplefilter("ignore")
            write_nir(built, to, dt_ms)
        what = f"{built.wiring.name}; only its metadata say {'; '.join(unsaid(built))}"
    else:
        RECORDINGS[to.suffix](recorded(built, images, data), to, dt_ms)
        what = f"{built.wiring.name} on {images} test images, one step = {dt_ms:g} ms"
    console.print(f"Wrote {escape(str(to))}: {what}.", highlight=False, soft_wrap=True)


def recorded(network: Network, images: int, data: Path | None) -> xr.Dataset:
    """The recordings of ``network`` on the first ``images`` of the scored test images."""
    from experiments.data.dataset import load_data, scored_images

    loaded = load_data(data)
    split, index = scored_images(loaded, images)
    recordings = run(network, split.images).assign_attrs(data=loaded.name)
    return recordings.assign_coords(image=index, label=("image", split.labels.numpy()))
