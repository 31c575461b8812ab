"""How strong the feedback is while a network answers, and what that does to its accuracy."""

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.ablations import title
from figures.style import BLACK, BLUE, GREEN, ORANGE, VERMILLION, WIDTH, Look, stage, styled

LOOKS = (
    Look(BLACK, "-", "o", True),
    Look(GREEN, (0, (1, 1.2)), "^", True),
    Look(ORANGE, (0, (4, 1.5)), "s", False),
    Look(BLUE, "-.", "v", False),
    Look(VERMILLION, "-", "D", True),
)


@styled
def gains(result: xr.Dataset) -> Figure:
    """Accuracy against the gain of lateral and top-down projections, a line per kind of input.

    Args:
        result: `gains_accuracy`, with `_low` and `_high` (gain, inputs), as fractions; attributes
            network, data, epsilon; the number of images as the dimension image.
    """
    names = [str(each) for each in result["inputs"].to_numpy()]
    looks = dict(zip(names, LOOKS, strict=False))
    handles = [Line2D([], [], label=name, **look.kwargs()) for name, look in looks.items()]
    figure, above = stage(min(WIDTH, 5.4), 2.9, handles, columns=3)
    panel = above.subplots()
    for name, look in looks.items():
        here = result.sel(inputs=name)
        low, high = (100 * here[f"gains_accuracy_{end}"] for end in ("low", "high"))
        panel.fill_between(here["gain"], low, high, color=look.colour, alpha=0.13, linewidth=0)
        panel.plot(here["gain"], 100 * here["gains_accuracy"], **look.kwargs(), clip_on=False)
    panel.axvline(1, color="0.6", linewidth=0.6, zorder=0)
    panel.set_ylim(0, 100)
    panel.set_xticks(result["gain"])
    panel.set_xlabel("gain of lateral and top-down projections at the test (1: as trained)")
    panel.set_ylabel("accuracy (%)")
    facts = result.attrs
    text = f"{facts['network']} with weaker and stronger feedback"
    title(figure, result, text, f"ε = {facts['epsilon']:g}, 95 % Wilson bands")
    return figure
