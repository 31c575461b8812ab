"""The report's part on corrupted images: a table for the page, and a short one for a terminal."""

from dataclasses import dataclass

import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.verdict.wording import interval, number

MEAN, ERROR = "mean_corruption_accuracy", "mean_corruption_error"


@dataclass(frozen=True)
class CorruptedRow:
    """One network under the corruptions of MNIST-C; accuracies as text in per cent."""

    network: str
    clean: str
    mean: str
    error: str
    accuracies: tuple[str, ...]


def has_corruptions(summary: xr.Dataset) -> bool:
    """Whether any of MNIST-C's corruptions was measured."""
    return bool(corruptions(summary))


def corruptions(summary: xr.Dataset) -> list[str]:
    """Those of MNIST-C that were asked for."""
    if "corruption_accuracy" not in summary:
        return []
    there = summary["corruption_kind"].to_numpy() == "mnist-c"
    return [str(name) for name in summary["corruption"].to_numpy()[there]]


def origin(summary: xr.Dataset) -> str:
    """Whether the corrupted images are MNIST-C's or made in its style."""
    names = corruptions(summary)
    return str(summary["corruption_origin"].sel(corruption=names[0]).values)


def corrupted_rows(summary: xr.Dataset) -> list[CorruptedRow]:
    """The table's rows, in the order of the networks."""
    rows = []
    names = corruptions(summary)
    for network in summary["network"].to_numpy():
        here = summary.sel(network=network)
        at = [here.sel(corruption=c, severity=int(here["default_severity"].sel(corruption=c)))
              for c in names]  # fmt: skip
        rows.append(
            CorruptedRow(
                str(network),
                number(100 * here["clean_accuracy"], 1),
                interval(here, MEAN),
                interval(here, ERROR, factor=1, digits=2),
                tuple(number(100 * each["corruption_accuracy"], 1) for each in at),
            )
        )
    return rows


def corruption_table(summary: xr.Dataset) -> Table:
    """The means over corruptions, for a terminal of 80 columns."""
    table = Table(
        title=f"{summary.attrs['data']}: accuracy (%) on corrupted images ({origin(summary)})",
        caption=f"mean over {len(corruptions(summary))} corruptions; error relative to "
        f"{baseline_of(summary)}; 95 % bootstrap intervals over individuals and images",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("network", overflow="fold")
    for heading in ("clean", "mean", "mean corruption error"):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for row in corrupted_rows(summary):
        table.add_row(row.network, row.clean, row.mean, row.error)
    return table


def baseline_of(summary: xr.Dataset) -> str:
    """The network that errors are relative to; a dash where no network saw all corruptions."""
    return str(summary["corruption_baseline"].values) if "corruption_baseline" in summary else "-"


def corruption_section(summary: xr.Dataset) -> dict[str, object]:
    """What the page's section on corrupted images states."""
    return {
        "origin": origin(summary),
        "names": [name.replace("_", " ") for name in corruptions(summary)],
        "baseline": baseline_of(summary),
        "rows": corrupted_rows(summary),
    }
