"""Whose dynamics are watched: a trained individual of a run, on torch or in cells."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from experiments.cells import CELLS, load_at
from experiments.finished import identity_of
from experiments.result import individual_directory
from experiments.store import read_dataset
from networks import DETAILED, Physiology
from networks.errors import BlindspotsError

if TYPE_CHECKING:
    from sim import Network
    from sim.brian.detailed import Detailed


@dataclass(frozen=True)
class Subject:
    """An individual whose files lie in ``directory``.

    ``examined`` is what the command ``detailed`` left of it, for cells that are no network of
    the run themselves. ``sha256`` is of all that makes it what it is.
    """

    network: str
    individual: int
    directory: Path
    sha256: str
    examined: Path | None = None

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.network} ({self.individual})"

    @property
    def in_cells(self) -> bool:
        """Whether it runs in cells."""
        return self.network.endswith(DETAILED)

    @property
    def twin(self) -> str:
        """The network that it was trained as."""
        return self.network.removesuffix(DETAILED)

    def model(self) -> "Network | Detailed":
        """The individual itself."""
        found = load_at(self.directory)
        return in_cells(found, self.examined) if self.examined else found  # type: ignore[arg-type]


def in_cells(network: "Network", examined: Path) -> "Detailed":
    """The cells with all ingredients together that the command ``detailed`` calibrated."""
    from experiments.detailed.report import TOGETHER
    from sim.brian.detailed import Detailed

    facts = read_dataset(examined)
    return Detailed(
        network,
        Physiology.model_validate_json(facts.attrs["physiology"]),
        seed=int(facts.attrs["seed"]),
        gains=facts["gain"].sel(variant=TOGETHER).to_series().to_dict(),
    )


def subject(run: Path, compared: xr.Dataset, network: str, individual: int) -> Subject:
    """The individual of that network in ``run``; in cells that the command ``detailed`` left last.

    Raises BlindspotsError where the run trained no such individual, or has no cells of it.
    """
    directory = individual_directory(run, network, individual)
    if directory.is_dir():
        parts = [identity_of(directory)]
        if (directory / CELLS).exists():
            parts.append((directory / CELLS).read_text())
        return Subject(network, individual, directory, digest(*parts))
    twin = network.removesuffix(DETAILED)
    trained = individual_directory(run, twin, individual)
    if network == twin or not trained.is_dir():
        there = sorted(p.name.removeprefix("individual-") for p in directory.parent.glob("*-*"))
        raise BlindspotsError(
            f"'{network}' has no individual {individual} in '{run}'; it has "
            f"{', '.join(there) or 'none'}."
        )
    found = list((run / "detailed").glob(f"{twin}-{individual}-*/activity.nc"))
    if not found:
        raise BlindspotsError(
            f"'{run}' has no cells of '{twin}', individual {individual}; calibrate them first: "
            f"blindspots detailed {run} {twin} --individual {individual}"
        )
    newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path))
    identity = digest(identity_of(trained), hashlib.sha256(newest.read_bytes()).hexdigest())
    return Subject(network, individual, trained, identity, newest)


def digest(*parts: str) -> str:
    """SHA-256 of several texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
