"""What a reproduction says: tables in the terminal, and one HTML page with figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.page import picture, publish
from experiments.reproduce.published import szegedy
from experiments.reproduce.result import summarise
from experiments.reproduce.units import LITERAL
from experiments.store import writing


@dataclass(frozen=True)
class Shown:
    """A table as text: title, what it means, head, and rows."""

    title: str
    caption: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def write_reproduction(out: Path, result: xr.Dataset, console: Console) -> None:
    """``report.html`` and ``figures`` into ``out``; the tables onto ``console``."""
    summary = summarise(result)
    tables = list(tables_of(summary))
    for each in tables:
        console.print(in_terminal(each))
    paths = drawn(out, summary)
    publish(
        *(out, console, "reproduction.html"),
        title=result.attrs["title"],
        data=str(result.attrs["data"]),
        images=result.sizes["image"],
        source=szegedy().source,
        tables=tables,
        pictures=[{"caption": title, "data": picture(path)} for title, path in paths.items()],
        spec=result.attrs["spec"],
    )


def in_terminal(shown: Shown) -> Table:
    """The table for a terminal; intervals are left to the page where there are many columns."""
    table = Table(title=shown.title, caption=shown.caption, box=SIMPLE_HEAD, show_edge=False)
    table.add_column(shown.head[0], no_wrap=True)
    for heading in shown.head[1:]:
        table.add_column(heading, justify="right", overflow="fold")
    is_wide = len(shown.head) > 9
    for first, *cells in shown.rows:
        table.add_row(first, *((c.partition(" ")[0] if is_wide else c) for c in cells))
    return table


def tables_of(summary: xr.Dataset) -> Iterator[Shown]:
    """Tables 1 to 4, and what the paper's words on the decay would give."""
    note = "published numbers in round brackets, 95 % intervals in square ones"
    for panel, title in (
        ("whole", "Table 1"),
        ("halves", "Tables 3 and 4: networks trained on disjoint halves P1, P2"),
        ("letter", "Table 1 with the decay divided by the number of units k, to the letter"),
    ):
        if names_of(summary, panel):
            yield distortions(
                summary, panel, f"{title}: errors and average minimum distortion", note
            )
    for panel, level, title in (
        ("whole", "minimal", "Table 2: errors on examples of minimal distortion"),
        ("halves", "minimal", "Table 3: errors on examples of minimal distortion"),
        ("halves", "amplified", "Table 4: errors on the same, amplified to a deviation of 0.1"),
    ):
        if names_of(summary, panel):
            yield errors(summary, panel, level, f"{title} (%)")


def names_of(summary: xr.Dataset, panel: str) -> list[str]:
    """The networks of a panel, in order."""
    return [
        str(n) for n in summary["network"].to_numpy()[(summary["of_panel"] == panel).to_numpy()]
    ]


def distortions(summary: xr.Dataset, panel: str, title: str, note: str) -> Shown:
    """Errors and distortions by network, beside the published ones."""
    caption = (
        "distortion: root-mean-squared smallest change found that reaches a random wrong class, as "
        "published; mean over the images that the network gets right; rms: root mean square "
        "over these; nearest: mean to the nearest wrong class, a stronger attack; literal: over "
        f"the first {LITERAL} images by the published attack as printed, with logits as they are; "
        f"{note}"
    )
    head = (
        "network",
        "train error %",
        "test error %",
        "distortion",
        "off",
        "rms",
        "nearest",
        "literal",
        "found %",
    )
    rows: list[tuple[str, ...]] = []
    for name in names_of(summary, panel):
        row = szegedy().table_1.get(name.removesuffix(", k"))
        full = summary.sel(network=name)
        near = summary.sel(source=name)
        random = near.sel(aim="random")
        said = (
            (None, None, None) if row is None else (row.train_error, row.test_error, row.distortion)
        )
        far = float(random["mean_distortion"])
        off = "–" if said[2] is None else deviation(far, said[2])
        rows.append(
            (
                name,
                beside(share(full.sel(split="train"), "full_error"), said[0]),
                beside(share(full.sel(split="test"), "full_error"), said[1]),
                beside(spread(random, "mean_distortion"), said[2]),
                off,
                spread(random, "rms_distortion"),
                spread(near.sel(aim="nearest"), "mean_distortion"),
                spread(near.sel(aim="literal"), "mean_distortion"),
                percent(100 * float(random["found_share"])),
            )
        )
    return Shown(title, caption, head, rows)


def errors(summary: xr.Dataset, panel: str, level: str, title: str) -> Shown:
    """Errors of every network (columns) on what was made for every network (rows), and noise."""
    names = names_of(summary, panel)
    cells = {"whole": {}, "halves": szegedy().table_3 if level == "minimal" else szegedy().table_4}
    here = summary.sel(level=level)
    rows: list[tuple[str, ...]] = []
    for source in names:
        said = cells[panel].get(source, {})
        made = here.sel(source=source)
        rows.append(
            (source, *(beside(share(made.sel(network=n), "error"), said.get(n)) for n in names))
        )
    for size in deviations(panel, level):
        noise = summary.sel(deviation=size)
        label = f"noise {size:g}" if size else "clean"
        rows.append((label, *(share(noise.sel(network=n), "noise_error") for n in names)))
    caption = "rows: made for; columns: who answers; published numbers in round brackets"
    return Shown(title, caption, ("made for", *names), rows)


def deviations(panel: str, level: str) -> tuple[float, ...]:
    """Of the rows of noise in the paper's table, with the clean images before."""
    if panel == "whole":
        return (0.0, 0.1, 0.3)
    return (0.0, 0.06) if level == "minimal" else (0.0, 0.1)


def share(here: xr.Dataset, name: str) -> str:
    """A fraction in per cent, with its interval."""
    value, low, high = (100 * float(here[name + end]) for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "–"
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def spread(here: xr.Dataset, name: str) -> str:
    """A distortion with its interval."""
    value, low, high = (float(here[name + end]) for end in ("", "_low", "_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(value) else "–"


def percent(value: float) -> str:
    """With one decimal; below 10, where errors differ by tenths, with two."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def deviation(measured: float, said: float) -> str:
    """Of the measured number from the published one, relative."""
    return f"{100 * (measured / said - 1):+.0f} %" if np.isfinite(measured) else "–"


def beside(measured: str, said: float | None) -> str:
    """The measured number with the published one behind it, before the interval."""
    if said is None:
        return measured
    value, space, interval = measured.partition(" ")
    return f"{value}({said:g}){space}{interval}"


def drawn(out: Path, summary: xr.Dataset) -> dict[str, Path]:
    """The matrices of Tables 2 to 4, by title."""
    from figures.errors import error_matrix
    from figures.save import save

    paths = {}
    for number, panel, level, text in (
        (2, "whole", "minimal", "minimal distortion"),
        (3, "halves", "minimal", "minimal distortion, disjoint training sets"),
        (4, "halves", "amplified", "amplified to 0.1, disjoint training sets"),
    ):
        names = names_of(summary, panel)
        if not names:
            continue
        title = f"Table {number}: {text}"
        figure = error_matrix(summary, names, level, deviations(panel, level), title)
        with writing(out / "figures"):
            paths[title] = save(figure, out / "figures", f"table-{number}")[0]
    return paths
