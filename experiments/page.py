"""HTML pages that need nothing beside them, and where a user finds them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from rich.console import Console

from experiments.store import write_text

Section = tuple[str, str, Sequence[str], Sequence[Sequence[str]]]
"""A table of a page: title, note, heads and rows of text."""


def page(template: str, **facts: Any) -> str:
    """The text of a page, from a template of this package."""
    environment = Environment(
        loader=PackageLoader("experiments"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**facts)


def publish(out: Path, console: Console, template: str, *, data: str, **facts: Any) -> None:
    """The page as ``out``/report.html, with a loud line where ``data`` are not MNIST's."""
    path = out / "report.html"
    write_text(path, page(template, data=data, is_mnist=data.startswith("MNIST"), **facts))
    console.print(f"Report: {path}", highlight=False, markup=False, soft_wrap=True)


def picture(path: Path) -> str:
    """A picture as text, to stand in an ``img`` behind ``data:image/png;base64,``."""
    return base64.b64encode(path.read_bytes()).decode()
