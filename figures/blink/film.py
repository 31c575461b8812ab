"""The stream as a film: what is seen and missed, with gate and memory beneath."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from figures.animation import DPI, HOLD, writer_for
from figures.blink.examples import TARGETS, examples, heading, reported, soa_of, target, titled
from figures.save import replacing
from figures.style import BLACK, GREEN, GREY, WIDTH, styled

PER_ITEM = 2  # frames
PER_SECOND = 6
TRACES = {"gate": (GREEN, "gate"), **{f"{k}_memory": (c, k.upper()) for k, c in TARGETS.items()}}


class Column(NamedTuple):
    """What moves for one trial."""

    trial: xr.Dataset
    picture: AxesImage
    words: Text
    lines: dict[str, Line2D]


@styled
def film(result: xr.Dataset, name: str, path: str | os.PathLike[str]) -> Path:
    """Writes the trials kept of a network, side by side, at about a third of their speed.

    Under the picture: the gate's opening, and memory's input of both targets' digits.

    Args:
        result: ``example_frames`` and what goes with it.
        name: the network.
        path: ends in ``.gif``, or in ``.mp4``, which needs ffmpeg.

    Returns:
        The path.

    Raises:
        BlindspotsError: there are no trials of it, or no such film can be written.
    """
    file = Path(path)
    writer = writer_for(file, PER_SECOND)
    figure, columns = scene(result, name)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    first = columns[0].trial
    step, end = soa_of(first) / PER_ITEM, float(first["onset"][-1]) + soa_of(first)
    moments = [*np.arange(0, end, step), *[end] * (2 * HOLD)]
    with replacing(file) as temporary, writer.saving(figure, temporary, DPI):
        for ms in moments:
            for column in columns:
                show(column, float(ms))
            writer.grab_frame()
    return file


def scene(result: xr.Dataset, name: str) -> tuple[Figure, list[Column]]:
    """The film's figure before its first moment, and what moves in it."""
    trials = examples(result, name)
    figure = Figure(figsize=(0.75 * WIDTH, 3.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(trials), squeeze=False, height_ratios=[1.35, 1], sharey="row")
    columns = [
        Column(trial, *screen(above, trial), growing(below, trial))
        for trial, above, below in zip(trials, *panels, strict=True)
    ]
    highest = max(float(trial[f"example_{key}"].max()) for trial in trials for key in TRACES)
    panels[1, 0].set_ylim(-0.1, 1.05 * highest)
    panels[1, 0].set_ylabel("gate; input of memory")
    panels[1, -1].legend(loc="upper right", fontsize=6.5, handlelength=1.5)
    titled(figure, result, f"{name}: two trials at about a third of their speed")
    return figure, columns


def screen(panel: Axes, trial: xr.Dataset) -> tuple[AxesImage, Text]:
    """The picture, and the words under it."""
    blank = np.zeros(trial["example_frames"].shape[1:])
    painted = panel.imshow(blank, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(True)
    panel.set_title(heading(trial), fontsize=7.5)
    return painted, panel.set_xlabel(" \n ")


def growing(panel: Axes, trial: xr.Dataset) -> dict[str, Line2D]:
    """Empty traces with the axes that they will fill."""
    panel.set_xlim(0, float(trial["time"][-1]))
    panel.set_xlabel("time (ms)")
    for which, colour in TARGETS.items():
        _, _, ms = target(trial, which)
        panel.axvspan(ms, ms + soa_of(trial), color=colour, alpha=0.2, linewidth=0)
    return {
        key: panel.plot([], [], color=colour, label=label)[0]
        for key, (colour, label) in TRACES.items()
    }


def show(column: Column, ms: float) -> None:
    """Puts a trial to a moment."""
    trial = column.trial
    item = min(int(ms // soa_of(trial)), trial.sizes["item"] - 1)
    column.picture.set_data(trial["example_frames"][item].to_numpy())
    marks = {target(trial, which)[1]: which for which in TARGETS}
    which = marks.get(item)
    for spine in column.picture.axes.spines.values():
        spine.set_color(TARGETS[which] if which else GREY)
        spine.set_linewidth(4 if which else 1)
    said = [str(digit) for digit, when in reported(trial) if when <= ms]
    name = f"  {which.upper()}" if which else ""
    memory = f"in memory: {', '.join(said)}" if said else "nothing in memory yet"
    column.words.set_text(f"{ms:.0f} ms{name}\n{memory}")
    column.words.set_color(TARGETS[which] if which else BLACK)
    so_far = trial["time"].to_numpy() <= ms
    for key, line in column.lines.items():
        line.set_data(trial["time"].to_numpy()[so_far], trial[f"example_{key}"].to_numpy()[so_far])
