"""The stream as a film: what is seen and missed, with gate and memory beneath."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from figures.animation import DPI, HOLD
from figures.blink.examples import TARGETS, examples, heading, reported, soa_of, target, titled
from figures.save import replacing
from figures.style import BLACK, GREEN, GREY, WIDTH, styled

PER_ITEM = 2  # frames
FRAME_MS = 160  # for which a frame is shown
TRACES = {"gate": (GREEN, "gate"), **{f"{k}_memory": (c, k.upper()) for k, c in TARGETS.items()}}


class Column(NamedTuple):
    """What moves for one trial."""

    trial: xr.Dataset
    picture: AxesImage
    words: Text
    lines: dict[str, Line2D]

    def moving(self) -> list[Artist]:
        """All of it, the lowest first."""
        return [
            self.picture, *self.picture.axes.spines.values(), self.words, *self.lines.values()
        ]  # fmt: skip


@styled
def film(result: xr.Dataset, name: str, path: str | os.PathLike[str]) -> Path:
    """Writes the trials kept of a network, side by side and slowed down, as a GIF without end.

    Under the picture: the gate's opening, and memory's input of both targets' digits.

    Args:
        result: ``example_frames`` and what goes with it.
        name: the network.
        path: ends in ``.gif``. Written completely or not at all.

    Returns:
        The path.

    Raises:
        BlindspotsError: there are no trials of it.
    """
    file = Path(path)
    frames = list(filmed(*scene(result, name)))
    with replacing(file) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], loop=0,
            duration=[FRAME_MS] * (len(frames) - 1) + [2 * HOLD * FRAME_MS],
        )  # fmt: skip
    return file


def filmed(figure: Figure, columns: list[Column]) -> Iterator[Image.Image]:
    """Every frame; what does not move is drawn once."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    moving = [artist for column in columns for artist in column.moving()]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    first = columns[0].trial
    end = float(first["onset"][-1]) + soa_of(first)
    for ms in np.linspace(0, end, PER_ITEM * first.sizes["item"] + 1):
        canvas.restore_region(still)
        for column in columns:
            show(column, float(ms))
        for artist in moving:
            artist.draw(canvas.get_renderer())
        yield Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()).convert("RGB")


def scene(result: xr.Dataset, name: str) -> tuple[Figure, list[Column]]:
    """The film's figure before its first moment, and what moves in it."""
    trials = examples(result, name)
    figure = Figure(figsize=(0.75 * WIDTH, 3.9), dpi=DPI, layout="constrained")
    panels = figure.subplots(2, len(trials), squeeze=False, height_ratios=[1.35, 1], sharey="row")
    columns = [
        Column(trial, *screen(above, trial), growing(below, trial))
        for trial, above, below in zip(trials, *panels, strict=True)
    ]
    highest = max(float(trial[f"example_{key}"].max()) for trial in trials for key in TRACES)
    panels[1, 0].set_ylim(-0.25, 1.05 * highest)
    panels[1, 0].set_ylabel("gate, input of memory")
    panels[1, -1].legend(loc="upper right", fontsize=6.5, handlelength=1.5)
    slower = FRAME_MS * PER_ITEM / soa_of(trials[0])
    titled(figure, result, f"{name}: two trials, {slower:.1f} times slower")
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
