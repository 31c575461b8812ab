"""One look for all figures: colours, markers, lines, sizes and titles.

Colours are those of Okabe & Ito (2008, "Color universal design"), told apart by colour-blind
readers; line and marker carry the same information, so that a grey print can be read too. Sizes
are for a paper with two columns: a full-width figure is 180 mm wide and its letters 7 to 8 pt.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import xarray as xr

from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:  # the colours are wanted where matplotlib is not
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

WIDTH = 180 / 25.4  # inches: both columns
COLUMN = 88 / 25.4  # inches: one column
LETTER = 0.066  # inches: about the width of a letter in a title

BLACK, GREY = "#000000", "#7F7F7F"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
RIGHT, WRONG = BLUE, VERMILLION  # answers

HUES = {"none": BLACK, "lateral": ORANGE, "top-down": GREEN, "both": BLUE, "unknown": PURPLE}
LINES: dict[str, Any] = {"rate": "-", "spiking": (0, (4, 1.5)), "unknown": (0, (1, 1.2))}
PARTS = {  # of a drive, and kinds of projections: colour and hatch
    "bias": (GREY, ""), "feedforward": (SKY, ""), "skip": (PURPLE, "...."),
    "lateral": (ORANGE, "////"), "top-down": (GREEN, "\\\\\\\\"),
}  # fmt: skip
MARKERS = {"none": "o", "lateral": ">", "top-down": "v", "both": "D", "unknown": "X"}
SPARE = ("P", "*", "h", "<", "d", "p", "8")  # when two networks would look the same in grey

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "figure.titlesize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.8,
    "pdf.fonttype": 42,  # letters stay letters, as journals ask
    "savefig.facecolor": "white",
}

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Look:
    """How one network is drawn; the fields are matplotlib's."""

    colour: str
    line: Any
    marker: str
    filled: bool

    def kwargs(self) -> dict[str, Any]:
        """Arguments for Axes.plot and Line2D."""
        return {
            "color": self.colour,
            "linestyle": self.line,
            "marker": self.marker,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": self.colour,
            "markeredgewidth": 0.8,
        }


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Runs a function with matplotlib's defaults and `RC`, leaving the user's settings alone."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        from matplotlib import style

        with style.context(["default", RC]):
            return draw(*args, **kwargs)

    return inside


def colours(networks: xr.Dataset | xr.DataArray) -> dict[str, Look]:
    """The look of every network, the same in every figure of one result.

    Hue says the recurrence, line the units. The marker says it again for readers in grey: the
    recurrence, or modules (filled square), or a control of parameters (hollow triangle) or of
    compute (hollow square). Networks that would look the same in grey get spare markers.

    Args:
        networks: anything with the dimension network and its coordinates.
    """
    looks: dict[str, Look] = {}
    spare = list(SPARE)
    for name in (str(each) for each in networks["network"].to_numpy()):
        here = networks.sel(network=name)
        role, recurrence, units, modules = (
            str(here[key].values) if key in here.coords else default
            for key, default in (
                ("role", ""), ("recurrence", "unknown"), ("units", "unknown"), ("modules", "1"),
            )
        )  # fmt: skip
        control = role.startswith("control")
        marker = MARKERS.get(recurrence, "X")
        if control:
            marker = "^" if "parameters" in role else "s"
        elif int(modules) > 1:
            marker = "s"
        line = LINES.get(units, LINES["unknown"])
        grey = [(look.line, look.marker, look.filled) for look in looks.values()]
        while (line, marker, not control) in grey and spare:
            marker = spare.pop(0)
        looks[name] = Look(HUES.get(recurrence, PURPLE), line, marker, not control)
    return looks


def is_mnist(dataset: xr.Dataset) -> bool:
    """Whether the data are MNIST itself and not a stand-in."""
    return str(dataset.attrs.get("data", "")).lower().startswith("mnist")


def head(figure: "Figure", dataset: xr.Dataset, text: str) -> None:
    """The title: what is drawn, then data, images and individuals; loud if it is not MNIST."""
    data = str(dataset.attrs.get("data", "unnamed data"))
    mnist = is_mnist(dataset)
    data = data if mnist else f"NOT MNIST: {data}"
    second = f"{data}, {counts(dataset)}"
    if len(second) * LETTER > figure.get_figwidth():
        second = f"{data},\n{counts(dataset)}"
    figure.suptitle(f"{text}\n{second}", color=BLACK if mnist else VERMILLION, linespacing=1.4)


def stage(
    width: float, height: float, handles: "Sequence[Artist]", columns: int
) -> "tuple[Figure, Any]":
    """A figure with one legend below, and the part above it to draw panels in.

    Args:
        width: inches.
        height: inches, without the legend.
        handles: what the legend lists, drawn lines or patches with labels.
        columns: entries side by side.
    """
    from matplotlib.figure import Figure

    legend = 0.07 + 0.165 * -(-len(handles) // columns)
    figure = Figure(figsize=(width, height + legend), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[height, legend])
    parts[1].legend(handles=handles, loc="center", ncols=columns)
    return figure, parts[0]


def counts(dataset: xr.Dataset) -> str:
    """ "500 images, 2-5 individuals per network", from a result or a summary."""
    if "individuals_scored" in dataset:
        individuals = dataset["individuals_scored"].to_numpy()
    else:
        individuals = (dataset["clean_correct"] >= 0).any("image").sum("individual").to_numpy()
    images = int(dataset.attrs.get("images", dataset.sizes.get("image", 0)))
    scored = individuals[individuals > 0]
    low, high = (int(scored.min()), int(scored.max())) if scored.size else (0, 0)
    span = str(high) if low == high else f"{low}–{high}"
    return f"{images} images, {span} individual{'' if span == '1' else 's'} per network"


def budget_label(norm: str) -> str:
    """Axis label of epsilon under a norm, with its unit."""
    kinds = {"linf": "largest change", "l2": "rms change", "l1": "mean change"}
    return f"perturbation budget ε ({kinds[norm]}, intensity range [0, 1])"


def named(dataset: xr.Dataset, attack: str) -> xr.Dataset:
    """The dataset at one attack.

    Raises:
        BlindspotsError: there is no such attack.
    """
    known = [str(each) for each in dataset["attack"].to_numpy()]
    if attack not in known:
        raise unknown("attack", attack, known)
    return dataset.sel(attack=attack)


def at_epsilon(dataset: xr.Dataset, epsilon: float) -> xr.Dataset:
    """The dataset at one epsilon, up to rounding.

    Raises:
        BlindspotsError: it was not measured there.
    """
    epsilons = dataset["epsilon"].to_numpy()
    at = int(np.abs(epsilons - epsilon).argmin())
    if not np.isclose(epsilons[at], epsilon, rtol=1e-6, atol=0):
        there = listed(f"{each:g}" for each in epsilons)
        raise BlindspotsError(f"Epsilon {epsilon:g} was not measured; choose from {there}.")
    return dataset.isel(epsilon=at)


def listed(names: Iterable[str]) -> str:
    """Names separated by commas."""
    return ", ".join(names)
