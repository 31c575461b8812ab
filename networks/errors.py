"""The one kind of error that a user is meant to read, and its usual wording."""

from collections.abc import Iterable
from difflib import get_close_matches


class BlindspotsError(Exception):
    """A cause and its mend in one sentence; the command line prints it and exits with 1."""


def unknown(kind: str, name: str, known: Iterable[str]) -> BlindspotsError:
    """The error for a name that does not exist, with the nearest names that do.

    >>> print(unknown("attack", "pdg", ["pgd", "fgsm"]))
    There is no attack 'pdg'; did you mean 'pgd'?
    """
    names = sorted(known)
    near = get_close_matches(name.lower(), [n.lower() for n in names], n=3, cutoff=0.5)
    by_lower = {n.lower(): n for n in names}
    if near:
        hint = "did you mean " + " or ".join(f"'{by_lower[n]}'" for n in near) + "?"
    else:
        hint = "choose from " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") + "."
    return BlindspotsError(f"There is no {kind} '{name}'; {hint}")
