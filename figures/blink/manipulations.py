"""What lifts the blink in people: the same manipulations before a network."""

import xarray as xr
from matplotlib.figure import Figure

from figures.blink.lags import curve, individuals
from figures.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, WIDTH, styled

PANELS: dict[str, dict[str, tuple[str, str]]] = {
    "what follows a target": {
        "dual": (BLUE, "o"),
        "t1+1-blank": (GREEN, "s"),
        "t2-last": (VERMILLION, "^"),
    },
    "what is asked for": {
        "dual-ringed": (BLUE, "o"),
        "ignore-t1": (VERMILLION, "D"),
        "detect": (ORANGE, "s"),
    },
    "how fast": {"soa-50": (VERMILLION, "^"), "dual": (BLUE, "o"), "soa-150": (GREEN, "s")},
    "which distractors": {
        "similar": (VERMILLION, "^"),
        "dual": (BLUE, "o"),
        "dissimilar": (GREEN, "s"),
        "letters": (PURPLE, "D"),
    },
    "how salient": {
        "dual": (BLUE, "o"),
        "t1-salient": (ORANGE, "s"),
        "t2-salient": (SKY, "^"),
    },
    "how targets are marked": {"dual": (BLUE, "o"), "cued": (ORANGE, "s")},
}


@styled
def manipulations(result: xr.Dataset, name: str) -> Figure:
    """The last target by lag in ms where T1 is reported (or not asked for), by manipulation.

    Args:
        result: as for :func:`figures.blink.lags.lag_curves`.
        name: the observer.
    """
    there = {str(each) for each in result["condition"].to_numpy()}
    panels = {title: looks for title, looks in PANELS.items() if len(there.intersection(looks)) > 1}
    columns = min(3, len(panels)) or 1
    rows = -(-len(panels) // columns) or 1
    figure = Figure(figsize=(min(WIDTH, 2.5 * columns), 2.4 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for place, (title, looks) in zip(places, panels.items(), strict=False):
        for condition, (colour, marker) in looks.items():
            curve(
                place, result, name, condition, "last", color=colour, marker=marker, label=condition
            )
        place.set_title(title)
        place.set_ylim(0, 1.02)
        place.set_xlabel("lag (ms)")
        place.legend(loc="lower right", fontsize=6.5)
    for place in list(places)[len(panels) :]:
        place.set_visible(False)
    figure.supylabel("last target reported, T1 too (share)", fontsize=7.5)
    figure.suptitle(f"{name}: mean and SEM of {individuals(result, name)} individuals")
    return figure
