"""What an exchange means, in sentences that its numbers bear."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.statistics.transfer import PART, RELATIONS
from experiments.verdict.wording import listed, p_value, percent, points

IMMUNE = 0.05  # upper bound of what transferred inputs do to an immune network
MISSED = 0.01
SIGNIFICANT = 0.05


def sentences(summary: xr.Dataset, spread: xr.Dataset) -> Iterator[str]:
    """How far inputs carry, between what, to whom, how many they fool; then the cautions."""
    yield from by_relation(summary)
    yield from by_effect(summary)
    yield from same_class(summary)
    yield from immunity(summary)
    yield from lopsided(summary)
    yield from shared(spread)
    yield from masked(summary)
    yield from cautions(summary)


def bracketed(here: xr.Dataset, name: str) -> str:
    """Per cent with the interval."""
    low, high = (100 * float(here[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{percent(float(here[name]))} [{low:.1f}, {high:.1f}]"


def by_relation(summary: xr.Dataset) -> Iterator[str]:
    """Mean transfer rates by relation and part."""
    whom = (
        "another individual of the same network",
        "another network of the same kind",
        "a network of another kind",
    )
    for part in summary["part_relation"].to_numpy():
        here = summary.sel(part_relation=part)
        told = [
            f"{bracketed(here.sel(relation=relation), 'relation_rate')} fool {meaning}"
            for relation, meaning in zip(RELATIONS, whom, strict=True)
            if np.isfinite(here["relation_rate"].sel(relation=relation))
        ]
        trained = "" if part == "one part" else f" trained on the {part} of the training images"
        if told:
            yield (
                f"Of the inputs that fool the individual they were crafted on, {listed(told)}"
                f"{trained}, too."
            )


def by_effect(summary: xr.Dataset) -> Iterator[str]:
    """What likeness adds, whoever crafts and answers."""
    names = {RELATIONS[0]: "being the same network", RELATIONS[1]: "being of the same kind",
             PART: "training on the same part"}  # fmt: skip
    told = []
    for name, meaning in names.items():
        here = summary.sel(likeness=name)
        if np.isfinite(here["effect"]):
            low, high = (100 * float(here[f"effect_{end}"]) for end in ("low", "high"))
            told.append(f"{meaning} adds {points(float(here['effect']))} [{low:+.1f}, {high:+.1f}]")
    if told:
        yield (
            f"With the strength of each source and the weakness of each target set aside, "
            f"{listed(told)} to the transfer rate."
        )


def same_class(summary: xr.Dataset) -> Iterator[str]:
    """Whether the networks agree on what they see."""
    if np.isfinite(summary["same_class_overall"]):
        yield (
            "Where an input carries over to another network, "
            f"{bracketed(summary, 'same_class_overall')} take it for the same wrong class; one in "
            "nine would if wrong answers were drawn at random, more where one class is nearest."
        )


def immunity(summary: xr.Dataset) -> Iterator[str]:
    """Networks that others' inputs hardly fool, and whether their own attack does."""
    known = summary.isel(network=summary["incoming"].notnull().to_numpy())
    if not known.sizes["network"]:
        return
    spared = known.isel(network=(known["incoming_high"] < IMMUNE).to_numpy())
    if spared.sizes["network"]:
        for name in spared["network"].to_numpy():
            here = spared.sel(network=name)
            direct = (
                f"its own attack fools it on {bracketed(here, 'direct')}"
                if np.isfinite(here["direct"])
                else "nothing was crafted on it, so that says little"
            )
            carried = bracketed(here, "incoming")
            yield f"{name} is nearly immune to others' inputs, {carried}: {direct}."
        return
    least = known.isel(network=int(known["incoming"].to_numpy().argmin()))
    own = f", its own attack {bracketed(least, 'direct')}" if np.isfinite(least["direct"]) else ""
    noise = (
        f" (noise of the same budget {bracketed(least, 'noise')})"
        if np.isfinite(least["noise"])
        else ""
    )
    yield (
        f"No network is immune to what was crafted on others: {least['network'].item()} is fooled "
        f"least, by {bracketed(least, 'incoming')}{own}{noise}."
    )


def lopsided(summary: xr.Dataset) -> Iterator[str]:
    """The largest difference between there and back."""
    sure = summary["asymmetry"].where(summary["asymmetry_p"] < SIGNIFICANT)
    pairs = int((summary["asymmetry_p"].notnull()).sum()) // 2
    if not pairs:
        return
    count = int(sure.notnull().sum()) // 2
    if not count:
        yield f"No pair of networks of {pairs} differs reliably between there and back."
        return
    at = sure.fillna(-1).argmax(...)
    here = summary.isel(at)
    back = summary["rate"].sel(source=here["network"].item(), network=here["source"].item())
    yield (
        f"Transfer is lopsided in {count} of {pairs} pairs of networks (Holm), most from "
        f"{here['source'].item()} to {here['network'].item()}: {percent(float(here['rate']))} "
        f"there, {percent(float(back))} back, {p_value(float(here['asymmetry_p']))}."
    )


def shared(spread: xr.Dataset) -> Iterator[str]:
    """Images that fool all and none, beside chance."""
    what = {"direct": ("images", "fool every individual by its own attack"),
            "transferred": ("crafted inputs", "fool every other individual")}  # fmt: skip
    for way, (things, fool) in what.items():
        here = spread.sel(way=way)
        asked, inputs = int(here["asked"]), int(here["inputs"])
        if not inputs or asked < 2 or not np.isfinite(here["dispersion"]):
            continue
        seen, chance = (here[n].to_numpy() for n in ("fooling", "expected"))
        low, high = (float(here[f"dispersion_{end}"]) for end in ("low", "high"))
        yield (
            f"{seen[asked]:.0f} of {inputs} {things} {fool} ({asked}), {seen[0]:.0f} fool none; "
            f"{chance[asked]:.1f} and {chance[0]:.1f} would if individuals failed independently. "
            f"The variance of the number fooled is {float(here['dispersion']):.1f} [{low:.1f}, "
            f"{high:.1f}] times that of independence."
        )


def masked(summary: xr.Dataset) -> Iterator[str]:
    """Networks whose own attack is weaker than others' inputs."""
    for name in summary["network"].to_numpy()[(summary["missed"] > MISSED).to_numpy()]:
        yield (
            f"On {bracketed(summary.sel(network=name), 'missed')} of its images another's input "
            f"fools {name} where its own attack fails: its direct attack is too weak by as much at "
            "least, as where gradients are masked."
        )


def cautions(summary: xr.Dataset) -> Iterator[str]:
    """What the numbers do not say."""
    yield (
        "A rate is over the images that fool its source: where sources differ in strength, so do "
        "these images. Images near the border of their class fool many networks at once whatever "
        "they have in common, so a variance above independence alone is no proof of one shared "
        "cause."
    )
    few = int(summary["individuals_scored"].max())
    if few < 5:
        yield (
            f"With {few} individual{'s' if few > 1 else ''} per network, intervals speak of the "
            "images more than of training again"
            + ("; pairs of one network are held as they are." if few == 2 else ".")
        )
