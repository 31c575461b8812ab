"""MNIST's four files: what they must contain, where they are looked for, how they are fetched."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import requests
from numpy.typing import NDArray

from experiments.data.cache import cache_dir
from experiments.data.idx import parse, read_bytes
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


def read_directory(
    directory: Path, archives: Sequence[Archive] = ARCHIVES
) -> list[NDArray[np.uint8]]:
    """The arrays of ``archives`` from files in ``directory``, packed by any gzip or plain.

    Raises BlindspotsError where a file is missing, or its content is not MNIST's.
    """
    return [_read(directory, archive) for archive in archives]


def _read(directory: Path, archive: Archive) -> NDArray[np.uint8]:
    names = (f"{archive.name}.gz", archive.name)
    path = next((directory / n for n in names if (directory / n).is_file()), None)
    if path is None:
        raise BlindspotsError(
            f"'{directory}' holds no {names[0]}; name a directory with MNIST's four IDX files."
        )
    content = read_bytes(path)
    array = parse(content, archive.shape, path)
    if hashlib.sha256(content).hexdigest() != archive.content_sha256:
        raise BlindspotsError(
            f"'{path}' has the form of MNIST but other content (SHA-256 differs): fetch it again."
        )
    return array


def find(directory: Path | None, mirrors: Sequence[str] = MIRRORS) -> list[NDArray[np.uint8]]:
    """MNIST's arrays from ``directory``, BLINDSPOTS_DATA, the user's cache or the mirrors.

    The first place that is named is the only one tried; without a name, the cache, then the
    download into it.
    """
    named = directory or (os.environ.get("BLINDSPOTS_DATA") and Path(os.environ["BLINDSPOTS_DATA"]))
    if named:
        return read_directory(Path(named))
    cached = cache_dir() / "mnist"
    for archive in ARCHIVES:
        download(archive, cached, mirrors)
    return read_directory(cached)


def download(
    archive: Archive, directory: Path, mirrors: Sequence[str], timeout: float = 5, tries: int = 2
) -> Path:
    """The archive in ``directory``, fetched from the first mirror that gives the right bytes."""
    file, failures = f"{archive.name}.gz", []
    for mirror in [m for m in mirrors for _ in range(tries)]:
        try:
            return Path(
                pooch.retrieve(
                    mirror + file,
                    known_hash=f"sha256:{archive.archive_sha256}",
                    fname=file,
                    path=directory,
                    downloader=pooch.HTTPDownloader(progressbar=True, timeout=timeout),
                )
            )
        except (OSError, ValueError, requests.RequestException) as error:
            failures.append(f"{mirror}: {type(error).__name__}")
    raise BlindspotsError(
        f"MNIST's {file} could not be downloaded ({'; '.join(dict.fromkeys(failures))}); "
        "connect to the internet, or name a directory that holds it with --data or BLINDSPOTS_DATA."
    )
