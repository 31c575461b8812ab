"""How numbers and lists are written in the verdict."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from networks.errors import BlindspotsError


def points(fraction: float) -> str:
    """A difference of two accuracies.

    >>> points(0.1234)
    '+12.3 points'
    """
    return f"{signed(fraction)} points"


def signed(fraction: float) -> str:
    """Percentage points with their sign, and no sign where they round to nought.

    >>> signed(-0.0351), signed(-0.0001)
    ('-3.5', '0.0')
    """
    rounded = round(100 * fraction, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def percent(fraction: float) -> str:
    """An accuracy, or a dash where there is none.

    >>> percent(0.5), percent(np.nan)
    ('50.0 %', '-')
    """
    return f"{100 * fraction:.1f} %" if np.isfinite(fraction) else "-"


def interval(here: xr.Dataset, name: str, factor: float = 100, digits: int = 1) -> str:
    """A number with its interval ``name_low`` to ``name_high``, by default in per cent.

    A dash where nothing was measured.

    >>> interval(xr.Dataset({"right": 0.5, "right_low": 0.4, "right_high": 0.61}), "right")
    '50.0 [40.0, 61.0]'
    """
    if name not in here or not np.isfinite(here[name]):
        return "-"
    middle, low, high = (
        f"{factor * float(here[name + end]):.{digits}f}" for end in ("", "_low", "_high")
    )
    return f"{middle} [{low}, {high}]"


def number(value: float | xr.DataArray, digits: int = 2) -> str:
    """A number, or a dash where there is none.

    >>> number(-0.001, 2), number(np.nan, 2)
    ('0.00', '-')
    """
    rounded = round(float(value), digits) + 0.0  # no -0.00
    return f"{rounded:.{digits}f}" if np.isfinite(rounded) else "-"


def p_value(p: float) -> str:
    """A p value as it is quoted.

    >>> p_value(0.00004), p_value(0.0316)
    ('p < 0.001', 'p = 0.032')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def span(numbers: Sequence[int]) -> str:
    """A count that may differ between networks.

    >>> span([3, 2, 3]), span([5, 5])
    ('2-3', '5')
    """
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}-{high}"


def budget(norm: str) -> str:
    """What epsilon measures under a norm."""
    kinds = {
        "linf": "largest change",
        "l2": "root-mean-squared change",
        "l1": "mean absolute change",
    }
    return kinds[norm]


def reference(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset at its reference attack and epsilon.

    Raises:
        BlindspotsError: the dataset was not measured there.
    """
    attack = str(dataset.attrs["reference_attack"])
    epsilon = float(dataset.attrs["reference_epsilon"])
    if attack not in dataset["attack"]:
        raise BlindspotsError(f"The reference attack '{attack}' was not run; name one that was.")
    nearest = dataset.sel(attack=attack).sel(epsilon=epsilon, method="nearest")
    if abs(float(nearest["epsilon"]) - epsilon) > 1e-6 * max(1.0, epsilon):
        raise BlindspotsError(
            f"The reference epsilon {epsilon:g} was not measured; add it to the epsilons."
        )
    return nearest
