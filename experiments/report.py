"""The report: a table in the terminal, and one HTML file that needs nothing beside it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.audit import verdicts
from experiments.audit.finding import Verdict
from experiments.audit.report import VERDICTS
from experiments.corruptions.report import corruption_section, corruption_table, has_corruptions
from experiments.counts import count, short
from experiments.page import picture, publish
from experiments.statistics import VIEWS
from experiments.verdict import verdict
from experiments.verdict.findings import outcome
from experiments.verdict.wording import interval, reference, signed

CAPTIONS = {
    "curves": "Accuracy against the budget. Each network has as many individuals as the title "
    "says; bands are 95 % Wilson intervals over images.",
    "noise": "The attack beside noise of the same budget that aims at nothing.",
    "images": "Inputs crafted on an independent feedforward network, which all networks saw byte "
    "for byte, and each network's answer: the first image of each class that every network gets "
    "right when clean.",
    "forest": "Differences between networks that differ in one factor of the design (and, as the "
    "table says, often in size), paired by image and individual, with 95 % bootstrap intervals "
    "over individuals and images.",
    "transfer": "Accuracy of each network (columns) on what was crafted on each source (rows).",
    "corruptions": "Accuracy under each corruption of MNIST-C at the severity that its authors "
    "chose; bars are 95 % Wilson intervals over images. All networks saw the same images, so bars "
    "that overlap may hide a difference.",
    "corruption-examples": "The same images clean and corrupted, as every network saw them.",
    "corruption-severities": "Severity 0 is the clean image; bands are 95 % Wilson intervals.",
    "sweeps": "One property of the image from little to much; the clean accuracy stands where the "
    "image stays as it is; bands are 95 % Wilson intervals over images.",
    "sweep-examples": "One image at every level of every sweep.",
    "distortion": "How little change is enough: share of images fooled by at most a given "
    "minimal distortion.",
}


@dataclass(frozen=True)
class Row:
    """One network at the reference attack and epsilon; accuracies as text in per cent."""

    network: str
    role: str
    recurrence: str
    modules: str
    units: str
    parameters: int
    macs: int
    clean: str
    views: tuple[str, ...]
    common: str
    noise: str
    audit: str


def rows(summary: xr.Dataset, audited: Mapping[str, Verdict]) -> Iterator[Row]:
    """The summary table's rows, in the order of the networks, with the verdicts of an audit."""
    at = reference(summary)
    noises = noise_like(summary)
    for name in at["network"].to_numpy():
        here = at.sel(network=name)
        noise = [
            float(summary["accuracy"].sel(
                network=name, view="same-inputs", attack=each, epsilon=float(at["epsilon"])
            ))
            for each in noises
        ]  # fmt: skip
        at_most = "≤" if spared(at, here) else ""
        worst = here.sel(view="worst-case")
        yield Row(
            str(name),
            str(here["role"].values),
            str(here["recurrence"].values),
            str(here["modules"].values),
            str(here["units"].values),
            int(here["parameters"]),
            int(here["macs"]),
            interval(here, "clean_accuracy"),
            (
                *(interval(here.sel(view=view), "accuracy") for view in VIEWS[:-1]),
                at_most + interval(worst, "accuracy"),
            ),
            at_most + interval(worst, "common_accuracy"),
            f"{100 * min(noise):.1f}" if noise and np.isfinite(noise).all() else "-",
            audited.get(str(name), "-"),
        )


def spared(at: xr.Dataset, here: xr.Dataset) -> bool:
    """Whether a network was not attacked itself where others were: its worst case flatters it."""
    attacked = at["accuracy"].sel(view="white-box").notnull()
    return bool(attacked.any()) and not bool(here["accuracy"].sel(view="white-box").notnull())


def noise_like(summary: xr.Dataset) -> list[str]:
    """Noise of the reference attack's norm."""
    norm = str(reference(summary)["norm"].values)
    fits = (summary["kind"] == "noise") & (summary["norm"] == norm)
    return [str(a) for a in summary["attack"].to_numpy()[fits.to_numpy()]]


def verdicts_of(out: Path, summary: xr.Dataset) -> dict[str, Verdict]:
    """The verdicts of the run's audit; none where it was of other claims than the table's."""
    at = reference(summary)
    return verdicts(out, str(at["attack"].values), float(at["epsilon"]))


