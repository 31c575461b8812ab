"""What the numbers of the command ``dynamics`` mean, in sentences."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.dynamics.conditions import ADVERSARIAL, NOISE
from experiments.dynamics.measures.parts import CLEAN
from experiments.verdict.wording import interval, listed, p_value, percent, signed

SIGNIFICANT = 0.05
FEW = 10  # images, of which a share says little


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
    """How far the trajectories are apart in the end, in the output."""
    output = here["apart"].sel(area=here.attrs["output"])
    apart = {c: 100 * float(output.sel(condition=c)) for c in (ADVERSARIAL, NOISE)}
    right = {c: percent(float(here["accuracy"].sel(condition=c))) for c in (*apart, CLEAN)}
    return (
        f"at the end the {output['area'].item()} is {apart[ADVERSARIAL]:.0f} % of its clean size "
        "from where it is on clean images, under noise of the same norm "
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
    if np.isfinite(under["flip_step"]):
        steps = float(under["flip_step"])
        soon = f"within {steps:.3g} steps of" if steps else "at"
        said += f"; half of those that flip for good do so {soon} the first answer"
    return said + ("." if astray >= FEW else "; so few images say little.")


def pulling(here: xr.Dataset) -> str:
    """Whether the change of feedback opposes that of feedforward drive, and where."""
    found = []
    under = here.sel(condition=ADVERSARIAL)
    for kind in ("lateral", "top-down"):
        if kind not in under["kind"]:
            continue
        for area in under["area"].to_numpy():
            one = under.sel(kind=kind, area=area)
            middle, low, high = (float(one[f"pull{end}"]) for end in ("", "_low", "_high"))
            if np.isfinite(middle) and not low <= 0 <= high:
                verb = "amplifies" if middle > 0 else "opposes"
                found.append(
                    f"{kind} drive {verb} the change that comes from below into {area} "
                    f"({interval(one, 'pull', 1, 2)})"
                )
    return f"under attack {listed(found)}." if found else ""


def predicting(summary: xr.Dataset) -> Iterator[str]:
    """Whether exponents tell how far the nearest adversarial input is."""
    for direction in summary["direction"].to_numpy():
        here = summary.sel(direction=direction)
        known = [
            str(n) for n in here["network"].to_numpy()
            if np.isfinite(here["rank_correlation"].sel(network=n))
        ]  # fmt: skip
        if not known:
            continue
        rows = [here.sel(network=n) for n in known]
        low = [n for n, r in zip(known, rows, strict=True) if r["rank_correlation_high"] < 0]
        high = [n for n, r in zip(known, rows, strict=True) if r["rank_correlation_low"] > 0]
        said = [f"the larger the exponent, the nearer in {listed(low)}"] if low else []
        said += [f"the larger, the farther in {listed(high)}"] if high else []
        rest = len(known) - len(low) - len(high)
        said += [f"no rank correlation shows in {rest} of {len(known)} networks"] if rest else []
        yield (
            f"Exponents along the {direction} direction and the nearest input that fools: "
            f"{'; '.join(said)}."
        )


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
    count = int(under["came_back"])
    if count:
        said += (
            f"; of the {count} image{'s' if count > 1 else ''} that came back, "
            f"{interval(under, 'still_back')} % still end{'' if count > 1 else 's'} right"
        )
    return said + "."
