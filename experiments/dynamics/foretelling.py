"""What exponents and margins tell of the nearest input that fools, in sentences."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from experiments.verdict.wording import listed


def predicting(summary: xr.Dataset) -> Iterator[str]:
    """Whether exponents tell how far the nearest adversarial input is, beyond the margin."""
    for direction in (str(d) for d in summary["direction"].to_numpy()):
        rows = known(summary.sel(direction=direction), "rank_correlation")
        if not rows:
            continue
        partial = [float(row["partial_correlation"]) for row in rows]
        yield (
            f"Exponents along the {direction} direction and the nearest input that fools: "
            f"{signs(rows, 'rank_correlation')}. Given the clean margin, the partial rank "
            f"correlation is {span(partial)}: {signs(rows, 'partial_correlation')}."
        )
        margin = [float(row["margin_correlation"]) for row in rows]
        closer = [m > abs(row["rank_correlation"]) for m, row in zip(margin, rows, strict=True)]
        yield (
            f"The clean margin alone correlates with the nearest input by {span(margin)}, more "
            f"closely than the exponent along the {direction} direction in {sum(map(int, closer))} "
            f"of {len(rows)} networks."
        )


def known(here: xr.Dataset, name: str) -> list[xr.Dataset]:
    """The networks of which a number is there."""
    names = here["network"].to_numpy()[np.isfinite(here[name].to_numpy())]
    return [here.sel(network=each) for each in names]


def span(values: Sequence[float]) -> str:
    """The least and the largest, or the one that there is.

    >>> span([0.3, 0.25, 0.9]), span([-0.004, 0.0])
    ('0.25 to 0.90', '0.00')
    """
    low, high = (f"{round(each, 2) + 0.0:.2f}" for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def signs(rows: Sequence[xr.Dataset], name: str) -> str:
    """In which networks a correlation lies below nought, above, or shows none (95 %)."""
    nearer = [str(row["network"].item()) for row in rows if row[f"{name}_high"] < 0]
    farther = [str(row["network"].item()) for row in rows if row[f"{name}_low"] > 0]
    said = []
    for names, where in ((nearer, "nearer"), (farther, "farther")):
        if names:
            among = f"all {len(rows)} networks" if len(names) == len(rows) > 1 else listed(names)
            said.append(f"the larger the exponent, the {where} in {among}")
    rest = len(rows) - len(nearer) - len(farther)
    if rest:
        said.append(f"no correlation shows in {rest} of {len(rows)} networks")
    return "; ".join(said)


def aligned(summary: xr.Dataset) -> Iterator[str]:
    """Whether the adversarial change points along the direction that grows most."""
    rows = known(summary, "aligned")
    if not rows:
        return
    yield (
        f"The adversarial change and the leading direction enclose a |cosine| of "
        f"{span([float(row['aligned']) for row in rows])} on average over images, by network: "
        "exponents that are nearly as large do not make the directions one."
    )
    if "units" in summary.coords and (summary["units"] == "spiking").any():
        yield (
            "In spiking networks the leading direction is that of the surrogate's derivative: a "
            "finite change may grow more along another."
        )
