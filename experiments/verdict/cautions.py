"""Reasons for doubt, each one sentence that starts with "Warning: "."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import xarray as xr

from experiments.verdict.gradients import Misled, aimed, followers, gradient_cautions
from experiments.verdict.wording import listed, percent, points, reference

FEW = 5  # individuals
RATES = 0.05  # ratio of rates that calibration may leave
TOLERANCE = 0.01  # one point of accuracy


def cautions(summary: xr.Dataset, doubted: Mapping[str, Misled]) -> list[str]:
    """All warnings that apply, the gravest first."""
    checks: list[Callable[[xr.Dataset], Iterator[str]]] = [
        noise,
        clean_accuracy,
        unequal_sources,
        individuals,
        common,
        spiking,
        binarised,
        calibration,
    ]
    rest = [text for check in checks for text in check(summary)]
    return [*data(summary), *gradient_cautions(summary, doubted), *rest]


def data(summary: xr.Dataset) -> Iterator[str]:
    """The data are not MNIST."""
    name = str(summary.attrs["data"])
    if not name.lower().startswith("mnist"):
        yield f"Warning: the data are {name}, not MNIST; nothing here speaks of MNIST."


def noise(summary: xr.Dataset) -> Iterator[str]:
    """An attack that does no more harm than noise of the same norm and budget.

    The attack counts in its strongest view; where even the noise leaves less than 1 % there is
    no more harm to do.
    """
    epsilon = float(reference(summary)["epsilon"])
    strongest = summary["accuracy"].sel(epsilon=epsilon).min("view")
    noises = [a for a in summary["attack"].to_numpy() if a not in aimed(summary)]
    for attack in aimed(summary):
        norm = summary["norm"].sel(attack=attack)
        for control in (n for n in noises if summary["norm"].sel(attack=n) == norm):
            left, right = strongest.sel(attack=attack), strongest.sel(attack=control)
            weak = ((left >= right - TOLERANCE) & (right > TOLERANCE)).to_numpy()
            names = [
                f"{n} ({percent(float(left.sel(network=n)))} against "
                f"{percent(float(right.sel(network=n)))})"
                for n in summary["network"].to_numpy()[weak]
            ]
            if names:
                yield (
                    f"Warning: at epsilon {epsilon:g}, {attack} did nothing more than {control} "
                    f"to {listed(names)}: there its figures say nothing of adversarial robustness."
                )


def clean_accuracy(summary: xr.Dataset) -> Iterator[str]:
    """Contrasts whose networks differ already when clean."""
    at = reference(summary).sel(view="worst-case")
    common, worst = at["common_accuracy"], at["difference"]
    for label in summary["contrast"].to_numpy():
        cell = summary.sel(contrast=label)
        gap = float(cell["clean_difference"])
        if not abs(gap) > TOLERANCE:
            continue
        left, right = str(cell["treatment"].values), str(cell["baseline"].values)
        text = (
            f"Warning: {left} and {right} differ already on clean images, by {points(gap)}; part "
            "of any difference under attack may be that"
        )
        on_common = float(common.sel(network=left) - common.sel(network=right))
        if np.isfinite(on_common) and np.isfinite(worst.sel(contrast=label)):
            text += (
                f" (on the {int(summary['common_images'])} images that all networks get right "
                f"when clean, the worst-case difference is {points(on_common)})"
            )
        yield text + "."


def unequal_sources(summary: xr.Dataset) -> Iterator[str]:
    """Networks whose worst case is taken over fewer sources than others'."""
    at = reference(summary)
    counts = at["sources_scored"].sel(view="worst-case")
    scored = at["accuracy"].sel(view="worst-case").notnull()
    most = int(counts.max())
    fewer = [
        f"{n} ({int(counts.sel(network=n))})"
        for n in counts["network"].to_numpy()[(scored & (counts < most)).to_numpy()]
    ]
    if fewer:
        yield (
            f"Warning: the worst case is taken over fewer sources than the {most} of the others "
            f"for {listed(fewer)}, which flatters them."
        )
    own = at["accuracy"].sel(view="white-box").notnull()
    without = [str(n) for n in counts["network"].to_numpy()[(scored & ~own).to_numpy()]]
    if without:
        yield (
            f"Warning: {listed(without)} could not be attacked white-box; figures from inputs "
            "crafted elsewhere are an upper bound of robust accuracy, and not to be compared with "
            "those of networks that were."
        )


