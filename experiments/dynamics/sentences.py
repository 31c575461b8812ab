"""What the numbers of the command ``dynamics`` mean, in sentences."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.dynamics.conditions import ADVERSARIAL, NOISE
from experiments.dynamics.foretelling import aligned, predicting
from experiments.dynamics.measures.parts import CLEAN
from experiments.verdict.wording import interval, listed, number, p_value, percent, signed

SIGNIFICANT = 0.05
FEW = 10  # images, of which a share says little
AGREES = 0.85  # of answers: a cut network that gives so many first ones tells nothing of recovery


def sentences(summary: xr.Dataset) -> Iterator[str]:
    """All that is said of a result."""
    yield setting(summary)
    for name in (str(n) for n in summary["network"].to_numpy()):
        here = summary.sel(network=name)
        yield f"{name}: {parting(here)} {coming_back(here)}"
        if "pull" in here and (pulled := pulling(here)):
            yield f"{name}: {pulled}"
    if "rank_correlation" in summary:
        yield from predicting(summary)
    if "aligned" in summary:
        yield from aligned(summary)
    if "carried" in summary:
        yield from carrying(summary)


def setting(summary: xr.Dataset) -> str:
    """On what all of it rests."""
    attrs = summary.attrs
    return (
        f"{attrs['images']} images, {attrs['attack']} at epsilon {attrs['epsilon']:g} crafted on "
        f"{attrs['crafted_on']}; noise is each image's own perturbation on pixels drawn at random, "
        "which keeps its norm. Intervals of 95 %."
    )


def parting(here: xr.Dataset) -> str:
    """How far the trajectories are apart in the end, in the output, on average."""
    output = here["apart"].sel(area=here.attrs["output"])
    apart = {c: 100 * float(output.sel(condition=c)) for c in (ADVERSARIAL, NOISE)}
    right = {c: percent(float(here["accuracy"].sel(condition=c))) for c in (*apart, CLEAN)}
    return (
        f"at the end the {output['area'].item()} is on average {apart[ADVERSARIAL]:.0f} % of its "
        "clean size from where it is on clean images, under noise of the same norm "
        f"{apart[NOISE]:.0f} %; {right[ADVERSARIAL]} right, {right[NOISE]} under noise, "
        f"{right[CLEAN]} clean."
    )


def coming_back(here: xr.Dataset) -> str:
    """How many of the images that were led astray came back."""
    under = here.sel(condition=ADVERSARIAL)
    astray = int(under["astray"])
    if not astray:
        return "No image was led astray."
    said = (
        f"Of the {astray} image{'s' if astray > 1 else ''} that were led astray, "
        f"{interval(under, 'recovery')} % came back before the end"
    )
    if np.isfinite(under["flipped_at_first"]):
        share = float(under["flipped_at_first"])
        said += f"; {percent(share)} of those that flip for good do so at the first answer"
        said += ", the others later" if share < 1 else ""
    return said + ("." if astray >= FEW else "; so few images say little.")


def pulling(here: xr.Dataset) -> str:
    """Whether the change of feedback opposes that of feedforward drive, where, and when."""
    found = []
    under = here.sel(condition=ADVERSARIAL)
    for kind in ("lateral", "top-down"):
        if kind not in under["kind"]:
            continue
        for area in under["area"].to_numpy():
            one = under.sel(kind=kind, area=area)
            middle, low, high = (float(one[f"pull{end}"]) for end in ("", "_low", "_high"))
            if np.isfinite(middle) and not low <= 0 <= high:
                noise = here.sel(condition=NOISE, kind=kind, area=area)["pull"]
                found.append(
                    f"{kind} drive {'adds to' if middle > 0 else 'opposes'} the change that comes "
                    f"from below into {area} ({interval(one, 'pull', 1, 2)} times it at the last "
                    f"step, {number(one['pull_at_first'])} at the first answer; under noise "
                    f"{number(noise)} at the last step)"
                )
    return f"under attack {listed(found)}." if found else ""


def carrying(summary: xr.Dataset) -> Iterator[str]:
    """Which pathway carries what robustness and recovery there is, by cutting it."""
    yield (
        "Cut means that a pathway of the trained network delivers nothing; it was not trained "
        "again, so that the loss on clean images belongs beside the loss under attack. The inputs "
        "are those crafted on the whole network."
    )
    for name in (str(n) for n in summary["network"].to_numpy()):
        carriers = []
        for pathway in (str(p) for p in summary["pathway"].to_numpy()):
            here = summary.sel(network=name, pathway=pathway)
            under = here.sel(condition=ADVERSARIAL)
            if not np.isfinite(under["carried"]):
                continue
            carriers += [pathway] if carries(here) else []
            yield f"{name}, {pathway} cut: {cutting(here)}"
        if np.isfinite(summary["carried"].sel(network=name)).any():
            yield (
                f"{name}: the accuracy under attack rests on {listed(carriers)} feedback."
                if carriers
                else f"{name}: no pathway can be shown to carry accuracy under attack."
            )


def carries(here: xr.Dataset) -> bool:
    """Whether the whole network does better under attack than with the pathway cut, by Holm."""
    under = here.sel(condition=ADVERSARIAL)
    return bool(under["carried"] > 0 and under["carried_holm"] < SIGNIFICANT)


def cutting(here: xr.Dataset) -> str:
    """What becomes of accuracies and of the images that came back."""
    under, clean = here.sel(condition=ADVERSARIAL), here.sel(condition=CLEAN)
    low, high = (-float(under[f"carried_{end}"]) for end in ("high", "low"))
    said = (
        f"accuracy under attack changes by {signed(-float(under['carried']))} points "
        f"[{signed(low)}, {signed(high)}] (McNemar, Holm {p_value(float(under['carried_holm']))}), "
        f"clean by {signed(-float(clean['carried']))}"
    )
    if int(under["came_back"]):
        said += f"; {back(under)}"
    return said + "."


def back(under: xr.Dataset) -> str:
    """What becomes of the images that came back, and what that can tell."""
    count, wrong = int(under["came_back"]), int(under["back_first_wrong"])
    images = int(under["came_back_images"])
    said = (
        f"of the {count} answers that came back ({images} image{'s' if images > 1 else ''}), "
        f"{int(under['back_still'])} still end right ({interval(under, 'still_back')} %), of those "
        f"never led astray {percent(float(under['still_stayed']))}; {wrong} of the {count} were "
        f"wrong at the first answer, and {percent(float(under['as_first']))} of all answers under "
        "the cut are the whole network's first"
    )
    if under["as_first"] >= AGREES and wrong >= AGREES * count:
        said += ", so that this cannot tell which pathway carries recovery"
    return said
