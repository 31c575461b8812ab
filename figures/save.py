"""Figures to files: complete or not at all, and the same bytes for the same figure."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from figures.style import styled

DPI = 200
FORMATS: dict[str, dict[str, Any]] = {  # what a file says of its making: no date, no version
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}


@styled
def save(figure: Figure, directory: str | os.PathLike[str], name: str) -> list[Path]:
    """Writes `name`.png (200 dpi) and `name`.pdf, replacing old ones in one step each.

    The layout is settled once, at the resolution of the PNG, so both formats and every later
    save agree.

    Returns:
        The paths, PNG first.
    """
    folder = Path(directory)
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return [_write(figure, folder / f"{name}.{suffix}", suffix) for suffix in FORMATS]


def _write(figure: Figure, path: Path, suffix: str) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=DPI, metadata=FORMATS[suffix])
    return path


@contextmanager
def replacing(path: Path) -> Iterator[str]:
    """A name beside ``path``, with its ending, that takes its place once all was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}-", suffix=f".tmp{path.suffix}"
    )
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
