"""Units of work on disk: each under a key of what determines it, complete or absent."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import xarray as xr
from safetensors import SafetensorError

from experiments.data.cache import cache_dir
from networks.errors import BlindspotsError


def key_of(**determines: Any) -> str:
    """SHA-256 (32 hex digits) of JSON-able values; equal values give equal keys everywhere."""
    text = json.dumps(determines, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unit_path(kind: str, key: str) -> Path:
    """Where the unit lies once it is complete; shared by all runs of this user."""
    return cache_dir() / "units" / kind / key


@contextmanager
def fresh_unit(kind: str, key: str) -> Iterator[Path]:
    """An empty directory that becomes the unit, all at once, when the block ends well.

    Whatever interrupts the block leaves no unit. A full or unwritable disk is a BlindspotsError.
    Where another process has left the same files meanwhile, those stay: a key stands for one
    outcome, and somebody may be reading them.
    """
    final = unit_path(kind, key)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=final.parent))
    except OSError as error:
        raise unwritable(final.parent, error) from None
    try:
        yield draft
        while not (_is_there(draft, final) or _became(draft, final)):
            _clear(final)
    except (OSError, SafetensorError) as error:
        raise unwritable(final.parent, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_there(draft: Path, final: Path) -> bool:
    """Whether ``final`` has every file that ``draft`` has."""
    names = [path.relative_to(draft) for path in draft.rglob("*") if path.is_file()]
    return bool(names) and all((final / name).is_file() for name in names)


def _became(draft: Path, final: Path) -> bool:
    """Give ``draft`` the name ``final``, unless files lie there."""
    try:
        os.replace(draft, final)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _clear(final: Path) -> None:
    """Take away what lies at ``final``, all at once, unless another process did."""
    with (
        tempfile.TemporaryDirectory(
            prefix=f".{final.name}-", dir=final.parent, ignore_cleanup_errors=True
        ) as attic,
        suppress(FileNotFoundError),
    ):
        os.replace(final, Path(attic) / "before")


def write_text(path: Path, text: str) -> None:
    """Write a file, all of it or nothing; BlindspotsError where that cannot be."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text)
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unwritable(path.parent, error) from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that puts files into ``path``; BlindspotsError where that cannot be."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: Exception) -> BlindspotsError:
    """The error for a directory that takes no files, with the system's reason."""
    reason = getattr(error, "strerror", None) or error
    return BlindspotsError(
        f"'{path}' cannot be written ({reason}); free space there, or choose "
        "another directory (--out, or BLINDSPOTS_CACHE for the cache)."
    )


def damaged(path: Path, error: Exception) -> BlindspotsError:
    """The error for a file of a unit that cannot be read, with the reason."""
    return BlindspotsError(
        f"'{path}' cannot be read ({error}); remove the directory that it lies in, and run the "
        "same command again."
    )


def read_dataset(path: Path) -> xr.Dataset:
    """The labelled arrays of a unit's netCDF file.

    How they were encoded is forgotten: a label's width there would cut longer ones that join them.
    """
    try:
        return xr.load_dataset(path, engine="netcdf4").drop_encoding()
    except Exception as error:
        raise damaged(path, error) from None


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write labelled arrays as netCDF, all of it or nothing; BlindspotsError where that cannot be.

    Large variables are compressed.
    """
    draft = path.with_name(f".{path.name}.draft")
    packed = {k: {"zlib": True} for k, values in dataset.data_vars.items() if values.size > 1000}
    try:
        dataset.to_netcdf(draft, engine="netcdf4", encoding=packed)
        os.replace(draft, path)
    except (OSError, RuntimeError) as error:  # the latter is what netCDF4 makes of a full disk
        raise unwritable(path.parent, error) from None
    finally:
        draft.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """The files of ``source`` at ``target``: hard links where possible, copies otherwise."""

    def put(here: str, there: str) -> None:
        Path(there).unlink(missing_ok=True)
        try:
            os.link(here, there)
        except OSError:
            copy(here, there)

    def copy(here: str, there: str) -> None:
        try:
            shutil.copy2(here, there)
        except OSError as error:  # copytree would gather these into a list
            raise unwritable(target, error) from None

    try:
        shutil.copytree(source, target, copy_function=put, dirs_exist_ok=True)
    except OSError as error:
        raise unwritable(target, error) from None
