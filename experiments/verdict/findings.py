"""One sentence per contrast and view: helps, hurts, or no difference shown."""

from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np
import xarray as xr

from experiments.statistics.views import VIEWS
from experiments.verdict.gradients import outdone
from experiments.verdict.wording import (
    budget,
    listed,
    p_value,
    percent,
    points,
    reference,
    signed,
    span,
)

LEVEL = 0.05  # for Holm-adjusted p
EDGE = 0.01  # accuracies this near 0 or 1 hide a difference
SIZE = 1.05  # networks within this ratio count as equally large
SUBJECTS = {  # factor: (who helps or hurts, whether it is a plural)
    "recurrence": ("recurrence", False),
    "modules": ("modules", True),
    "units": ("spiking units", True),
    "cells": ("cells in place of units", True),
    "input": ("a binarised input", False),
}
ENDS = ("treatment", "baseline")
NOT_EVERY = "The interval excludes 0, but the test, adjusted for all contrasts, is not passed."
IN_SHORT = {
    "helps": "Raises robust accuracy",
    "tends to help": "Tends to raise it, which is not shown",
    "hurts": "Lowers robust accuracy",
    "tends to hurt": "Tends to lower it, which is not shown",
    "not shown": "No difference shown",
    "floor": "Cannot be told, both at the floor",
    "ceiling": "Cannot be told, both at the ceiling",
}
READINGS = {
    "white-box": "White-box",
    "same-inputs": "Same inputs for all",
    "worst-case": "Worst case over all sources",
}


def setting(summary: xr.Dataset) -> str:
    """What was measured, and at which attack and epsilon the sentences speak."""
    at = reference(summary)
    scored = [int(n) for n in summary["individuals_scored"].to_numpy() if n > 0] or [0]
    scored_on = int(at["images_scored"].max())
    return (
        f"Measured on {scored_on} images of {summary.attrs['data']} with {span(scored)} "
        f"individual{'' if set(scored) == {1} else 's'} per network. The sentences below speak of "
        f"{at['attack'].values!s} at epsilon {float(at['epsilon']):g} "
        f"({budget(str(at['norm'].values))}, intensities from 0 to 1); differences are points of "
        "robust accuracy with 95 % bootstrap intervals over individuals and images, p is exact "
        "McNemar, the largest over the individuals, "
        f"adjusted by Holm over the {summary.sizes['contrast']} contrasts. Intervals and p speak "
        "of images and individuals, not of the attack: every robust accuracy is an upper bound, "
        "which a stronger attack can lower. The same inputs for all were crafted on feedforward "
        "networks, and may carry over best to networks like these."
    )


def findings(summary: xr.Dataset, doubted: Collection[str]) -> list[str]:
    """The sentences of all contrasts; those with a control appear within the others'.

    Args:
        summary: from `experiments.statistics.summarise`.
        doubted: the networks of `gradients.misled`.
    """
    at = reference(summary)
    misdirected, missing = set(doubted), set(outdone(summary))
    controls = {str(name) for name in at["network"].to_numpy() if control_of(at, str(name))}
    ends = [
        (label, *(str(at[end].sel(contrast=label).values) for end in ("treatment", "baseline")))
        for label in at["contrast"].to_numpy()
    ]
    treated = {treatment for _, treatment, baseline in ends if baseline not in controls}
    factors = [
        label
        for label, treatment, baseline in ends
        if baseline not in controls or treatment not in treated
    ]
    sentences = []
    for label in factors:
        for view in VIEWS:
            cell = at.sel(contrast=label, view=view)
            if np.isfinite(cell["difference"]):
                parts = [finding(cell)]
                if str(cell["baseline"].values) not in controls:
                    parts.extend(against_controls(at.sel(view=view), cell, controls))
                if view == "white-box":
                    parts.extend(doubts(cell, misdirected, missing - misdirected))
                sentences.append(" ".join(parts))
    return sentences


def outcome(cell: xr.Dataset) -> str:
    """What one contrast shows in one view, in few words.

    "helps" or "hurts" where the interval excludes 0 and Holm's p is below 5 %; "tends to help" or
    "tends to hurt" where the interval alone does; "floor" or "ceiling" where no difference could
    show; else "not shown".
    """
    if side := edge(cell):
        return side
    verb = {1: "help", -1: "hurt"}.get(direction(cell))
    if not verb:
        return "not shown"
    return f"{verb}s" if float(cell["holm_p"]) < LEVEL else f"tends to {verb}"


def in_short(summary: xr.Dataset) -> str:
    """One sentence over all contrasts in the worst case: outcomes, and by factor how many."""
    at = reference(summary).sel(view="worst-case")
    factors: Counter[str] = Counter()
    seen: dict[str, Counter[str]] = {each: Counter() for each in IN_SHORT}
    for label in at["contrast"].to_numpy():
        cell = at.sel(contrast=label)
        if np.isfinite(cell["difference"]):
            factor = str(cell["factor"].values)
            factor = SUBJECTS.get(factor, (factor, False))[0]
            factors[factor] += 1
            seen[outcome(cell)][factor] += 1
    if not factors:
        return "In short: no two of these networks differ in one factor alone."
    parts = []
    for each, counted in seen.items():
        names = [f"{factor} ({n} of {factors[factor]} contrasts)" for factor, n in counted.items()]
        if names:
            parts.append(f"{IN_SHORT[each]}: {listed(names)}")
    return f"In short, in the worst case over all sources: {'. '.join(parts)}."


