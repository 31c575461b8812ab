"""The published cells, from ``szegedy.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import Field

from networks.area import Described

Percent = Annotated[float, Field(ge=0, le=100)]


class Row(Described):
    """A row of Table 1: errors in per cent, average minimum distortion in intensity."""

    train_error: Percent
    test_error: Percent
    distortion: Annotated[float, Field(gt=0, le=1)]


class Published(Described):
    """Cells that were checked: errors in per cent by row and column in Tables 3 and 4."""

    source: str
    table_1: dict[str, Row]
    table_3: dict[str, dict[str, Percent]]
    table_4: dict[str, dict[str, Percent]]


@cache
def szegedy() -> Published:
    """What Szegedy et al. (2014) print, as far as it was checked."""
    text = (files("experiments") / "reproduce" / "szegedy.toml").read_text()
    return Published.model_validate(tomllib.loads(text))
