"""HTML pages that need nothing beside them."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader


def page(template: str, **facts: Any) -> str:
    """The text of a page, from a template of this package."""
    environment = Environment(
        loader=PackageLoader("experiments"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**facts)


def picture(path: Path) -> str:
    """A PNG as text, to stand in an ``img`` behind ``data:image/png;base64,``."""
    return base64.b64encode(path.read_bytes()).decode()
