"""What the command ``semantics`` says: tables and sentences in the terminal, and one HTML page."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.page import picture, publish
from experiments.semantics.activity import KINDS
from experiments.semantics.lesions import LESIONS
from experiments.semantics.measures import MEASURES
from experiments.semantics.sentences import sentences
from experiments.verdict.wording import interval, number

CAPTIONS = {
    "meanings": "What activities say of the class, over units, directions and modules. The grey "
    "band holds 95 % of the values where labels are shuffled. The index of selectivity depends on "
    "where zero lies, so that units that are never negative have a higher one than any "
    "projection; information and purity do not depend on it.",
    "lesions": "Accuracy lost where units of one area are silenced, mean of the areas, and how "
    "unevenly over the classes.",
    "robustness": "Mean selectivity and information of an individual's units against what it "
    "withstands.",
}
ACTIVATING = (
    "The test images that activate units, directions and modules of {} most; those that tie, in "
    "the order of the images. Units and random directions were drawn by chance."
)
SECTIONS = {  # title and note of each table, by what it shows
    "information": (
        "Information about the class",
        "Bits, corrected for bias (Miller & Madow 1955), mean over members, areas and individuals, "
        "with a 95 % bootstrap interval.",
    ),
    "purity": (
        "Purity of the top images",
        "Share of the commonest class among the ten images of highest activity. With shuffled "
        "labels it is some 0.27 where activities differ. Units that spike have few values, and "
        "images that tie share the places, which lowers their purity.",
    ),
    "entropy": ("Entropy of the top images", "Bits, of the classes of the same ten images."),
    "selectivity": (
        "Class selectivity",
        "(best - rest) / (best + rest) of mean activity by class, counted from the smallest "
        "activity. Comparable between units of one model, not between units and projections.",
    ),
    "drop": ("Silenced", "Points of accuracy lost (mean over classes), clean and under attack."),
    "uneven": (
        "Unevenness of what is lost",
        "Standard deviation over classes, in points: large where a lesion strikes some classes and "
        "spares others.",
    ),
    "modularity": (
        "Modularity",
        "Newman-Girvan Q. before: of the weights before training. labels: groups shuffled within "
        "areas; strengths: weights shuffled among existing connections (95 %).",
    ),
}
Rows = list[list[str]]


def write_semantics_report(
    out: Path,
    result: xr.Dataset,
    summary: xr.Dataset,
    figures: Mapping[str, Path],
    console: Console,
) -> None:
    """``report.html`` into ``out``; tables and sentences onto ``console``."""
    for table in terminal_tables(summary):
        console.print(table)
    found, tables = list(sentences(summary)), sections(summary)
    for sentence in found:
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        *(out, console, "semantics.html"),
        title="what units, directions and modules mean",
        data=str(summary.attrs["data"]),
        attrs=summary.attrs,
        individuals=result.sizes["individual"],
        sentences=found,
        kinds=KINDS,
        sections=[(*said, *tables[name]) for name, said in SECTIONS.items()],
        pictures=[
            {
                "caption": CAPTIONS.get(name, ACTIVATING.format(name.removeprefix("activating-"))),
                "data": picture(path),
            }
            for name, path in figures.items()
        ],
    )


def networks(summary: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Each network's name and its summary."""
    for name in summary["network"].to_numpy():
        yield str(name), summary.sel(network=name)


def sections(summary: xr.Dataset) -> dict[str, tuple[list[str], Rows]]:
    """The page's tables by what they show (``SECTIONS``): heads, and rows of text."""
    conditions = [str(each) for each in summary["condition"].to_numpy()]
    heads = ["network", *(f"{lesion}, {c}" for c in conditions for lesion in LESIONS)]
    return {
        **{measure: (["network", *KINDS], by_kind(summary, measure)) for measure in MEASURES},
        **{name: (heads, by_lesion(summary, name)) for name in ("drop", "uneven")},
        "modularity": modularity_table(summary),
    }


def by_kind(summary: xr.Dataset, measure: str) -> Rows:
    """The mean of a measure with its interval, by kind."""
    digits, name = 2, f"mean_{measure}"
    return [
        [who, *(interval(here.sel(kind=kind), name, 1, digits) for kind in KINDS)]
        for who, here in networks(summary)
    ]


