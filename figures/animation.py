"""A film of a network under attack: clean above perturbed, one frame for each step."""

import os
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib import rcParams
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from figures.conditions import by_step, decisive, recorded, under
from figures.pictures import input_pictures, picture
from figures.recordings import Floats, answer, at_image, title
from figures.save import replacing
from figures.style import RIGHT, WIDTH, WRONG, styled
from networks.errors import BlindspotsError

DPI = 110
HOLD = 3  # frames for which the last step stays


class Row(NamedTuple):
    """What moves in one row of the film."""

    maps: list[tuple[AxesImage, Floats]]
    bars: BarContainer
    potentials: Floats


@styled
def animate(
    recording: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    image: int = 0,
    condition: str = "adversarial",
    per_second: int = 2,
) -> Path:
    """Writes a film of one image: input, activity of each area, and decision at every step.

    Areas are square maps of their cells in order, row by row from the top, with one scale for both
    conditions. Bars are the potentials of the output; the label's is blue, others' vermillion, the
    largest filled.

    Args:
        recording: of several conditions, with inputs, outputs of the areas, potentials of the
            output area and logits.
        path: ends in `.gif`, or in `.mp4`, which needs ffmpeg (blindspots[film] brings one).
            Written completely or not at all.
        image: position of the image in the recording.
        condition: the perturbed one.
        per_second: frames.

    Returns:
        The path.

    Raises:
        BlindspotsError: no image or condition of that kind, or no such film can be written.
    """
    file = Path(path)
    writer = writer_for(file, per_second)
    figure, rows = scene(recording, image, ("clean", condition))
    label = int(at_image(recording, image)["label"])
    title(figure, recording, "Activity under attack", "step 0")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    steps = len(rows[0].potentials)
    text = figure.get_suptitle()
    with replacing(file) as temporary, writer.saving(figure, temporary, DPI):
        for step in [*range(steps), *[steps - 1] * HOLD]:
            for row in rows:
                show(row, step, label)
            figure.suptitle(text.replace("step 0", f"step {step}"), linespacing=1.4)
            writer.grab_frame()
    return file


def scene(recording: xr.Dataset, image: int, names: Sequence[str]) -> tuple[Figure, list[Row]]:
    """The film's figure at its first step, and what moves in the rows of both conditions."""
    here = at_image(recording, image)
    areas = [n for n in recorded(here, "output") if n not in (decisive(here), input_area(here))]
    figure = Figure(figsize=(WIDTH, 3.6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        2, 2 + len(areas), squeeze=False, width_ratios=[1] * (1 + len(areas)) + [1.25]
    )
    inputs = input_pictures(recording, image)
    rows = []
    for line, name in zip(panels, names, strict=True):
        picture(line[0], inputs.sel(condition=name).to_numpy())
        line[0].set_title(f"{name}: {answer(under(here, name))}", fontsize=7.5)
        maps = [
            area_map(here, area, names, name, ax=p)
            for p, area in zip(line[1:-1], areas, strict=True)
        ]
        rows.append(Row(maps, *decision_bars(here, names, name, ax=line[-1])))
    return figure, rows


def writer_for(path: Path, per_second: int) -> AbstractMovieWriter:
    """What writes films with the path's ending.

    Raises:
        BlindspotsError: it is neither .gif nor .mp4, or ffmpeg is not there.
    """
    if path.suffix == ".gif":
        return PillowWriter(fps=per_second)
    if path.suffix != ".mp4":
        raise BlindspotsError(f"A film ends in .gif or .mp4, not in '{path.suffix}'; rename it.")
    if not FFMpegWriter.isAvailable():
        rcParams["animation.ffmpeg_path"] = bundled_ffmpeg()  # undone by `styled`
    return FFMpegWriter(fps=per_second)


def bundled_ffmpeg() -> str:
    """The program that the package imageio-ffmpeg brings.

    Raises:
        BlindspotsError: it is not installed, or has no program for this machine.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise BlindspotsError(
            "MP4 needs ffmpeg, which is not there; install it or blindspots[film], or write a .gif."
        ) from None


def input_area(here: xr.Dataset) -> str:
    """The area that emits the input, or nothing where it was not recorded."""
    inputs = [
        str(name).removesuffix(".output")
        for name, each in here.data_vars.items()
        if each.attrs.get("unit_model") == "input"
    ]
    return inputs[0] if inputs else ""


def square(values: Floats) -> Floats:
    """Values (time, unit) as square maps (time, row, column), NaN where there is no unit."""
    side = ceil(sqrt(values.shape[1]))
    padded = np.full((len(values), side * side), np.nan)
    padded[:, : values.shape[1]] = values
    return padded.reshape(len(values), side, side)


def area_map(
    here: xr.Dataset, area: str, names: Sequence[str], name: str, *, ax: Axes
) -> tuple[AxesImage, Floats]:
    """The map of an area under a condition, and its frames; scaled by both conditions."""
    both = by_step(here, f"{area}.output").sel(condition=list(names))
    high = max(float(np.quantile(both.to_numpy(), 0.995)), 1e-9)
    frames = square(both.sel(condition=name).transpose("time", ...).to_numpy())
    painted = ax.imshow(frames[0], cmap="cividis", vmin=0, vmax=high, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(f"{area} (0 to {high:.2g})", fontsize=7.5)
    return painted, frames


def decision_bars(
    here: xr.Dataset, names: Sequence[str], name: str, *, ax: Axes
) -> tuple[BarContainer, Floats]:
    """Bars of the output's potentials under a condition, and their values (time, class)."""
    both = by_step(here, f"{decisive(here)}.potential").sel(condition=list(names))
    values = both.sel(condition=name).transpose("time", ...).to_numpy()
    bars = ax.bar(np.arange(values.shape[1]), values[0])
    low, high = float(both.min()), float(both.max())
    ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    ax.axhline(0, color="0.5", linewidth=0.6)
    ax.set_xticks(np.arange(values.shape[1]))
    ax.set_title("potential of each class", fontsize=7.5)
    return bars, values


def show(row: Row, step: int, label: int) -> None:
    """Puts a row of the film to a step."""
    for painted, frames in row.maps:
        painted.set_data(frames[step])
    heights = row.potentials[step]
    for unit, (bar, height) in enumerate(zip(row.bars, heights, strict=True)):
        bar.set_height(height)
        bar.set_facecolor(RIGHT if unit == label else WRONG)
        bar.set_alpha(1.0 if unit == heights.argmax() else 0.3)
