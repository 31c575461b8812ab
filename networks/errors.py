"""The one kind of error that a user is meant to read, and its usual wording."""

from collections.abc import Iterable
from difflib import get_close_matches


class BlindspotsError(Exception):
    """A cause and its mend in one sentence; the command line prints it and exits with 1."""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> BlindspotsError:
    """The error for a name that does not exist, with the nearest names that do.

    ``where`` follows the name: what does not have it.

    >>> print(unknown("attack", "pdg", ["pgd", "fgsm"]))
    There is no attack 'pdg'; did you mean 'pgd'?
    >>> print(unknown("network", "mlp", ["fc-b", "fc-blt"], "in 'runs/quick'"))
    There is no network 'mlp' in 'runs/quick'; choose from fc-b, fc-blt.
    """
    names = sorted(known)
    near = get_close_matches(name.lower(), [n.lower() for n in names], n=3, cutoff=0.5)
    by_lower = {n.lower(): n for n in names}
    if near:
        hint = "did you mean " + " or ".join(f"'{by_lower[n]}'" for n in near) + "?"
    else:
        hint = "choose from " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else ".")
    return BlindspotsError(f"There is no {kind} '{name}'{' ' * bool(where)}{where}; {hint}")


def unknown_number(
    kind: str, number: float, known: Iterable[float], where: str = ""
) -> BlindspotsError:
    """The error for a number that was not used, with all that were, the nearest first.

    >>> print(unknown_number("epsilon", 0.12, [0.05, 0.1, 0.2], "of pgd-linf"))
    There is no epsilon 0.12 of pgd-linf; choose from 0.1, 0.05, 0.2.
    """
    there = ", ".join(f"{each:g}" for each in sorted(known, key=lambda each: abs(each - number)))
    return BlindspotsError(
        f"There is no {kind} {number:g}{' ' * bool(where)}{where}; choose from {there}."
    )