def finding(cell: xr.Dataset) -> str:
    """What one contrast shows in one view."""
    treatment, baseline = str(cell["treatment"].values), str(cell["baseline"].values)
    subject, plural = SUBJECTS.get(str(cell["factor"].values), (str(cell["factor"].values), False))
    if control_of(cell, baseline):
        subject, plural = f"what {treatment} has beyond its control", False
    seen = outcome(cell)
    if seen in ("floor", "ceiling"):
        claim = f"whether {subject} matter{'' if plural else 's'} cannot be told"
    elif seen == "not shown":
        claim = f"no difference shown for {subject}"
    else:
        first, _, rest = seen.partition(" ")
        claim = f"{subject} {first.removesuffix('s') if plural else first} {rest}".rstrip()
        claim += ", which is not shown" if rest else ""
    view = READINGS[str(cell["view"].values)]
    text = f"{view}: {claim} ({treatment} against {baseline}): {numbers(cell)}, {agreement(cell)}."
    return f"{text} {caveat(cell, seen)}".rstrip()


def caveat(cell: xr.Dataset, seen: str) -> str:
    """What must be said beside an outcome: what it does not exclude, or why it is no more."""
    shares = [float(cell["accuracy"].sel(network=str(cell[end].values))) for end in ENDS]
    both = f"({percent(shares[0])} and {percent(shares[1])})"
    low, high = float(cell["difference_low"]), float(cell["difference_high"])
    return {
        "floor": f"Both are at the floor {both}: every network fails here, so a difference could "
        "only show at a smaller epsilon.",
        "ceiling": f"Both are at the ceiling {both}: the attack harms neither, so a difference "
        "could only show at a larger epsilon.",
        "not shown": f"The interval reaches {100 * max(abs(low), abs(high)):.1f} points.",
        "tends to help": NOT_EVERY,
        "tends to hurt": NOT_EVERY,
    }.get(seen, "")


def numbers(cell: xr.Dataset) -> str:
    """The difference with interval and p."""
    return (
        f"{points(float(cell['difference']))}, 95 % interval "
        f"{signed(float(cell['difference_low']))} to {signed(float(cell['difference_high']))}, "
        f"Holm {p_value(float(cell['holm_p']))}"
    )


def agreement(cell: xr.Dataset) -> str:
    """How many pairs of individuals differ in the direction of the mean."""
    scored, difference = int(cell["pairs_scored"]), float(cell["difference"])
    if scored == 1 or not difference:
        return f"{scored} {'pair' if scored == 1 else 'pairs'} of individuals"
    agree = int((np.sign(cell["individual_difference"]) == np.sign(difference)).sum())
    return f"{agree} of {scored} pairs of individuals in this direction"


def direction(cell: xr.Dataset) -> int:
    """1 if the whole interval is above 0, -1 if below, 0 if it includes 0."""
    return int(cell["difference_low"] > 0) - int(cell["difference_high"] < 0)


def edge(cell: xr.Dataset) -> str:
    """ "floor" or "ceiling" where both networks are so near 0 or 1 that no difference can show."""
    shares = [float(cell["accuracy"].sel(network=str(cell[end].values))) for end in ENDS]
    return "floor" if max(shares) < EDGE else "ceiling" if min(shares) > 1 - EDGE else ""


def control_of(at: xr.Dataset, network: str) -> str:
    """What a control is matched in, as "parameters of fc-blt"; nothing for other networks."""
    role = str(at["role"].sel(network=network).values)
    return role.removeprefix("control: ") if role.startswith("control: ") else ""


def against_controls(at: xr.Dataset, cell: xr.Dataset, controls: set[str]) -> Iterator[str]:
    """How the treatment does against each of its matched controls, or that there is none."""
    treatment, baseline = str(cell["treatment"].values), str(cell["baseline"].values)
    matched = False
    for label in at["contrast"].to_numpy():
        other = at.sel(contrast=label)
        control = str(other["baseline"].values)
        own = str(other["treatment"].values) == treatment and control in controls
        if own and np.isfinite(other["difference"]):
            matched = True
            kind = control_of(at, control)
            more = times(at, control, treatment)
            beside = f"{control}, with {more:.2g} times the parameters" if more else control
            claim = beside_control(other)
            yield f"Against the control with the {kind} ({beside}): {numbers(other)}; {claim}."
    more = times(at, treatment, baseline)
    if more and not matched:
        yield (
            f"{treatment} has {more:.2g} times the parameters of {baseline} and no control of "
            "matched size was compared, so size is not ruled out."
        )


def times(at: xr.Dataset, network: str, other: str) -> float:
    """How many times the parameters of another network one has; 0 where they are about equal."""
    sizes = [int(at["parameters"].sel(network=name)) for name in (network, other)]
    apart = min(sizes) > 0 and max(sizes) / min(sizes) > SIZE
    return sizes[0] / sizes[1] if apart else 0.0


def beside_control(cell: xr.Dataset) -> str:
    """What a contrast with a control says."""
    shown, lean = float(cell["holm_p"]) < LEVEL, direction(cell)
    if not lean:
        return "no difference shown, so such a feedforward network may give as much"
    amount = "less" if lean > 0 else "more"
    if shown:
        return f"such a feedforward network gives {amount}"
    return f"such a feedforward network tends to give {amount}, which is not shown"


def doubts(cell: xr.Dataset, misdirected: set[str], missing: set[str]) -> Iterator[str]:
    """That a white-box number rests on gradients that mislead the attack."""
    names = [str(cell[end].values) for end in ("treatment", "baseline")]
    if masked := [name for name in names if name in misdirected]:
        yield (
            f"Not to be trusted: inputs crafted elsewhere fool {listed(masked)} more than the "
            "white-box attack does; quote the worst case."
        )
    if weak := [name for name in names if name in missing]:
        yield (
            f"Not to be trusted alone: the white-box attack on {listed(weak)} misses images that "
            "inputs crafted elsewhere fool; quote the worst case."
        )
