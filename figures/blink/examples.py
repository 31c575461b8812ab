"""Single trials out of a result: what the drawings of one stream have in common."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import BLACK, BLUE, ORANGE, VERMILLION, is_mnist
from networks.errors import BlindspotsError

TARGETS = {"t1": ORANGE, "t2": BLUE}


def titled(figure: Figure, result: xr.Dataset, text: str) -> None:
    """The text, and the data below it; loud if they are not MNIST."""
    mnist = is_mnist(result)
    data = str(result.attrs["data"]) if mnist else f"NOT MNIST: {result.attrs['data']}"
    figure.suptitle(f"{text}\n{data}", color=BLACK if mnist else VERMILLION, linespacing=1.4)


def has_examples(result: xr.Dataset, name: str) -> bool:
    """Whether the result holds single trials of that network."""
    return "example_frames" in result and name in result["example_network"].to_numpy()


def examples(result: xr.Dataset, name: str) -> list[xr.Dataset]:
    """The single trials of a network, seen ones first.

    Raises:
        BlindspotsError: there are none.
    """
    if not has_examples(result, name):
        raise BlindspotsError(f"The result holds no single trials of '{name}'; run it again.")
    kept = [each for each in result.variables if str(each).startswith("example_")]
    whole = result[[*kept, "onset", "time"]]
    trials = [whole.isel(example=i) for i in range(result.sizes["example"])]
    return [trial for trial in trials if str(trial["example_network"].values) == name]


def soa_of(trial: xr.Dataset) -> float:
    """From one item to the next, in ms."""
    return float(np.diff(trial["onset"])[0])


def target(trial: xr.Dataset, which: str) -> tuple[int, int, float]:
    """Digit, position and onset (ms) of the target "t1" or "t2"."""
    place = int(trial[f"example_{which}"])
    return int(trial["example_label"][place]), place, float(trial["onset"][place])


def reported(trial: xr.Dataset) -> list[tuple[int, float]]:
    """Digits in the order of report, and when each entered memory, in ms."""
    digits, when = trial["example_report"].to_numpy(), trial["example_when_ms"].to_numpy()
    return [(int(d), float(t)) for d, t in zip(digits, when, strict=True) if d >= 0]


def heading(trial: xr.Dataset) -> str:
    """ "T2 missed: shown 5 and 3; reported 5"."""
    shown = " and ".join(str(target(trial, which)[0]) for which in TARGETS)
    said = ", then ".join(str(digit) for digit, _ in reported(trial)) or "nothing"
    return f"T2 {trial['example_outcome'].values}: shown {shown}; reported {said}"


def onsets(panel: Axes, trial: xr.Dataset, *, height: float = 1.0) -> None:
    """A tinted span for each target while it is shown, its name at ``height`` of the panel."""
    for which, colour in TARGETS.items():
        _, _, ms = target(trial, which)
        panel.axvspan(ms, ms + soa_of(trial), color=colour, alpha=0.2, linewidth=0)
        panel.annotate(
            which.upper(), (ms + soa_of(trial) / 2, height), xycoords=("data", "axes fraction"),
            ha="center", va="bottom", fontsize=6.5, color=colour, weight="bold",
        )  # fmt: skip
