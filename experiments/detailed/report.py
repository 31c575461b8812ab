"""What the command ``detailed`` says: tables and sentences in the terminal, and one HTML page."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.page import picture, publish
from experiments.statistics.accuracies import wilson
from experiments.verdict.wording import interval, number, percent
from networks import INGREDIENTS, Physiology

TOGETHER = "together"
HIGH = 5.0  # synaptic conductance over leak of cortical cells in vivo (Destexhe et al. 2003)
CAPTIONS = {
    "ablations": "Accuracy by condition with 95 % Wilson intervals over images, and how close the "
    "activity is to that of the trained units; on torch, without any ingredient, with each alone, "
    "and with those of the physiology together.",
    "intervals": "Intervals between spikes and their coefficient of variation on clean images: the "
    "share of intervals, and of spike trains, up to each value, with Cliff's delta against torch.",
    "raster": "Spikes of one image on torch and in cells.",
    "traces": "Membranes on torch (in millivolts) and in cells.",
    "rates": "Population rates on torch and in cells.",
    "contrast": "The cells on a clean image and on the adversarial one.",
}


def write_detailed_report(
    out: Path, result: xr.Dataset, figures: Mapping[str, Path], console: Console
) -> None:
    """``report.html`` into ``out``; tables and sentences onto ``console``."""
    console.print(accuracy_table(result))
    console.print(activity_table(result))
    said = list(sentences(result))
    for sentence in said:
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        *(out, console, "detailed.html"),
        title=f"{result.attrs['network']} in cells",
        data=str(result.attrs["data"]),
        attrs=result.attrs,
        images=result.sizes["image"],
        conditions=[str(each) for each in result["condition"].to_numpy()],
        accuracies=list(accuracies(result)),
        activity=list(activity(result)),
        ingredients=INGREDIENTS,
        together=together(result),
        step_ms=physiology(result).step_ms,
        physiology=physiology(result).model_dump_json(indent=1),
        sentences=said,
        pictures=[
            {"caption": CAPTIONS[name], "data": picture(path)} for name, path in figures.items()
        ],
    )


def physiology(result: xr.Dataset) -> Physiology:
    """What the cells of the variant ``together`` are like."""
    return Physiology.model_validate_json(result.attrs["physiology"])


def together(result: xr.Dataset) -> str:
    """Which ingredients the variant of that name has."""
    return f"{TOGETHER}: {physiology(result).label}"


def accuracies(result: xr.Dataset) -> Iterator[tuple[str, list[str]]]:
    """Each variant and its accuracies in per cent with Wilson intervals, by condition."""
    for variant in result["variant"].to_numpy():
        here = result.sel(variant=variant)
        yield (
            str(variant),
            [interval(here.sel(condition=c), "accuracy") for c in here["condition"].to_numpy()],
        )


def accuracy_table(result: xr.Dataset) -> Table:
    """Accuracy in per cent, by variant and condition, for a terminal of 80 columns."""
    table = Table(
        title=f"{result.attrs['network']}, individual {result.attrs['individual']}: accuracy (%) "
        f"on {result.sizes['image']} images of {result.attrs['data']}, {result.attrs['attack']} at "
        f"epsilon {result.attrs['epsilon']:g}",
        caption="same inputs: crafted on an independent feedforward network; torch's own: on this "
        "network on torch. Nothing was crafted on the cells, so theirs are loose upper bounds. "
        f"{together(result)}",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("variant", no_wrap=True)
    for condition in result["condition"].to_numpy():
        table.add_column(str(condition), justify="right")
    for variant, cells in accuracies(result):
        table.add_row(variant, *(text.partition(" ")[0] for text in cells))
    return table


def activity(result: xr.Dataset) -> Iterator[list[str]]:
    """Variant, area, and the activity's measures on clean images; the last on torch's own."""
    clean, last = result["condition"].to_numpy()[[0, -1]]
    for variant in result["variant"].to_numpy():
        for area in result["area"].to_numpy():
            here = result.sel(variant=variant, area=area)
            still, led_astray = here.sel(condition=clean), here.sel(condition=last)
            yield [
                *(str(variant), str(area), number(here["gain"], 1)),
                number(still["conductance"], 0),
                *(number(still["rate"].mean(), 0), number(still["rate_correlation"])),
                *(number(still["isi_median"], 1), number(still["isi_delta"])),
                *(number(still["cv_median"]), number(still["cv_delta"])),
                number(still["divergence_from_torch"]),
                number(led_astray["divergence_from_clean"]),
            ]


HEADINGS = ("gain", "g", "Hz", "r", "ISI", "δ", "CV", "δ", "apart", "moved")


def activity_table(result: xr.Dataset) -> Table:
    """How the cells' activity differs from torch's, for a terminal of 80 columns."""
    table = Table(
        title="Activity on clean images, beside torch",
        caption="gain: calibrated; g: synaptic conductance over leak; Hz: mean rate; r: of spike "
        "counts with torch; ISI (ms), CV: medians, δ: Cliff's delta against torch in whole steps; "
        "apart: van Rossum distance per spike (5 ms) from "
        f"torch; moved: the same from clean to {result['condition'].to_numpy()[-1]}",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("variant", no_wrap=True)
    table.add_column("area", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for variant, *cells in activity(result):
        table.add_row("" if variant == before else variant, *cells)
        before = variant
    return table


def sentences(result: xr.Dataset) -> Iterator[str]:
    """What the tables mean, and how far the cells are from what they should match."""
    yield from survival(result)
    yield matching(result)
    yield (
        "The adversarial inputs were crafted on torch and only carried over to the cells: an "
        "attack made for the cells, such as a surrogate gradient through their equations, finds "
        "more."
    )
    yield (
        "Intervals are over images, with one draw of the cells; another draw moves accuracies by "
        "some points. What one ingredient does shows against bare, not against torch."
    )
    yield from loaded(result)


def loaded(result: xr.Dataset) -> Iterator[str]:
    """That conductances are far beyond those of cortical cells, where they are."""
    most = result["conductance"].sel(variant=TOGETHER).isel(condition=0).max()
    if most > HIGH:
        yield (
            f"The synaptic conductance of these cells is {float(most):.0f} times their leak, where "
            f"that of cortical cells in vivo is some {HIGH:g} times: the trained network fires "
            "nearly every step, and cells must be driven hard to follow. Noise and adaptation "
            "weigh little beside that."
        )


def matching(result: xr.Dataset) -> str:
    """How well the gains of all ingredients together give the trained rates."""
    cells = result.sel(variant=TOGETHER)
    cells = cells.isel(area=(cells["trained_rate"] > 0).to_numpy())
    if not cells.sizes["area"]:
        return "No trained unit spikes on the training images, so there were no rates to match."
    ratio = cells["calibrated_rate"] / cells["trained_rate"]
    worst = ratio[int(np.argmax(np.abs(np.log(ratio.clip(min=1e-9).to_numpy()))))]
    return (
        "Gains were matched to the trained rates on training images, without labels; together, the "
        f"rate of {worst['area'].item()}, the area furthest off, is {percent(float(worst))} of the "
        "trained one."
    )


def survival(result: xr.Dataset) -> Iterator[str]:
    """How many of the images that fool the trained units fool the cells as well."""
    first, *_, last = (str(each) for each in result["condition"].to_numpy())
    right = result["correct"].astype(bool)
    torch, cells = right.sel(variant="torch"), right.sel(variant=TOGETHER)
    both = torch.sel(condition=first) & cells.sel(condition=first)
    fooled = both & ~torch.sel(condition=last)
    count = int(fooled.sum())
    if not count:
        yield (
            "No image that trained units and cells both get right when clean fools the trained "
            f"units as {last}."
        )
        return
    share = float((fooled & ~cells.sel(condition=last)).sum()) / count
    low, high = wilson(np.array(share), np.array(count))
    yield (
        f"Of the {count} image{'' if count == 1 else 's'} that trained units and cells both get "
        f"right when clean and that fool the trained units as {last}, "
        f"{percent(share)} [{100 * float(low):.1f}, {100 * float(high):.1f}] fool the cells too "
        f"({together(result)})."
    )
