"""What the environment chooses among a few names."""

import os
from collections.abc import Sequence
from typing import TypeVar

from networks import BlindspotsError

Name = TypeVar("Name", bound=str)


def chosen(variable: str, what: str, offered: Sequence[Name]) -> Name:
    """The one of those offered that an environment variable names; without it, the first.

    Raises BlindspotsError where it names none of them, and says ``what`` it is to name.
    """
    named = os.environ.get(variable) or offered[0]
    for each in offered:
        if each == named:
            return each
    raise BlindspotsError(f"{variable}={named} names no {what}; give one of {', '.join(offered)}.")
