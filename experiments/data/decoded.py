"""A decoded data set on disk, which processes map into memory and share."""

import os
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from experiments.data.cache import cache_dir
from experiments.data.dataset import Dataset, Split

SPLITS = ("train", "validation", "test")


def path_of(sha256: str) -> Path:
    """Where the data set of that content lies once it is decoded."""
    return cache_dir() / "data" / f"{sha256}.safetensors"


def keep_decoded(data: Dataset) -> None:
    """Write it, where it is not there yet; a disk without room for it is no obstacle."""
    path = path_of(data.sha256)
    if path.exists():
        return
    draft = path.with_name(f".{os.getpid()}-{path.name}")
    tensors = {
        f"{name}/{what}": tensor.contiguous()
        for name in SPLITS
        for what, tensor in getattr(data, name)._asdict().items()
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, draft)
        draft.replace(path)
    except (OSError, SafetensorError):
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def load_decoded(name: str, sha256: str) -> Dataset | None:
    """The data set of that content, memory-mapped; None where it was not kept."""
    try:
        tensors = load_file(path_of(sha256))
        splits = {
            part: Split(tensors[f"{part}/images"], tensors[f"{part}/labels"]) for part in SPLITS
        }
    except (OSError, SafetensorError, KeyError):
        return None
    return Dataset(name, **splits, sha256=sha256)
