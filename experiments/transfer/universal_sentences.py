"""What universal perturbations mean, in sentences that their numbers bear."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import xarray as xr

from experiments.statistics.universal import ALL, WHO
from experiments.transfer.sentences import bracketed
from experiments.verdict.wording import listed, percent

SHARED = 0.5  # of what a perturbation does to its own network, beyond random signs
FEW = 6  # pairs that are named


def universals(summary: xr.Dataset) -> Iterator[str]:
    """How far one change of all images carries, between which networks; nothing without any."""
    if "universal_error" not in summary:
        return
    fresh = np.isfinite(summary.sel(who=WHO[1])["own_error"]).any()
    here = summary.sel(who=WHO[1] if fresh else WHO[0])
    whose = "fresh individuals" if fresh else "the very individual"
    yield from by_budget(here, whose)
    middle = here.isel(budget=here.sizes["budget"] // 2)
    yield from sharing(middle, whose)
    yield from extremes(middle)
    yield from clipped(summary.isel(budget=here.sizes["budget"] // 2))


def by_budget(here: xr.Dataset, whose: str) -> Iterator[str]:
    """Mean errors beside the control and the clean images."""
    for budget in here["budget"].to_numpy():
        at = here.sel(budget=budget)
        others = (
            f", of other networks {bracketed(at, 'others_error')}"
            if np.isfinite(at["others_error"])
            else ""
        )
        together = (
            "; crafted on all networks at once, "
            f"{bracketed(at.sel(universal_source=ALL), 'universal_own')} of all"
            if ALL in at["universal_source"]
            else ""
        )
        yield (
            f"With one change of epsilon {budget:g} added to all images, crafted on one network, "
            f"{whose} of that network err on {bracketed(at, 'own_error')}{others}{together}; "
            f"under random signs all err on {bracketed(at, 'signs_mean')}, on clean images on "
            f"{bracketed(at, 'clean_mean')}."
        )


def excesses(here: xr.Dataset) -> xr.DataArray:
    """Error beyond random signs between networks that are sources and were asked."""
    table = here["universal_excess"]
    names = [n for n in table["network"].to_numpy() if n in table["universal_source"]]
    return table.sel(network=names, universal_source=names)


def sharing(here: xr.Dataset, whose: str) -> Iterator[str]:
    """Pairs of networks whose perturbations serve each other."""
    table = excesses(here)
    names = [str(name) for name in table["network"].to_numpy()]
    values, low = (
        each.transpose("universal_source", "network").to_numpy()
        for each in (table, here["universal_excess_low"].sel(table.coords))
    )
    strong = np.diag(low) > 0
    carried = (values >= SHARED * np.diag(values)[:, None]) & (low > 0) & strong[:, None]
    pairs = list(combinations(range(len(names)), 2))
    shared = [(a, b) for a, b in pairs if carried[a, b] and carried[b, a]]
    if not pairs:
        return
    budget = f"{float(here['budget']):g}"
    told = [(shared, ""), ([p for p in pairs if p not in shared], "all but ")]
    named = next((f": {word}{listed(f'{names[a]} with {names[b]}' for a, b in which)}"
                  for which, word in told if 0 < len(which) <= FEW), "")  # fmt: skip
    yield (
        f"At epsilon {budget}, {len(shared)} of {len(pairs)} pairs of networks share a universal "
        f"perturbation{named}. (Each one's does to the other, beyond random signs, at least half "
        f"of what it does to {whose} of its own network.)"
    )


def extremes(here: xr.Dataset) -> Iterator[str]:
    """The perturbation that carries furthest, and the network that others' mislead least."""
    table = excesses(here)
    if table.sizes["network"] < 2 or not np.isfinite(here["others_error"]):
        return
    names = [str(name) for name in table["network"].to_numpy()]
    outgoing = here["universal_others"].sel(universal_source=names)
    best = names[int(outgoing.fillna(-1).to_numpy().argmax())]
    errors = here["universal_error"].sel(network=names, universal_source=names)
    incoming = errors.where(errors["network"] != errors["universal_source"])
    received = incoming.mean("universal_source")
    spared = names[int(received.fillna(np.inf).to_numpy().argmin())]
    target = here.sel(network=spared)
    own = bracketed(target.sel(universal_source=spared), "universal_error")
    yield (
        f"Furthest carries the perturbation of {best}: other networks err on "
        f"{bracketed(here.sel(universal_source=best), 'universal_others')}. Others' mislead "
        f"{spared} least, on {percent(float(received.sel(network=spared)))} (its own {own}, random "
        f"signs {bracketed(target, 'signs_error')})."
    )


def clipped(here: xr.Dataset) -> Iterator[str]:
    """How much of crafted changes and of random signs the box leaves."""
    crafted, signs = (float(here[f"universal_{of}distance"].mean()) for of in ("", "noise_"))
    yield (
        f"At epsilon {float(here['budget']):g} crafted changes move images by {crafted:.3f} on "
        f"average (root mean square), random signs by {signs:.3f}, since intensities end at 0 and "
        "1: where crafted ones move them more, part of what they do beyond random signs is size."
    )
