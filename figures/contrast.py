"""One network on a clean image and on its adversarial twin, side by side."""

from math import isqrt
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.raster import UP, Spikes, background, counted, tall, tick_width, ticks
from figures.rates import LOOKS, rate_label, rate_line
from figures.recordings import (
    answer,
    at_image,
    attacked,
    check_alike,
    image_name,
    in_ms,
    middles,
    same_sampling,
    simulator,
    spikes_of,
    spiking_areas,
    step_ms,
    time_axis,
    title,
    width,
)
from figures.style import BLACK, BLUE, VERMILLION, WIDTH, stage, styled
from networks.errors import BlindspotsError

TOP = 1.0  # inches: pictures and logits
GONE, NEW = BLUE, VERMILLION  # spikes in the clean, in the adversarial run alone


@styled
def contrast(
    clean: xr.Dataset, adversarial: xr.Dataset, *, image: int = 0, attack: str = ""
) -> Figure:
    """What an attack changes inside: rasters of one image, and population rates of all images.

    Spikes of the clean run that the attack removes are blue there, those it adds are vermillion
    in the adversarial run; in recordings in ms, those without a spike of the same cell within half
    a step in the other run. Above are the two inputs, where they were recorded and are square,
    and the logits.

    Args:
        clean: what was recorded of a run on clean images.
        adversarial: the same network on the perturbed images, in the same order.
        image: position of the image in the recordings.
        attack: what the attack is called, for the title; default as the recording says.

    Raises:
        BlindspotsError: no spikes or image of that kind, or recordings that do not match.
    """
    names = spiking_areas(clean)
    check_alike(clean, adversarial, names)
    if not same_sampling(clean, adversarial):
        raise BlindspotsError(
            "The recordings do not match: they are sampled differently; record both alike."
        )
    here, there = at_image(clean, image), at_image(adversarial, image)
    pairs = {name: (spikes_of(here, name), spikes_of(there, name)) for name in names}
    slack = slack_of(clean)
    figure, above = stage(WIDTH, TOP + UP + 0.75, legend(pairs, clean, slack), columns=5)
    heights = tall([pairs[name][0].shape[1] for name in names])
    panels = above.subplots(
        1 + len(names), 3, squeeze=False, height_ratios=[TOP, *heights[::-1]],
        width_ratios=[1, 1, 0.9],
    )  # fmt: skip
    for column, (each, name) in enumerate(((here, "clean"), (there, "adversarial"))):
        picture(panels[0, column], each)
        panels[0, column].set_title(f"{name}: {answer(each)}" if answer(each) else name)
    logits(panels[0, 2], here, there)
    for row, area in enumerate(names[::-1], start=1):
        first, second = pairs[area]
        time = middles(clean)
        wide = tick_width(0.25 * WIDTH, len(time))
        for column, (spikes, others, colour) in enumerate(
            ((first, second, GONE), (second, first, NEW))
        ):
            panel, kept = panels[row, column], shared(spikes, others, slack)
            background(panel, spikes, clean)
            ticks(panel, kept, time, BLACK, wide)
            ticks(panel, spikes & ~kept, time, colour, wide)
        panels[row, 0].set_ylabel(f"{area}\n(cell)")
        for (_, recording), look in zip(
            (("clean", clean), ("adversarial", adversarial)), LOOKS, strict=False
        ):
            rate_line(panels[row, 2], recording, area, look)
        panels[row, 2].set_ylim(bottom=0)
        panels[row, 2].set_ylabel(rate_label(clean))
        for panel in panels[row]:
            time_axis(panel, clean, named=row == len(names))
    panels[1, 2].set_title(f"all {clean.sizes['image']} images")
    attack = attack or attacked(adversarial)
    by = f" by {attack}" if attack else ""
    detail = f"{image_name(here, image).split(' (')[0]}, on {simulator(clean)}"
    title(figure, clean, f"Clean and adversarial{by}", detail)
    return figure


def slack_of(recording: xr.Dataset) -> int:
    """By how many samples two spikes may differ and be the same: within half a step."""
    return int(step_ms(recording) / 2 / width(recording) + 1e-6) if in_ms(recording) else 0


def shared(spikes: Spikes, others: Spikes, slack: int) -> Spikes:
    """Those spikes, (time, unit), whose cell spikes in `others` within `slack` samples."""
    if slack == 0:
        return spikes & others
    before = np.cumsum(np.pad(others, ((slack + 1, slack), (0, 0))), axis=0)
    window = 2 * slack + 1
    return spikes & (before[window:] > before[:-window])


def legend(
    pairs: dict[str, tuple[Spikes, Spikes]], recording: xr.Dataset, slack: int
) -> list[Line2D]:
    """What colours and lines mean, with the number of spikes of each kind."""
    kept, gone, again, new = (
        sum(int(kind(*pair).sum()) for pair in pairs.values())
        for kind in (
            lambda a, b: shared(a, b, slack), lambda a, b: a & ~shared(a, b, slack),
            lambda a, b: shared(b, a, slack), lambda a, b: b & ~shared(b, a, slack),
        )
    )  # fmt: skip
    both = counted(kept) if kept == again else f"{counted(kept)} / {counted(again)}"
    within = f" ± {slack * width(recording):g} ms" if slack else ""
    tick: dict[str, Any] = {"marker": "|", "linestyle": "", "markersize": 7, "mew": 1.6}
    spikes = [
        Line2D([], [], color=colour, label=f"{name} ({count})", **tick)
        for name, colour, count in (
            (f"spike in both{within}", BLACK, both), ("gone", GONE, counted(gone)),
            ("new", NEW, counted(new)),
        )
    ]  # fmt: skip
    lines = [
        Line2D([], [], label=name, **look.kwargs())
        for name, look in zip(("clean", "adversarial"), LOOKS, strict=False)
    ]
    return [*spikes, *lines]


def picture(panel: Axes, here: xr.Dataset) -> None:
    """The input at the first step, if it is a square picture."""
    panel.set_axis_off()
    inputs = [a for a in here.data_vars.values() if a.attrs.get("unit_model") == "input"]
    if not inputs:
        return
    pixels = inputs[0].transpose("time", ...).to_numpy()[0]
    side = isqrt(pixels.size)
    if side**2 == pixels.size:
        panel.imshow(pixels.reshape(side, side), cmap="gray", vmin=0, vmax=1)


def logits(panel: Axes, here: xr.Dataset, there: xr.Dataset) -> None:
    """The answers of both runs, class by class."""
    if "logits" not in here or "logits" not in there:
        raise BlindspotsError("The recordings hold no logits; keep them to draw the answers.")
    for each, look in zip((here, there), LOOKS, strict=False):
        values = each["logits"].to_numpy()
        panel.plot(np.arange(len(values)), values, **{**look.kwargs(), "linewidth": 0.8})
    panel.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    panel.set_xticks(np.arange(here.sizes["class"]))
    panel.set_xlabel("class", labelpad=1)
    panel.set_ylabel("logit")