def individuals(summary: xr.Dataset) -> Iterator[str]:
    """Fewer individuals than an interval over individuals needs."""
    scored = summary["individuals_scored"]
    few: dict[int, str] = {}
    for count in range(1, FEW):
        such = [str(n) for n in scored["network"].to_numpy()[(scored == count).to_numpy()]]
        if such:
            few[count] = "every network" if len(such) == scored.size else listed(such)
    for count, names in few.items():
        if count == 1:
            yield (
                f"Warning: only 1 individual of {names} was scored; its intervals speak of the "
                "images alone, not of training again."
            )
        else:
            yield (
                f"Warning: only {count} individuals of {names} were scored; the intervals are "
                "rough, and too short where individuals differ by more than a few points."
            )
    none = [str(n) for n in scored["network"].to_numpy()[(scored == 0).to_numpy()]]
    if none:
        yield f"Warning: no individual of {listed(none)} was scored."


def common(summary: xr.Dataset) -> Iterator[str]:
    """Hardly any image that all networks get right when clean."""
    shared, images = int(summary["common_images"]), int(summary.attrs["images"])
    if shared < images / 2:
        yield (
            f"Warning: only {shared} of {images} images are right for every individual of every "
            "network when clean, so figures on the common images speak of easy images."
        )


def binarised(summary: xr.Dataset) -> Iterator[str]:
    """Networks that threshold their input."""
    names = [str(n) for n in summary["network"].to_numpy() if "binarised" in str(n).lower()]
    if names:
        yield (
            f"Warning: the input of {listed(names)} is binarised: a change that does not carry a "
            "pixel over the threshold is removed before the network sees it, and the gradient "
            "stops there, so the figures speak of the threshold as much as of the network."
        )


def calibration(summary: xr.Dataset) -> Iterator[str]:
    """Networks in cells whose rates could not be brought to those of training."""
    if "rate_error" not in summary:
        return
    far = summary["rate_error"]
    names = [
        f"{name} ({percent(float(np.expm1(far.sel(network=name))))})"
        for name in far["network"].to_numpy()[(far > RATES).to_numpy()]
    ]
    if names:
        yield (
            f"Warning: calibration left the rate of an area of {listed(names)} further from the "
            f"trained rate than {percent(RATES)}, so these cells differ in more than their biology."
        )


def spiking(summary: xr.Dataset) -> Iterator[str]:
    """What else differs in spiking networks, and what their attack leaves out."""
    names = [
        str(n) for n in summary["network"].to_numpy()[(summary["units"] == "spiking").to_numpy()]
    ]
    if not names:
        return
    queries = [a for a in aimed(summary) if a not in followers(summary)]
    ensembles = summary["attack"].to_numpy()[(summary["kind"] == "ensemble").to_numpy()]
    if followers(summary) and not ensembles.size:
        beside = f", and by queries without it ({listed(queries)})" if queries else " alone"
        yield (
            f"Warning: {listed(names)} {'was' if len(names) == 1 else 'were'} attacked through "
            f"the surrogate gradient of training{beside}; attacks through several surrogates can "
            "fool more images (worst-linf), so these figures are the loosest upper bounds of all."
        )
    if "units" in [str(f) for f in summary["factor"].to_numpy()]:
        yield (
            "Warning: a spiking network differs from its rate twin in memory, steps and nominal "
            "compute too, not in the spikes alone."
        )
