"""Signs that an attack was misled by the gradients it followed.

A network can look robust because its gradients point nowhere useful (masked or obfuscated
gradients: Athalye et al. 2018; Carlini et al. 2019), as may happen with surrogate gradients
through spikes. The signs: inputs crafted elsewhere fool it where its own do not, one step or a
search without any gradient does better than many steps, more budget does less.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from experiments.statistics.paired import mcnemar
from experiments.statistics.views import by_view, complete
from experiments.verdict.wording import listed, percent, reference

TOLERANCE = 0.01  # one point of accuracy
LEVEL = 0.05


class Misled(NamedTuple):
    """Inputs from one other source that beat the white-box attack on a network."""

    attack: str
    epsilon: float
    source: str
    white_box: float
    transferred: float


def aimed(dataset: xr.Dataset) -> list[str]:
    """The attacks that are no noise."""
    return [str(a) for a in dataset["attack"].to_numpy()[dataset["kind"].to_numpy() != "noise"]]


def followers(dataset: xr.Dataset) -> list[str]:
    """The attacks that follow a gradient, and so can be misled by it."""
    return [a for a in aimed(dataset) if str(dataset["kind"].sel(attack=a).values) != "query"]


def misled(result: xr.Dataset) -> dict[str, Misled]:
    """Networks that some single other source fools better than their own gradients do.

    Compared on the same individuals and images. A network is listed where the gap is more than
    one point and beyond chance (exact McNemar, in every individual, Bonferroni over the attacks,
    epsilons and sources tried), with its largest such gap.
    """
    result = result.sel(attack=followers(result))
    own = by_view(result).sel(view="white-box", drop=True)
    found = {}
    for name in (str(n) for n in result["network"].to_numpy()):
        elsewhere = result["source"].to_numpy() != name
        other = result["correct"].sel(network=name).isel(source=elsewhere)
        white_box, other = xr.broadcast(own.sel(network=name), other)
        order = ("attack", "epsilon", "source", "individual", "image")
        white_box, other = white_box.transpose(*order), other.transpose(*order)
        block = complete((white_box >= 0) & (other >= 0))
        if not block.any():
            continue
        total = block.sum(["individual", "image"])
        delta = (white_box - other).where(block, 0).astype(np.int8)
        gap = (delta.sum(["individual", "image"]) / total.where(total > 0)).to_numpy()
        p = mcnemar(delta.to_numpy(), block.to_numpy())
        beyond = (gap > TOLERANCE) & (p * np.isfinite(p).sum() < LEVEL)
        if beyond.any():
            at = np.unravel_index(np.where(beyond, gap, -1).argmax(), gap.shape)
            cell = dict(zip(order[:3], at, strict=True))
            found[name] = Misled(
                str(result["attack"][cell["attack"]].values),
                float(result["epsilon"][cell["epsilon"]]),
                str(other["source"][cell["source"]].values),
                *(
                    float(each.isel(cell).where(block.isel(cell)).mean())
                    for each in (white_box, other)
                ),
            )
    return found


def outdone(summary: xr.Dataset) -> dict[str, float]:
    """Networks whose white-box accuracy exceeds their worst case by more than one point.

    At the reference attack and epsilon, as network: gap in fractions of 1, over individuals
    measured in both.
    """
    at = reference(summary)["individual_accuracy"]
    gap = (at.sel(view="white-box") - at.sel(view="worst-case")).mean("individual")
    gaps = zip(gap["network"].to_numpy(), gap.to_numpy(), strict=True)
    return {str(name): float(each) for name, each in gaps if each > TOLERANCE}


def gradient_cautions(summary: xr.Dataset, doubted: Mapping[str, Misled]) -> Iterator[str]:
    """A warning for every sign found."""
    yield from transfer_cautions(summary, doubted)
    yield from single_step_cautions(summary)
    yield from query_cautions(summary)
    yield from budget_cautions(summary)


def transfer_cautions(summary: xr.Dataset, doubted: Mapping[str, Misled]) -> Iterator[str]:
    """White-box weaker than one other source, or than all sources together."""
    for name, sign in doubted.items():
        yield (
            f"Warning: white-box figures of {name} are not to be trusted: inputs crafted on "
            f"{sign.source} fool it more than its own gradients do ({sign.attack} at epsilon "
            f"{sign.epsilon:g}: {percent(sign.transferred)} right against "
            f"{percent(sign.white_box)}), a sign of masked gradients."
        )
    gaps = outdone(summary)
    names = [f"{n} ({100 * gap:.1f})" for n, gap in gaps.items() if n not in doubted]
    if names:
        queries = str(reference(summary)["kind"].values) == "query"
        cause = "too few queries" if queries else "masked gradients"
        yield (
            f"Warning: white-box accuracy exceeds the worst case by more than 1 point for "
            f"{listed(names)}: the white-box attack misses images that inputs from elsewhere "
            f"fool, a possible sign of {cause}. Its figures alone are not to be trusted; "
            "quote the worst case."
        )


def single_step_cautions(summary: xr.Dataset) -> Iterator[str]:
    """One step of gradient (FGSM) does more harm than many (PGD) under the same norm."""
    for single in (a for a in followers(summary) if a.startswith("fgsm")):
        for many, names, most in beaten(summary, single):
            yield (
                f"Warning: one step ({single}) fools {listed(names)} more than many steps "
                f"({many}) do, by up to {100 * most:.1f} points: a sign of "
                "masked gradients or of too few or too large steps."
            )


def query_cautions(summary: xr.Dataset) -> Iterator[str]:
    """A search without gradients does more harm than many steps along them (PGD)."""
    attacks = aimed(summary)
    for blind in (a for a in attacks if str(summary["kind"].sel(attack=a).values) == "query"):
        for many, names, most in beaten(summary, blind):
            yield (
                f"Warning: queries without any gradient ({blind}) fool {listed(names)} more than "
                f"many steps along it ({many}) do, by up to {100 * most:.1f} points: a sign of "
                f"masked gradients. There the figures of {many} alone are not to be trusted."
            )


def beaten(summary: xr.Dataset, by: str) -> Iterator[tuple[str, list[str], float]]:
    """Attacks of many steps (PGD) that another of their norm outdoes by more than one point.

    Yields:
        The attack of many steps, the networks on which it is outdone at some epsilon (both
        white-box), and by how much at most, in fractions of 1.
    """
    norm = str(summary["norm"].sel(attack=by).values)
    accuracy = summary["accuracy"].sel(view="white-box")
    for many in (a for a in followers(summary) if a.startswith(("pgd", "apgd"))):
        if str(summary["norm"].sel(attack=many).values) == norm:
            worst = (accuracy.sel(attack=many) - accuracy.sel(attack=by)).max("epsilon")
            wide = worst["network"].to_numpy()[(worst > TOLERANCE).to_numpy()]
            if wide.size:
                yield many, [str(n) for n in wide], float(worst.max())


def budget_cautions(summary: xr.Dataset) -> Iterator[str]:
    """White-box accuracy that rises with epsilon."""
    for attack in aimed(summary):
        curve = summary["accuracy"].sel(view="white-box", attack=attack)
        lowest = curve.copy(
            data=np.fmin.accumulate(curve.to_numpy(), curve.get_axis_num("epsilon"))
        )
        rise = (curve - lowest).max("epsilon")
        wide = [str(n) for n in curve["network"].to_numpy()[(rise > TOLERANCE).to_numpy()]]
        if wide:
            yield (
                f"Warning: under {attack}, white-box accuracy of {listed(wide)} rises with "
                f"epsilon, by up to {100 * float(rise.max()):.1f} points: a larger budget can "
                "only make a sound attack stronger."
            )
