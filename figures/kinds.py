"""Networks of several kinds side by side: one image, one perturbation of it, a row for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures.conditions import CONDITIONS, READ, by_step, conditions, norms
from figures.pictures import change, input_pictures, picture
from figures.population import of_network
from figures.recordings import at_image, attacked, in_ms, step_ms, width
from figures.style import (
    BLACK,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RIGHT,
    SKY,
    VERMILLION,
    WIDTH,
    WRONG,
    is_mnist,
    stage,
    styled,
)
from networks.errors import BlindspotsError

PERTURBED = "adversarial"
HUES = (SKY, PURPLE, GREEN, ORANGE)  # of areas
PICTURES, ROW, REST = 1.2, 1.0, 0.9  # inches high; the rest are title and headings
FEEDBACK = {
    "none": "feedforward", "lateral": "lateral", "top-down": "top-down",
    "both": "lateral and top-down",
}  # fmt: skip
HEADINGS = ("margin", "divergence (relative)", "mean activity")
WRAP = 112  # letters in a line of the title


@styled
def kinds(result: xr.Dataset, recordings: Sequence[xr.Dataset], *, image: int = 0) -> Figure:
    """How each of several networks takes the same image under the same perturbation.

    Above are the image, the perturbation and both together. A row for each network has its answer
    at each step under every condition (the class of the largest potential; grey where it is not
    read); the margin, potential
    of the label minus the largest other; the relative divergence of each area from its clean course
    under the perturbation and under noise of its norm, on one scale for all; and the mean activity
    of each area between input and output: what rate units emit, or spikes per cell and step. All
    time is in steps of the trained network; those that the answer is averaged over are shaded.

    Args:
        result: `answer` and `margin` (network, individual, condition, time, image) and
            `relative_divergence` (network, individual, condition, area, time, image).
        recordings: one for each network, of several conditions, whose attributes name its `network`
            and `individual`; all of the same inputs.
        image: position of the image in the recordings.

    Raises:
        BlindspotsError: no such image or measure, less than two networks, or other inputs.
    """
    check_same_inputs(recordings)
    rows = [measured(result, each, image) for each in recordings]
    areas = [str(a) for a in result["area"].to_numpy() if a != recordings[0].attrs.get("input")]
    hues = {area: HUES[at % len(HUES)] for at, area in enumerate(areas)}
    high = REST + PICTURES + ROW * len(rows)
    figure, above = stage(WIDTH, high, legend(recordings[0], hues), columns=7)
    upper, lower = above.subfigures(2, 1, height_ratios=[PICTURES + 0.5, high - PICTURES - 0.5])
    pictures(upper.subplots(1, 3), recordings[0], image)
    panels = lower.subplots(
        len(rows), 1 + len(HEADINGS), sharex=True, squeeze=False, width_ratios=[1.15, 1, 1, 1]
    )
    for line, here, recording in zip(panels, rows, recordings, strict=True):
        for panel in line[1:]:
            steps = np.atleast_1d(recording.attrs["answers"])
            panel.axvspan(steps.min() - 0.5, steps.max() + 0.5, color=READ, linewidth=0, zorder=0)
        answers(here, recording.attrs["answers"], ax=line[0])
        margin(here, ax=line[1])
        apart(here, hues, ax=line[2])
        active(at_image(recording, image), hues, ax=line[3])
        named(line[0], kind_of(here, recording))
    scaled(panels, max(here.sizes["time"] for here in rows))
    titled(figure, recordings, image)
    return figure


def check_same_inputs(recordings: Sequence[xr.Dataset]) -> None:
    """Raises BlindspotsError where there is nothing to compare, or not on the same inputs."""
    if len(recordings) < 2:
        raise BlindspotsError("One network alone stands beside no other; watch two or more.")
    first, *others = (each["inputs"] for each in recordings)
    for recording, inputs in zip(recordings[1:], others, strict=True):
        if inputs.shape != first.shape or not np.array_equal(inputs, first):
            names = [each.attrs["network"] for each in (recordings[0], recording)]
            raise BlindspotsError(
                f"'{names[0]}' and '{names[1]}' were not shown the same inputs; watch them with "
                "inputs that were crafted on one network."
            )


def measured(result: xr.Dataset, recording: xr.Dataset, image: int) -> xr.Dataset:
    """The measures of the network of a recording at one of its images, in its own steps."""
    who = recording.attrs
    here = of_network(result, str(who["network"]), "margin")
    number = int(at_image(recording, image)["image"])
    return here.sel(individual=int(who["individual"]), image=number)


def pictures(panels: Sequence[Axes], recording: xr.Dataset, image: int) -> None:
    """The clean image, what was added to it, and both together."""
    clean, perturbed = (
        input_pictures(recording, image).sel(condition=c).to_numpy() for c in ("clean", PERTURBED)
    )
    picture(panels[0], clean)
    panels[0].set_title("clean")
    painted = change(panels[1], perturbed - clean)
    panels[1].set_title(f"perturbation: {norms(recording, image, PERTURBED)}")
    bar = panels[1].figure.colorbar(painted, ax=panels[1], shrink=0.9, pad=0.03, aspect=14)
    bar.set_label("change of intensity")
    bar.outline.set_visible(False)
    picture(panels[2], perturbed)
    panels[2].set_title(PERTURBED)


def named(panel: Axes, heading: str) -> None:
    """A heading that begins above the first panel of a row and runs on over the others."""
    panel.set_title(" ", fontsize=7)  # keeps the room, at no width
    text = panel.annotate(
        heading, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7,
        fontweight="bold", va="bottom",
    )  # fmt: skip
    text.set_in_layout(False)


def answers(here: xr.Dataset, read: Sequence[int], *, ax: Axes) -> None:
    """The class of the largest potential at each step, a line for each condition.

    Only at the steps ``read`` do colours say whether it is right: before, nothing is answered.
    """
    there = conditions(here)
    label = int(here["label"])
    for at, name in enumerate(there):
        for step, said in enumerate(here["answer"].sel(condition=name).to_numpy()):
            judged = RIGHT if said == label else WRONG
            ax.text(
                step, at, str(int(said)), ha="center", va="center", fontsize=7, fontweight="bold",
                color=judged if step in np.atleast_1d(read) else GREY,
            )  # fmt: skip
    ax.set_ylim(len(there) - 0.4, -0.6)
    ax.set_yticks(range(len(there)), there)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def margin(here: xr.Dataset, *, ax: Axes) -> None:
    """The margin of the label through time under every condition."""
    ax.axhline(0, color=GREY, linewidth=0.7)
    for name in conditions(here):
        ax.plot(here["time"], here["margin"].sel(condition=name), **small(name))


def apart(here: xr.Dataset, hues: Mapping[str, str], *, ax: Axes) -> None:
    """The relative divergence of each area, under the perturbation and under noise."""
    for area, hue in hues.items():
        for name in conditions(here):
            if area in here["area"] and name != "clean":
                values = here["relative_divergence"].sel(area=area, condition=name)
                ax.plot(here["time"], values, **small(name, hue))


def active(here: xr.Dataset, hues: Mapping[str, str], *, ax: Axes) -> None:
    """Mean output of each area between input and output, or spikes per cell and step."""
    spiking = False
    for area, hue in hues.items():
        if area == here.attrs["output"] or f"{area}.output" not in here:
            continue
        output = by_step(here, f"{area}.output")
        if here[f"{area}.output"].attrs.get("unit_model") == "lif":
            spiking = True
            output = output * (round(step_ms(here) / width(here)) if in_ms(here) else 1)
        mean = output.mean(f"{area}.unit").transpose("condition", "time")
        for name in conditions(here):
            ax.plot(mean.sel(condition=name).to_numpy(), **small(name, hue))
    ax.set_ylabel("spikes" if spiking else "output")
    ax.set_ylim(bottom=0)


def small(condition: str, colour: str | None = None) -> dict[str, Any]:
    """The look of a condition's line in a small panel; in the colour of an area, if one is named.

    Lines of areas bear no marker: line styles tell conditions apart.
    """
    look = CONDITIONS[condition].kwargs()
    return {**look, "markersize": 2.2} if colour is None else {
        "color": colour, "linestyle": look["linestyle"]
    }  # fmt: skip


def kind_of(here: xr.Dataset, recording: xr.Dataset) -> str:
    """ "fc-blt-spiking@cells: lateral and top-down, cells (a step is 2 ms)"."""
    facts = {key: str(here[key].item()) for key in ("recurrence", "units") if key in here.coords}
    parts = [FEEDBACK.get(facts.get("recurrence", ""), ""), facts.get("units", "")]
    if int(here.coords.get("modules", 1)) > 1:
        parts.append(f"{int(here['modules'])} modules")
    if in_ms(recording):
        parts.append(f"a step lasts {step_ms(recording):g} ms")
    said = ", ".join(part for part in parts if part)
    return f"{recording.attrs['network']}: {said}" if said else str(recording.attrs["network"])


def scaled(panels: "np.ndarray[Any, Any]", steps: int) -> None:
    """Axes of all rows: the same steps, the same scale of divergence, headings and labels."""
    top = 1.05 * max(float(panel.get_ylim()[1]) for panel in panels[:, 2])
    for line in panels:
        line[1].set_ylabel("margin")
        line[2].set_ylim(0, top)
    for panel in panels[-1]:
        panel.set_xlim(-0.5, steps - 0.5)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        panel.set_xlabel("time (steps)")
    panels[-1, 0].set_xlabel("answer at each step")
    for panel, heading in zip(panels[0, 1:], HEADINGS, strict=True):
        panel.set_title(heading)


def titled(figure: Figure, recordings: Sequence[xr.Dataset], image: int) -> None:
    """Image, label, attack and budget, and what each network answers; loud if not MNIST."""
    here = at_image(recordings[0], image)
    data = str(here.attrs.get("data", "unnamed data"))
    mnist = is_mnist(here)
    on = f", crafted on {here.attrs['crafted_on']}" if "crafted_on" in here.attrs else ""
    lines = [
        "The same image under the same perturbation",
        f"{data if mnist else f'NOT MNIST: {data}'}, image {int(here['image'])} (a "
        f"{int(here['label'])}), {attacked(here)}{on}; individual {here.attrs['individual']} "
        "of each",
        "answered clean → adversarial (noise): ",
    ]
    for recording in recordings:
        said = at_image(recording, image)["logits"].argmax("class")
        by = {name: int(said.sel(condition=name)) for name in conditions(recording)}
        noise = f" ({by['noise']})" if "noise" in by else ""
        part = f"{recording.attrs['network']} {by['clean']} → {by[PERTURBED]}{noise}; "
        if len(lines[-1] + part) > WRAP:
            lines.append("")
        lines[-1] += part
    figure.suptitle(
        "\n".join(lines).rstrip("; "), color=BLACK if mnist else VERMILLION, linespacing=1.4
    )


def legend(recording: xr.Dataset, hues: Mapping[str, str]) -> list[Line2D]:
    """Conditions, areas and the shaded window."""
    lines = [
        Line2D([], [], label=name, **CONDITIONS[name].kwargs()) for name in conditions(recording)
    ]
    lines += [Line2D([], [], color=hue, linewidth=2.5, label=area) for area, hue in hues.items()]
    lines.append(Line2D([], [], color=READ, linewidth=6, label="read out"))
    return lines
