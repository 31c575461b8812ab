"""Libraries that are imported late, and files that come out whole or not at all."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from networks.errors import BlindspotsError


def library(module: str, packages: str) -> Any:
    """The module; BlindspotsError names the ``packages`` to install where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BlindspotsError(
            f"'{module}' cannot be imported ({error}); install it with  pip install {packages}  "
            "or everything that exchange needs with the extra 'exchange'."
        ) from None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft beside ``path`` that takes its place when the block ends well, and goes otherwise."""
    draft = path.with_name(f".{path.stem}-draft{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        yield draft
        os.replace(draft, path)
    except OSError as error:
        reason = error.strerror or error
        raise BlindspotsError(
            f"'{path}' cannot be written ({reason}); free space there, or name another file."
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def positive(dt_ms: float) -> float:
    """``dt_ms`` itself; BlindspotsError unless it is a length of time."""
    if not 0 < dt_ms < float("inf"):
        raise BlindspotsError(f"A step of {dt_ms:g} ms is no length of time; give one above 0.")
    return dt_ms
