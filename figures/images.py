"""What the networks saw and what they answered."""

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from figures.style import BLACK, RIGHT, WIDTH, WRONG, at_epsilon, head, named, styled
from networks.errors import BlindspotsError

Floats = npt.NDArray[np.float32]

PICTURES = ("clean", "perturbation", "adversarial")
PICTURE, STEP = 0.92, 1.0  # cells: side of a picture, from one to the next
LEFT, ANSWERS = 0.75, 3.95  # cells: where pictures and answers start
ANSWER = 0.84  # cells from one network to the next
CELL = 0.5  # inches, at most
TITLE, HEADER, FOOT = 0.55, 1.05, 0.62  # inches above and below the grid
SYMBOLS = {1: "✓", 0: "✗"}
KEY = "answer of individual 0:\n✓ right   ✗ wrong\n○ wrong already when clean"


@styled
def image_grid(result: xr.Dataset, attack: str) -> Figure:
    """Examples: clean, perturbation and adversarial input, and the answer of every network to it.

    The inputs were crafted on the first independent source at the reference epsilon, so all
    networks answer the same input; the answers are those of individual 0. Right and wrong are
    told by symbol and by colour; a circle marks images answered wrongly already when clean.

    Args:
        result: the labelled result with `example_clean` (example, row, column) and
            `example_inputs` (attack, example, row, column), intensities from 0 to 1.
        attack: one of its attacks.

    Raises:
        BlindspotsError: the result holds no examples of that attack.
    """
    here = named(result, attack)
    absent = [name for name in ("example_clean", "example_inputs") if name not in result]
    if absent or bool(here["example_inputs"].isnull().all()):
        raise BlindspotsError(f"The result holds no examples of '{attack}'; keep some to draw.")
    rows, networks = here.sizes["example"], here.sizes["network"]
    across = ANSWERS + ANSWER * networks + 1.3  # the last name leans over
    cell = min(CELL, WIDTH / across)
    height = TITLE + HEADER + rows * cell + FOOT
    figure = Figure(figsize=(WIDTH, height))
    panel = figure.add_axes((0, FOOT / height, 1, (HEADER + rows * cell) / height))
    start = (WIDTH / cell - across) / 2  # centres a narrow grid
    panel.set(xlim=(-start, WIDTH / cell - start), ylim=(rows, -HEADER / cell))
    panel.set_axis_off()

    limit = max(float(np.nanmax(np.abs(here["example_inputs"] - here["example_clean"]))), 1e-6)
    change = pictures(panel, here, limit)
    answers(panel, here)
    inch = cell / WIDTH  # one cell, in figure widths
    scale = figure.add_axes(
        ((LEFT + start) * inch, 0.4 / height, (2 * STEP + PICTURE) * inch, 0.07 / height)
    )
    bar = figure.colorbar(change, cax=scale, orientation="horizontal")
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.2g}", "0", f"+{limit:.2g}"])
    bar.set_label("change of intensity", labelpad=1)
    panel.text(ANSWERS + 0.4, rows + 0.2, KEY, va="top", fontsize=7, linespacing=1.3)
    epsilon = float(result.attrs["reference_epsilon"])
    head(figure, result, f"Examples: {attack} at ε = {epsilon:g}, same inputs for all networks")
    return figure


def pictures(panel: Axes, here: xr.Dataset, limit: float) -> AxesImage:
    """True labels and the pictures of all rows; returns one of the changes, for a colour bar."""
    clean, inputs = here["example_clean"].to_numpy(), here["example_inputs"].to_numpy()
    labels = here["label"].isel(image=here["example_image"]).to_numpy()
    box = panel.axis()
    for at, title in enumerate(PICTURES):
        panel.text(LEFT + STEP * at + 0.35, -0.15, title, rotation=50, rotation_mode="anchor")
    panel.text(LEFT / 2 - 0.1, -0.15, "true label", rotation=50, rotation_mode="anchor")
    for row, label in enumerate(labels):
        panel.text(LEFT / 2, row + 0.5, str(label), ha="center", va="center", fontsize=9)
        for at, picture in enumerate((clean[row], inputs[row] - clean[row], inputs[row])):
            left, changed = LEFT + STEP * at, PICTURES[at] == "perturbation"
            drawn = panel.imshow(
                picture,
                extent=(left, left + PICTURE, row + 0.96, row + 0.04),
                cmap="RdBu_r" if changed else "gray",
                vmin=-limit if changed else 0,
                vmax=limit if changed else 1,
                interpolation="nearest",
                aspect="auto",
            )
            if changed:
                change = drawn
    panel.axis(box)
    return change


def answers(panel: Axes, here: xr.Dataset) -> None:
    """A table of examples x networks: the digit answered, and whether it is right."""
    source = str(here["source"].to_numpy()[here["independent"].to_numpy().astype(bool)][0])
    shown = at_epsilon(here, float(here.attrs["reference_epsilon"])).isel(
        individual=0, image=here["example_image"]
    )
    shown = shown.sel(source=source).transpose("network", ...)
    order = ("network", "example")
    correct, prediction, clean = (
        shown[name].transpose(*order).to_numpy()
        for name in ("correct", "prediction", "clean_correct")
    )
    for at, name in enumerate(str(each) for each in here["network"].to_numpy()):
        left = ANSWERS + ANSWER * at
        panel.text(left + 0.3, -0.15, name, rotation=50, rotation_mode="anchor")
        for row in range(len(correct[at])):
            right = int(correct[at, row])
            colour = {1: RIGHT, 0: WRONG}.get(right, BLACK)
            text = f"{prediction[at, row]}{SYMBOLS[right]}" if right in SYMBOLS else "–"
            mark = "○" if clean[at, row] == 0 else ""
            panel.add_patch(
                Rectangle(
                    (left, row + 0.04), ANSWER - 0.06, 0.92, facecolor=colour, alpha=0.14, lw=0
                )
            )
            panel.text(
                left + ANSWER / 2 - 0.03, row + 0.5, text + mark, ha="center", va="center",
                color=colour, fontweight="bold" if right == 0 else "normal",
            )  # fmt: skip
