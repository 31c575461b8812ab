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


def between(here: xr.Dataset, name: str) -> xr.DataArray:
    """A variable (universal_source, network) between networks that were crafted on and asked."""
    table = here[name].transpose("universal_source", "network")
    sources = {str(source) for source in table["universal_source"].to_numpy()}
    names = [str(n) for n in table["network"].to_numpy() if str(n) in sources]
    return table.sel(network=names, universal_source=names)


def sharing(here: xr.Dataset, whose: str) -> Iterator[str]:
    """Pairs of networks whose perturbations serve each other."""
    table = between(here, "universal_excess")
    values, low = table.to_numpy(), between(here, "universal_excess_low").to_numpy()
    carried = (values >= SHARED * np.diag(values)[:, None]) & (low > 0)
    carried &= (np.diag(low) > 0)[:, None]  # it must work at all
    both = carried & carried.T
    pairs = list(combinations([str(name) for name in table["network"].to_numpy()], 2))
    first, second = np.triu_indices(len(values), 1)
    shared = [pair for pair, are in zip(pairs, both[first, second], strict=True) if are]
    apart = [pair for pair in pairs if pair not in shared]
    if not pairs:
        return
    named = ""
    if 0 < len(shared) <= FEW:
        named = f": {paired(shared)}"
    elif shared and 0 < len(apart) <= FEW:
        named = f": all but {paired(apart)}"
    yield (
        f"At epsilon {float(here['budget']):g}, {len(shared)} of {len(pairs)} pairs of networks "
        f"share a universal perturbation{named}. (Each one's does to the other, beyond random "
        f"signs, at least half of what it does to {whose} of its own network.)"
    )


def paired(pairs: list[tuple[str, str]]) -> str:
    """Pairs in a sentence."""
    return listed(f"{a} with {b}" for a, b in pairs)


def extremes(here: xr.Dataset) -> Iterator[str]:
    """The perturbation that carries furthest, and the network that others' mislead least."""
    errors = between(here, "universal_error")
    if errors.sizes["network"] < 2 or not np.isfinite(here["others_error"]):
        return
    names = [str(name) for name in errors["network"].to_numpy()]
    outgoing = here["universal_others"].sel(universal_source=names)
    best = names[int(outgoing.fillna(-1).to_numpy().argmax())]
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
