"""What the command ``audit`` says: tables and sentences in the terminal, and one HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.audit.finding import COMPARISON
from experiments.page import publish

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "not applicable": "·"}
VERDICTS = {"trusted": "✓", "suspicious": "?", "void": "✗"}
NAMED = 4  # networks whose names fit above their columns
COLOURS = {
    "warn": "yellow",
    "fail": "red",
    "trusted": "green",
    "suspicious": "yellow",
    "void": "red",
}
MEANINGS = {
    "trusted": "no check found a reason to doubt the number",
    "suspicious": "some check warns; quote the worst case beside the number",
    "void": "some check overturns the number; do not quote it",
}


def write_audit(
    out: Path, audit: xr.Dataset, controls: Sequence[Mapping[str, Any]], console: Console
) -> None:
    """``report.html`` into ``out``; table and sentences onto ``console``."""
    console.print(audit_table(audit))
    for sentence in sentences(audit):
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        *(out, console, "audit.html"),
        title="audit",
        data=str(audit.attrs["data"]),
        attrs=audit.attrs,
        marks=MARKS,
        meanings=MEANINGS,
        networks=[network_facts(audit, name) for name in names(audit)],
        checks=rows(audit),
        controls=controls,
    )


def names(audit: xr.Dataset) -> list[str]:
    """The networks, in order."""
    return [str(name) for name in audit["network"].to_numpy()]


def rows(audit: xr.Dataset) -> list[tuple[str, bool, list[str]]]:
    """Each check, whether it bears on the number, and its outcome by network."""
    return [
        (
            str(check),
            str(check) not in COMPARISON,
            [str(each) for each in audit["outcome"].sel(check=check).to_numpy()],
        )
        for check in audit["check"].to_numpy()
    ]


def network_facts(audit: xr.Dataset, name: str) -> dict[str, Any]:
    """A network's accuracies in per cent, its verdict, and every finding."""
    here = audit.sel(network=name)
    return {
        "name": name,
        "verdict": str(here["verdict"].values),
        **{
            key: f"{100 * float(here[key].mean()):.0f}" for key in ("clean", "claimed", "withstood")
        },
        "findings": [
            {key: str(here[key].sel(check=check).values) for key in ("outcome", "sentence")}
            | {"check": str(check)}
            for check in here["check"].to_numpy()
        ],
    }


def audit_table(audit: xr.Dataset) -> Table:
    """Checks by networks, with the verdicts at the end."""
    table = Table(
        title=f"Audit of {audit.attrs['attack']} at epsilon {audit.attrs['epsilon']:g}, individual "
        f"{audit.attrs['individual']}, {audit.attrs['images']} images of {audit.attrs['data']}",
        caption="✓ pass  ! warn  ✗ fail  · not applicable  (of the comparison, not the number)\n"
        "verdict: ✓ trusted  ? suspicious  ✗ void",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("check", no_wrap=True)
    listed = names(audit)
    headings = listed if len(listed) <= NAMED else map(str, range(1, len(listed) + 1))
    for heading in headings:
        table.add_column(heading, justify="center", overflow="fold")
    for check, is_number, outcomes in rows(audit):
        cells = [coloured(MARKS[each], each) for each in outcomes]
        table.add_row(check if is_number else f"({check})", *cells)
    facts = [network_facts(audit, name) for name in names(audit)]
    table.add_section()
    for label, key in (("claimed, %", "claimed"), ("after all checks, %", "withstood")):
        table.add_row(label, *(each[key] for each in facts))
    told = (each["verdict"] for each in facts)
    table.add_row("verdict", *(coloured(VERDICTS[each], each) for each in told))
    return table


def coloured(text: str, meaning: str) -> str:
    """Markup for the terminal."""
    return f"[{COLOURS[meaning]}]{text}[/]" if meaning in COLOURS else text


def sentences(audit: xr.Dataset) -> Iterator[str]:
    """Each network's verdict, and what led to it."""
    for at, name in enumerate(names(audit), 1):
        facts = network_facts(audit, name)
        yield (
            f"{at} {name}: {facts['verdict']} ({MEANINGS[facts['verdict']]}); claimed "
            f"{facts['claimed']} %, after all checks {facts['withstood']} %."
        )
        for each in facts["findings"]:
            if each["outcome"] in ("warn", "fail"):
                yield f"{name}, {each['check']} ({each['outcome']}): {each['sentence']}"


def controls_table(told: Sequence[Mapping[str, Any]], data: str) -> Table:
    """Every control, and whether it was told rightly."""
    table = Table(title=f"Controls on {data}", box=SIMPLE_HEAD, show_edge=False)
    for heading in ("control", "must fail", "told", "what was found"):
        table.add_column(heading)
    for each in told:
        right = "caught" if each["check"] else "not void"
        wrong = "not caught" if each["check"] else "void"
        says = f"[green]{right}[/]" if each["caught"] else f"[red]{wrong}[/]"
        table.add_row(each["control"], each["check"] or "nothing", says, each["sentence"])
    return table
