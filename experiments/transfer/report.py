"""What the command ``transfer`` says: a table and sentences in the terminal, one HTML page."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.page import picture, publish
from experiments.transfer.sentences import sentences
from experiments.transfer.universal_sentences import universals

CAPTIONS = {
    "matrix": "Transfer rate from every source (rows) to every network (columns), grouped by kind, "
    "with 95 % bootstrap intervals over individuals and images: of the images that both answer "
    "right when clean and that fool the source, the share that fools the network, too. On the "
    "framed diagonal the two are different individuals of one network. Own attack and noise: of "
    "the images answered right when clean.",
    "universality": "How many individuals one image, or one crafted input, fools, beside the "
    "Poisson binomial distribution of failures that are independent at the same rates. Images that "
    "every individual answers right when clean.",
    "montage": "The inputs that fool most others, one per image, beside their clean images, with "
    "the true class, the commonest wrong answer, and the network that they were crafted on.",
    "universal": "One change added to all images: crafted on training images against the first "
    "individual of the network named on the left, or of all networks at once (left: the changes "
    "at every budget), and errors of individuals that it was not crafted on over all scored "
    "images, clean errors included, with 95 % bootstrap intervals over individuals and images. "
    "The column on the right: the individuals that it was crafted on. The control: random signs, "
    "one vector for all images, mean of several draws.",
}
HEADINGS = ("own attack", "others' inputs", "noise", "its on others", "missed")
COLUMNS = ("direct", "incoming", "noise", "outgoing", "missed")


def write_transfer_report(
    out: Path,
    result: xr.Dataset,
    summary: xr.Dataset,
    spread: xr.Dataset,
    figures: Mapping[str, Path],
    console: Console,
) -> None:
    """``report.html`` into ``out``; table and sentences onto ``console``."""
    said = [*sentences(summary, spread), *universals(summary)]
    console.print(networks_table(summary))
    for sentence in said:
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        out,
        console,
        "transfer.html",
        data=str(summary.attrs["data"]),
        attrs=summary.attrs,
        title=f"transfer of {summary.attrs['attack']}",
        sentences=said,
        headings=HEADINGS,
        rows=[(name, kind, *cells) for name, kind, cells in rows(summary)],
        networks=[str(n) for n in summary["network"].to_numpy()],
        errors=list(errors(summary)),
        universal=list(universal_errors(summary)),
        failures=result.attrs.get("failures", []),
        pictures=[{"caption": CAPTIONS[n], "data": picture(p)} for n, p in figures.items()],
    )


def rows(summary: xr.Dataset) -> Iterator[tuple[str, str, list[str]]]:
    """Each network, its kind, and the columns of the table in per cent with intervals."""
    sources = [str(s) for s in summary["source"].to_numpy()]
    for name in (str(n) for n in summary["network"].to_numpy()):
        cells = []
        for column in COLUMNS:
            along = summary[column].dims[0]
            known = along == "network" or name in sources
            cells.append(cell(summary.sel({along: name}), column) if known else "–")
        yield name, str(summary["kind"].sel(network=name).values), cells


def cell(here: xr.Dataset, name: str) -> str:
    """Per cent with its interval, or a dash where there is none."""
    value, low, high = (100 * float(here[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]" if np.isfinite(value) else "–"


def errors(summary: xr.Dataset) -> Iterator[tuple[str, list[str]]]:
    """Error in per cent by source and network over all images, whatever anybody answers clean."""
    for source in summary["source"].to_numpy():
        row = 100 * summary["error"].sel(source=source).to_numpy()
        yield str(source), [f"{e:.1f}" if np.isfinite(e) else "–" for e in row]


def universal_errors(summary: xr.Dataset) -> Iterator[tuple[float, str, str, list[str]]]:
    """Budget, perturbation, who answers, and errors in per cent by network, with intervals."""
    if "universal_error" not in summary:
        return
    for budget, who in product(summary["budget"].to_numpy(), summary["who"].to_numpy()):
        here = summary.sel(budget=budget, who=who)
        told = [(str(s), here.sel(universal_source=s), "universal_error")
                for s in summary["universal_source"].to_numpy()]  # fmt: skip
        for source, of, name in (*told, ("random signs", here, "signs_error")):
            cells = [cell(of.sel(network=n), name) for n in summary["network"].to_numpy()]
            yield float(budget), source, str(who), cells


def networks_table(summary: xr.Dataset) -> Table:
    """What fools each network, and whom its inputs fool, for a terminal of 80 columns."""
    attrs = summary.attrs
    parts = f", {attrs['parts']} disjoint parts" if attrs["parts"] > 1 else ""
    table = Table(
        title=f"{attrs['attack']} at epsilon {attrs['epsilon']:g} on {attrs['images']} images of "
        f"{attrs['data']}{parts}: fooled (%)",
        caption="of images right when clean; others' inputs, its on others: transfer rates, of "
        "inputs that fool the network they were crafted on; missed: own attack failed, another's "
        "input fools. Intervals are in the report.",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("network", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for name, kind, cells in rows(summary):
        table.add_row(name, kind, *(text.partition(" ")[0] for text in cells))
    return table