def terminal_table(summary: xr.Dataset, audited: Mapping[str, Verdict]) -> Table:
    """The summary for a terminal of 80 columns: accuracies in per cent, without intervals."""
    at = reference(summary)
    table = Table(
        title=f"{summary.attrs['data']}: accuracy (%) clean, and under "
        f"{at['attack'].values!s} at epsilon {float(at['epsilon']):g}",
        caption="upper bounds, which a stronger attack can lower. noise: of the same budget; white-"
        "box: crafted on itself; same inputs: crafted on feedforward networks that are not shown; "
        "worst case: over all sources (≤: never attacked itself); audit of the white-box figure: "
        + ", ".join(f"{mark} {word}" for word, mark in VERDICTS.items()),
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("network", overflow="fold")
    for heading in (
        "params",
        "MACs",
        "clean",
        "noise",
        *(view.replace("-", "\n") for view in VIEWS),
        "audit",
    ):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for row in rows(summary, audited):
        middle = [text.partition(" ")[0] for text in (row.clean, row.noise, *row.views)]
        sizes = (short(row.parameters), short(row.macs))
        table.add_row(row.network, *sizes, *middle, VERDICTS.get(row.audit, "-"))
    return table


def contrast_table(summary: xr.Dataset) -> Table:
    """What differs between networks that differ in one factor, for a terminal of 80 columns."""
    at = reference(summary)
    table = Table(
        title="Differences in the worst case over all sources (points)",
        caption="95 % bootstrap intervals over individuals and images; helps, hurts: Holm p < "
        "0.05. Networks that were not attacked themselves are compared on the same inputs alone",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("treatment - baseline", overflow="fold")
    for heading in ("difference", "outcome"):
        table.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for label in at["contrast"].to_numpy():
        cell = at.sel(contrast=label, view="worst-case")
        factor = str(cell["factor"].values)
        if not np.isfinite(cell["difference"]):
            cell = at.sel(contrast=label, view="same-inputs")
            factor += ", same inputs"
        if not np.isfinite(cell["difference"]):
            continue
        if factor != before:
            before = factor
            table.add_row(f"[bold]{factor}[/]")
        ends = ("difference", "difference_low", "difference_high")
        middle, low, high = (signed(float(cell[end])) for end in ends)
        table.add_row(
            escape(f"{cell['treatment'].values} - {cell['baseline'].values}"),
            escape(f"{middle} [{low}, {high}]"),
            outcome(cell),
        )
    return table


def write_report(
    out: Path,
    result: xr.Dataset,
    summary: xr.Dataset,
    figures: Mapping[str, Path],
    console: Console,
) -> None:
    """``report.html`` into ``out``; tables, verdict in short and warnings onto ``console``."""
    sentences = verdict(summary, result)
    audited = verdicts_of(out, summary)
    console.print(terminal_table(summary, audited))
    if summary.sizes["contrast"]:
        console.print(contrast_table(summary))
    if has_corruptions(summary):
        console.print(corruption_table(summary))
    for sentence in [sentences[0], *(s for s in sentences if s.startswith("Warning: "))]:
        style = "yellow" if sentence.startswith("Warning: ") else ""
        console.print(f"- {sentence}", style=style, highlight=False, markup=False)
    for failure in failures(result):
        console.print(f"- Not measured: {failure}", style="bold red", highlight=False, markup=False)
    if not audited:
        console.print(
            f"- Not audited: 'blindspots audit {out}' tells which of these can be trusted.",
            style="yellow",
            highlight=False,
            markup=False,
        )
    facts = page_facts(out, result, summary, figures, sentences, audited)
    publish(out, console, "report.html", data=str(result.attrs["data"]), **facts)


def failures(result: xr.Dataset) -> list[str]:
    """Why some individuals are missing, one sentence each."""
    return [str(each) for each in np.atleast_1d(result.attrs.get("failures", []))]


def page_facts(
    out: Path,
    result: xr.Dataset,
    summary: xr.Dataset,
    figures: Mapping[str, Path],
    sentences: list[str],
    audited: Mapping[str, Verdict],
) -> dict[str, Any]:
    """What the page states, pictures included."""
    pictures = [
        {
            "name": name,
            "caption": CAPTIONS.get(name, CAPTIONS.get(name.partition("-")[0], "")),
            "data": picture(path),
        }
        for name, path in in_order(figures, str(result.attrs["reference_attack"]))
    ]
    at = reference(summary)
    return {
        "title": result.attrs.get("title") or out.name,
        "attack": str(at["attack"].values),
        "epsilon": float(at["epsilon"]),
        "common": int(summary["common_images"]),
        "rows": list(rows(summary, audited)),
        "count": count,
        "views": [view.replace("-", " ") for view in VIEWS],
        "short": sentences[0],
        "setting": sentences[1],
        "findings": [s for s in sentences[2:] if not s.startswith("Warning: ")],
        "cautions": [s.removeprefix("Warning: ") for s in sentences if s.startswith("Warning: ")],
        "failures": failures(result),
        "corrupted": corruption_section(summary) if has_corruptions(summary) else None,
        "pictures": pictures,
        "spec": str(result.attrs["spec"]),
        "provenance": provenance_of(out),
    }


def in_order(figures: Mapping[str, Path], attack: str) -> list[tuple[str, Path]]:
    """The reference attack's figures first, then what compares, then the other attacks."""
    first = [f"curves-{attack}", "forest", f"noise-{attack}", f"images-{attack}", "transfer"]
    first.append("distortion")
    names = [n for n in first if n in figures] + [n for n in figures if n not in first]
    return [(name, figures[name]) for name in names]


def provenance_of(out: Path) -> dict[str, Any]:
    """What the run directory says of its making; the hashes stay there."""
    path = out / "provenance.json"
    if not path.exists():
        return {}
    facts = json.loads(path.read_text())
    facts = {k: v for k, v in facts.items() if k not in ("inputs_sha256", "weights_sha256")}
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in facts.items()}