def by_lesion(summary: xr.Dataset, name: str) -> Rows:
    """What lesions cost with its interval, by condition and lesion."""
    return [
        [
            who,
            *(
                interval(here.sel(condition=c, lesion=lesion), name)
                for c in summary["condition"].to_numpy()
                for lesion in LESIONS
            ),
        ]
        for who, here in networks(summary)
    ]


def modularity_table(summary: xr.Dataset) -> tuple[list[str], Rows]:
    """Q of weights and activity by partition, before training, and of shuffles."""
    cases = [
        ("weights", "module", "labels"),
        ("weights", "module", "strengths"),
        ("activity", "module", "labels"),
        ("weights", "preferred", "labels"),
        ("weights", "preferred", "strengths"),
    ]
    heads, rows = ["network"], [[who] for who, _ in networks(summary)]
    for graph, partition, null in cases:
        at = {"graph": graph, "partition": partition}
        places = [here.sel(at) for _, here in networks(summary)]
        if null == "labels":
            heads.append(f"{graph}, {partition}")
            columns = [[number(here["modularity"]) for here in places]]
            if graph == "weights":
                heads.append("before")
                columns.append([number(here["modularity_initial"]) for here in places])
            for column in columns:
                for row, cell in zip(rows, column, strict=True):
                    row.append(cell)
        heads.append(f"{null} shuffled")
        for row, here in zip(rows, places, strict=True):
            row.append(interval(here.sel(null=null), "modularity_null", 1, 2))
    return heads, rows


def terminal_tables(summary: xr.Dataset) -> Iterator[Table]:
    """What matters most, for a terminal of 80 columns."""
    shown = [("information", "bits", each) for each in KINDS]
    shown += [("purity", "pure", each) for each in ("unit", "random", "module")]
    yield table(
        "What one activity says of the class",
        ["network", *(f"{word}\n{SHORT.get(kind, kind)}" for _, word, kind in shown)],
        (
            [who, *(number(here[f"mean_{m}"].sel(kind=kind)) for m, _, kind in shown)]
            for who, here in networks(summary)
        ),
        f"bits: mutual information; pure: purity of the {summary.attrs['top']} images of highest "
        "activity. Mean over members, areas and individuals; princ.: the leading directions; "
        "group: random units, as many as a module has.",
    )
    cases = [
        (str(c), lesion)
        for c in summary["condition"].to_numpy()
        for lesion in LESIONS
        if lesion != "unit"
    ]
    yield table(
        "Points of accuracy lost where a group of units is silenced",
        ["network", *(f"{SHORT.get(c, c)}\n{SHORT.get(lesion, lesion)}" for c, lesion in cases)],
        (
            [
                who,
                *(
                    number(100 * here["drop"].sel(condition=c, lesion=lesion), 1)
                    for c, lesion in cases
                ),
            ]
            for who, here in networks(summary)
        ),
        "Of one area, as many units as a module has (else a quarter): most selective, least "
        f"selective, random, a module; att.: {summary.attrs['attack']} at epsilon "
        f"{summary.attrs['epsilon']:g} on the network itself.",
    )
    weights = {"graph": "weights", "partition": "module"}
    modular = [each for each in networks(summary) if each[1]["modularity"].sel(weights).notnull()]
    if modular:
        yield table(
            "Modularity Q of the wiring's modules",
            ["network", "weights", "before", "strengths", "labels", "activity", "labels"],
            ([who, *modular_row(here)] for who, here in modular),
            "before: before training; strengths, labels: mean where weights are shuffled among "
            "connections, or modules among units.",
        )


SHORT = {
    "random": "rand.", "principal": "princ.", "attacked": "att.", "selective": "most",
    "unselective": "least", "module": "mod.",
}  # fmt: skip


def modular_row(here: xr.Dataset) -> Iterator[str]:
    """Q of the weights by modules with its nulls, then that of the activity."""
    by_module = here.sel(partition="module")
    weights, activity = by_module.sel(graph="weights"), by_module.sel(graph="activity")
    yield number(weights["modularity"])
    yield number(weights["modularity_initial"])
    yield number(weights["modularity_null"].sel(null="strengths"))
    yield number(weights["modularity_null"].sel(null="labels"))
    yield number(activity["modularity"])
    yield number(activity["modularity_null"].sel(null="labels"))


def table(title: str, heads: list[str], rows: Iterable[list[str]], caption: str) -> Table:
    """A table whose first column are names."""
    made = Table(
        title=title, caption=caption, box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    for at, head in enumerate(heads):
        made.add_column(head, justify="right" if at else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made
