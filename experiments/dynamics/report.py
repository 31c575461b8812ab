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
from experiments.dynamics.rest import told
from experiments.dynamics.sentences import sentences
from experiments.dynamics.summary import phases_table
from experiments.page import page, picture, publish
from experiments.store import write_text
from experiments.verdict.wording import interval, number

DIRECTIONS = (ADVERSARIAL, "random", "leading")
HEADINGS = ("apart", "noise", "back", "flip", "λ adv", "λ rand", "λ lead", "ρ")


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
            number(under["flip_step"], 1),
        ]
        for direction in DIRECTIONS:
            there = "direction" in here.dims and direction in here["direction"]
            cells.append(interval(here.sel(direction=direction), "growth", 1, 2) if there else "-")
        related = "rank_correlation" in here
        cells.append(
            interval(here.sel(direction=ADVERSARIAL), "rank_correlation", 1, 2) if related else "-"
        )
        yield name, cells


def population_table(summary: xr.Dataset) -> Table:
    """The population in a terminal of 80 columns, without the intervals."""
    attrs = summary.attrs
    table = Table(
        title=f"{attrs['attack']} at epsilon {attrs['epsilon']:g} on {attrs['images']} images of "
        f"{attrs['data']}, {attrs['individuals']} individuals",
        caption="apart, noise: output under attack and under noise of the same norm, from the "
        "clean one at the end (% of its size); back: of those led astray (%); flip: steps "
        "after the first answer; λ: finite-time Lyapunov exponents per step; ρ: rank "
        "correlation of λ adv with the smallest change that fools. Intervals are in the report.",
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
    """Network, direction; exponent of the image, of the state, and rank correlation."""
    if "growth" not in summary:
        return
    for network in (str(n) for n in summary["network"].to_numpy()):
        for direction in (str(d) for d in summary["direction"].to_numpy()):
            here = summary.sel(network=network, direction=direction)
            if np.isfinite(here["growth"]):
                names = ("growth", "state_growth", "rank_correlation")
                yield network, direction, [interval(here, name, 1, 2) for name in names]
