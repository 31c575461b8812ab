"""What the command ``dynamics`` shows: a table in the terminal, a page of all, one of each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.dynamics.conditions import ADVERSARIAL, NOISE
from experiments.dynamics.figures import Drawn
from experiments.dynamics.pathways import phases_table
from experiments.dynamics.rest import told
from experiments.dynamics.sentences import sentences
from experiments.page import page, picture, publish
from experiments.store import write_text
from experiments.verdict.wording import interval, number

EXPONENTS = (
    "growth", "state_growth", "rank_correlation", "partial_correlation", "margin_correlation",
)  # fmt: skip
DIRECTIONS = {ADVERSARIAL: "adv", "random": "rand", "leading": "lead"}
HEADINGS = ("apart", "noise", "back", "first", *(f"λ {d}" for d in DIRECTIONS.values()), "cos")


def write_dynamics_report(
    out: Path,
    result: xr.Dataset,
    summary: xr.Dataset,
    drawn: Drawn,
    pages: Sequence[str],
    console: Console,
) -> None:
    """``report.html`` into ``out``; table and sentences onto ``console``.

    ``pages`` are the directories of single individuals.
    """
    console.print(population_table(summary))
    if "rank_correlation" in summary:
        console.print(prediction_table(summary))
    said = list(sentences(summary))
    for sentence in said:
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        *(out, console, "dynamics.html"),
        title=f"dynamics under {result.attrs['attack']}",
        data=str(result.attrs["data"]),
        attrs=summary.attrs,
        sentences=said,
        headings=HEADINGS,
        rows=list(rows(summary)),
        areas=[str(a) for a in summary["area"].to_numpy()],
        apart=list(by_area(summary, "apart", 100, 1)),
        dimension=list(by_area(summary, "dimension", 1, 1)),
        alike=list(by_area(summary, "alike", 1, 2)),
        exponents=list(exponents(summary)),
        pathways=list(pathways(summary)),
        phases=list(phases_table(result)),
        pages=list(pages),
        pictures=shown(drawn),
        missing=drawn.missing,
    )


def write_page(
    folder: Path, facts: Mapping[str, object], points: xr.Dataset | None, drawn: Drawn
) -> None:
    """The page of one individual, ``folder``/report.html."""
    data = str(facts["data"])
    text = page(
        "individual.html",
        title=f"{facts['network']} under {facts['attack']}",
        data=data,
        is_mnist=data.startswith("MNIST"),
        facts=facts,
        points=[] if points is None else list(told(points)),
        pictures=shown(drawn),
        missing=drawn.missing,
    )
    write_text(folder / "report.html", text)


def shown(drawn: Drawn) -> list[dict[str, str]]:
    """Captions and pictures as pages hold them."""
    return [{"caption": caption, "data": picture(path)} for caption, path in drawn.figures.values()]


def rows(summary: xr.Dataset) -> Iterator[tuple[str, list[str]]]:
    """Each network and the columns of the table, with intervals."""
    for name in (str(n) for n in summary["network"].to_numpy()):
        here = summary.sel(network=name)
        end = here.sel(area=summary.attrs["output"])
        under = here.sel(condition=ADVERSARIAL)
        cells = [
            interval(end.sel(condition=ADVERSARIAL), "apart", 100, 0),
            interval(end.sel(condition=NOISE), "apart", 100, 0),
            interval(under, "recovery", 100, 0),
            number(100 * under["flipped_at_first"], 0),
        ]
        for direction in DIRECTIONS:
            there = "direction" in here.dims and direction in here["direction"]
            cells.append(interval(here.sel(direction=direction), "growth", 1, 2) if there else "-")
        yield name, [*cells, interval(here, "aligned", 1, 2)]


def population_table(summary: xr.Dataset) -> Table:
    """The population in a terminal of 80 columns, without the intervals."""
    attrs = summary.attrs
    table = Table(
        title=f"{attrs['attack']} at epsilon {attrs['epsilon']:g} on {attrs['images']} images of "
        f"{attrs['data']}, {attrs['individuals']} individual{'s' * (attrs['individuals'] != 1)}",
        caption="apart, noise: output under attack and under noise of the same norm, from the "
        "clean one at the end (mean, % of its size); back: of those led astray (%); first: wrong "
        "from the first answer on, of those that flip for good (%); λ: finite-time Lyapunov "
        "exponents per step; cos: |cosine| of the adversarial and the leading direction (of "
        "spiking networks that of the surrogate). Intervals are in the report.",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("network", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cells in rows(summary):
        table.add_row(name, *(text.partition(" ")[0] for text in cells))
    return table


def prediction_table(summary: xr.Dataset) -> Table:
    """What goes with the smallest change that fools, in a terminal of 80 columns."""
    table = Table(
        title="Rank correlation with the smallest change that fools",
        caption="Of the margin of the clean image, of exponents, and of exponents given the margin "
        "(partial). Intervals are in the report.",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    columns = [
        ("margin", "margin_correlation", ADVERSARIAL),
        *((f"λ {short}", "rank_correlation", d) for d, short in DIRECTIONS.items()),
        *((f"given\nλ {short}", "partial_correlation", d) for d, short in DIRECTIONS.items()),
    ]
    table.add_column("network", overflow="fold")
    for heading, *_ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in (str(n) for n in summary["network"].to_numpy()):
        here = summary.sel(network=name)
        table.add_row(name, *(number(here[which].sel(direction=d)) for _, which, d in columns))
    return table


def by_area(
    summary: xr.Dataset, name: str, factor: float, digits: int
) -> Iterator[tuple[str, str, list[str]]]:
    """Network, condition, and a measure with its interval area by area."""
    for network in (str(n) for n in summary["network"].to_numpy()):
        for condition in (str(c) for c in summary["condition"].to_numpy()):
            here = summary.sel(network=network, condition=condition)
            if not np.isfinite(here[name]).any():
                continue
            cells = [
                interval(here.sel(area=a), name, factor, digits)
                if f"{name}_low" in here
                else number(factor * here[name].sel(area=a), digits)
                for a in here["area"].to_numpy()
            ]
            yield network, condition, cells


def pathways(summary: xr.Dataset) -> Iterator[tuple[str, str, float, list[str]]]:
    """Network, pathway, gain, and accuracy by condition with its interval."""
    if "gain_accuracy" not in summary:
        return
    for network in (str(n) for n in summary["network"].to_numpy()):
        for pathway in (str(p) for p in summary["pathway"].to_numpy()):
            here = summary.sel(network=network, pathway=pathway)
            if not np.isfinite(here["gain_accuracy"]).any():
                continue
            for gain in here["gain"].to_numpy():
                cells = [
                    interval(here.sel(gain=gain, condition=c), "gain_accuracy")
                    for c in here["condition"].to_numpy()
                ]
                yield network, pathway, float(gain), cells


def exponents(summary: xr.Dataset) -> Iterator[tuple[str, str, list[str]]]:
    """Network, direction; exponents of image and state, and correlations with the distortion."""
    if "growth" not in summary:
        return
    for network in (str(n) for n in summary["network"].to_numpy()):
        for direction in (str(d) for d in summary["direction"].to_numpy()):
            here = summary.sel(network=network, direction=direction)
            if np.isfinite(here["growth"]):
                yield network, direction, [interval(here, name, 1, 2) for name in EXPONENTS]
