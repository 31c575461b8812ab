"""An image, what an attack adds to it, and how the network decides on both through time."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.conditions import (
    CONDITIONS,
    READ,
    answers_at,
    conditions,
    decisive,
    margins,
    norms,
    read_out,
    shown_image,
    under,
)
from figures.pictures import change, input_pictures, picture
from figures.recordings import activity, answer, at_image, time_axis, title
from figures.style import GREY, RIGHT, WIDTH, WRONG, stage, styled

PERTURBED = "adversarial"
MOST = 12  # answers written into a panel


@styled
def decision(recording: xr.Dataset, *, image: int = 0) -> Figure:
    """Image, perturbation and perturbed image; below, the decision on them through time.

    Below are the potentials of all classes on the clean and on the adversarial image, with the
    class of the largest at each step, and the margin under every condition: potential of the label
    minus the largest other. The rival is the class of the largest other logit on the adversarial
    image. Steps that the answer is averaged over are shaded.

    Args:
        recording: of several conditions, with inputs, potentials of the output area and logits.
        image: position of the image in the recording.

    Raises:
        BlindspotsError: no image, inputs, conditions or potentials of that kind.
    """
    here = at_image(recording, image)
    inputs = input_pictures(recording, image)
    both = {name: under(here, name) for name in ("clean", PERTURBED)}
    figure, above = stage(WIDTH, 4.1, legend(recording), columns=7)
    parts = above.subfigures(2, 1, height_ratios=[1, 1.3])
    first, middle, last = parts[0].subplots(1, 3)
    picture(first, inputs.sel(condition="clean").to_numpy())
    first.set_title(f"clean: {answer(both['clean'])}")
    added = (inputs.sel(condition=PERTURBED) - inputs.sel(condition="clean")).to_numpy()
    painted = change(middle, added)
    middle.set_title(f"perturbation: {norms(recording, image, PERTURBED)}")
    bar = figure.colorbar(painted, ax=middle, shrink=0.8, pad=0.03, aspect=14)
    bar.set_label("change of intensity")
    bar.outline.set_visible(False)
    picture(last, inputs.sel(condition=PERTURBED).to_numpy())
    last.set_title(f"adversarial: {answer(both[PERTURBED])}")

    left, right, margin = parts[1].subplots(1, 3)
    logits = both[PERTURBED]["logits"].to_numpy()
    rival = max((k for k in range(len(logits)) if k != int(here["label"])), key=logits.__getitem__)
    for panel, (name, each) in zip((left, right), both.items(), strict=True):
        potentials(each, rival, ax=panel)
        panel.set_title(f"{name}: potentials, largest named")
    right.sharey(left)
    margin_lines(here, ax=margin)
    read = (
        ", by the mean of the shaded steps" if np.size(recording.attrs.get("answers", [])) else ""
    )
    title(figure, recording, "Decision through time", shown_image(recording, image) + read)
    return figure


def potentials(here: xr.Dataset, rival: int, *, ax: Axes) -> None:
    """Potentials of the output area at one image and condition, and the answer at each step.

    Args:
        here: one image and one condition.
        rival: the class to mark beside the label, such as the one that an attack leads to.
        ax: where.
    """
    time = here["time"].to_numpy()
    values = activity(here, decisive(here), "potential")
    label = int(here["label"])
    read_out(ax, here)
    for unit in range(values.shape[1]):
        colour, wide, above = GREY, 0.6, 2
        if unit in (label, rival):
            colour, wide, above = (RIGHT if unit == label else WRONG), 1.5, 3
        ax.plot(time, values[:, unit], color=colour, linewidth=wide, zorder=above)
    answers = answers_at(here)
    for best in answers[:: -(-len(answers) // MOST)]:
        ax.text(
            float(best["time"]), 0.985, str(int(best)), transform=ax.get_xaxis_transform(),
            ha="center", va="top", fontsize=7, fontweight="bold",
            color=RIGHT if int(best) == label else WRONG,
        )  # fmt: skip
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.16 * (high - low))
    ax.set_ylabel("potential")
    time_axis(ax, here, named=True)


def margin_lines(here: xr.Dataset, *, ax: Axes) -> None:
    """The margin of the label at each step under every condition, of one image."""
    read_out(ax, here)
    ax.axhline(0, color=GREY, linewidth=0.7)
    for name in conditions(here):
        values = margins(under(here, name))
        ax.plot(values["time"], values, **CONDITIONS[name].kwargs())
    ax.set_title("margin: label − largest other")
    ax.set_ylabel("margin (above 0: right)")
    time_axis(ax, here, named=True)


def legend(recording: xr.Dataset) -> list[Line2D]:
    """Classes, conditions and the shaded window."""
    classes = ((RIGHT, 1.5, "label"), (WRONG, 1.5, "its rival"), (GREY, 0.6, "others"))
    lines = [Line2D([], [], color=c, linewidth=w, label=name) for c, w, name in classes]
    lines += [
        Line2D([], [], label=name, **CONDITIONS[name].kwargs()) for name in conditions(recording)
    ]
    if np.size(recording.attrs.get("answers", [])):
        lines.append(Line2D([], [], color=READ, linewidth=6, label="read out"))
    return lines
