"""MNIST's four files: what they must contain, and where they are looked for."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.cache import cache_dir
from experiments.data.download import Patience, Undownloadable, download
from experiments.data.idx import Unfit, parse, read_bytes
from networks.errors import BlindspotsError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


@dataclass(frozen=True)
class Archive:
    """One file: its name without ``.gz``, SHA-256 of the archive and of its content, its shape."""

    name: str
    archive_sha256: str
    content_sha256: str
    shape: tuple[int, ...]


ARCHIVES = (
    Archive(
        "train-images-idx3-ubyte",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        (60000, 28, 28),
    ),
    Archive(
        "train-labels-idx1-ubyte",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        (60000,),
    ),
    Archive(
        "t10k-images-idx3-ubyte",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        (10000, 28, 28),
    ),
    Archive(
        "t10k-labels-idx1-ubyte",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        (10000,),
    ),
)


def find(
    directory: Path | None,
    mirrors: Sequence[str] = MIRRORS,
    archives: Sequence[Archive] = ARCHIVES,
    patience: Patience = Patience(),  # noqa: B008 (immutable)
) -> list[NDArray[np.uint8]]:
    """The arrays of ``archives`` from ``directory``, BLINDSPOTS_DATA, the cache or ``mirrors``.

    A named directory (the option before the variable) is the only place that is tried. Without
    one, what the cache lacks or holds corrupted is downloaded into it. Raises BlindspotsError.
    """
    named = directory or named_directory()
    if named:
        return read_directory(named, archives)
    return [_cached(cache_dir() / "mnist", archive, mirrors, patience) for archive in archives]


def named_directory() -> Path | None:
    """The directory that BLINDSPOTS_DATA names, if any."""
    named = os.environ.get("BLINDSPOTS_DATA")
    return Path(named).expanduser() if named else None


def read_directory(
    directory: Path, archives: Sequence[Archive] = ARCHIVES
) -> list[NDArray[np.uint8]]:
    """The arrays of ``archives`` from files in ``directory``, packed by any gzip or plain.

    Raises BlindspotsError where a file is missing, or its content is not MNIST's.
    """
    try:
        return [_from_directory(directory, archive) for archive in archives]
    except Unfit as error:
        raise BlindspotsError(
            f"{error}; name a directory with MNIST's four IDX files by --data or BLINDSPOTS_DATA."
        ) from None


def _from_directory(directory: Path, archive: Archive) -> NDArray[np.uint8]:
    """The array of ``archive``, under its own name or the dotted one that other tools write."""
    names = (archive.name, archive.name.replace("-idx", ".idx"))
    paths = [directory / f"{name}{ending}" for name in names for ending in (".gz", "")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        if not directory.is_dir():
            raise Unfit(f"'{directory}' is no directory")
        raise Unfit(f"'{directory}' holds no {archive.name}, with or without .gz")
    return _read(path, archive)


def _read(path: Path, archive: Archive) -> NDArray[np.uint8]:
    """The array in ``path``, its form and its hash checked."""
    content = read_bytes(path)
    array = parse(content, archive.shape, path)
    if hashlib.sha256(content).hexdigest() != archive.content_sha256:
        raise Unfit(f"'{path}' has the form of MNIST's file but other content (SHA-256 differs)")
    return array


def _cached(
    cache: Path, archive: Archive, mirrors: Sequence[str], patience: Patience
) -> NDArray[np.uint8]:
    """The array of ``archive`` from ``cache``, downloaded where the cache has no good one."""
    try:
        return _from_directory(cache, archive)
    except Unfit as error:
        missing = error
    file = f"{archive.name}.gz"
    try:
        return _read(download(file, archive.archive_sha256, cache, mirrors, patience), archive)
    except (Undownloadable, Unfit) as error:
        raise BlindspotsError(
            f"{missing}, and {error}; connect to the internet, or name a directory with MNIST's "
            "four IDX files by --data or BLINDSPOTS_DATA."
        ) from None
