"""What the command ``controls`` says: tables and sentences in the terminal, and one HTML page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.feedback.control import AT_GAIN, CLEAN, OWN, SAME
from experiments.page import picture, publish
from experiments.statistics.paired import mcnemar
from experiments.verdict.wording import interval, p_value, percent, points


class Section(NamedTuple):
    """One control as people read it."""

    title: str
    note: str
    head: list[str]
    rows: list[list[str]]


WORDS = {
    SAME: "what was crafted on an independent feedforward network",
    OWN: "what was crafted on the network with feedback",
    AT_GAIN: "what was crafted on each itself",
}
NOTES = {
    "time": (
        "When the budget is spent",
        "static: one perturbation for all steps; movie: another at each step, within the budget at "
        "each; halves: a movie in the earlier or later half of the frames that can matter. What a "
        "smaller set of movies fools counts for the larger one.",
    ),
    "paths": (
        "Along which paths the attack follows the gradient",
        "The whole network judges. feedback off: crafted on the network with gain 0.",
    ),
    "gains": (
        "How strong the feedback is at the test",
        f"Lateral and top-down weights times the gain. {OWN} and {SAME} (crafted on an independent "
        f"feedforward network) are the same bytes at every gain; {AT_GAIN} are crafted anew.",
    ),
    "distilled": (
        "A feedforward student that learnt the network's answers",
        "As many parameters, no feedback, trained on the teacher's softened logits.",
    ),
}


def sections(result: xr.Dataset) -> Iterator[Section]:
    """Every control: a row per circumstance, a column per kind of input."""
    for part, (title, note) in NOTES.items():
        name = f"{part}_accuracy"
        rows, *columns = [str(each) for each in result[name].dims]
        head, cells = [rows, "accuracy"], []
        if columns:
            head = [rows, *(str(each) for each in result[columns[0]].to_numpy())]
        for at in result[rows].to_numpy():
            here = result.sel({rows: at})
            each = [here.sel({columns[0]: c}) for c in head[1:]] if columns else [here]
            first = f"{at:g}" if isinstance(at, np.floating) else str(at)
            cells.append([first, *(interval(one, name) for one in each)])
        yield Section(title, note, head, cells)


def sentences(result: xr.Dataset) -> Iterator[str]:
    """The paired differences that the controls are for, each with its exact McNemar test."""
    time, paths = result["time"], result["paths"]
    yield differing(
        "A movie of perturbations", time.sel(threat="movie"),
        "a static one", time.sel(threat="static"),
    )  # fmt: skip
    yield differing(
        "A movie in the early half", time.sel(threat="early half"),
        "in the late half", time.sel(threat="late half"),
    )  # fmt: skip
    for name, how in (
        ("feedforward paths", "along feedforward paths alone"),
        ("feedback paths", "along feedback alone"),
        ("feedback off", "on the network with its feedback off"),
    ):
        yield differing(
            f"Crafted {how}", paths.sel(path=name),
            "along all paths", paths.sel(path="all paths"),
        )  # fmt: skip
    yield from (at_the_test(result["gains"], name) for name in (SAME, OWN, AT_GAIN))
    white = {
        judge: result["distilled"].sel(judge=judge, shown=f"crafted on the {judge}")
        for judge in ("student", "teacher")
    }
    yield differing(
        "The distilled student under an attack on itself", white["student"],
        "its teacher under one on itself", white["teacher"],
    )  # fmt: skip


def at_the_test(gains: xr.DataArray, inputs: str) -> str:
    """What switching feedback off does, on images that are right without an attack at both gains.

    Feedback that is cut costs clean accuracy; these images alone tell that from robustness.
    """
    off, on = gains.sel(gain=0.0), gains.sel(gain=1.0)
    both = ((off.sel(inputs=CLEAN) == 1) & (on.sel(inputs=CLEAN) == 1)).to_numpy()
    return differing(
        f"On the {both.sum()} images that are right when clean at gain 0 and 1, shown "
        f"{WORDS[inputs]}, the network without feedback",
        off.sel(inputs=inputs)[both],
        "that with feedback",
        on.sel(inputs=inputs)[both],
    )


def differing(what: str, one: xr.DataArray, against: str, other: xr.DataArray) -> str:
    """Two accuracies on the same images, their difference, and how sure that is."""
    delta = (one.astype(np.int8) - other.astype(np.int8)).to_numpy()[None]
    p = float(mcnemar(delta, np.ones(delta.shape, bool))) if delta.size else float("nan")
    return (
        f"{what}: {percent(float(one.mean()))} right, {against} {percent(float(other.mean()))}, "
        f"{points(float(delta.mean()))} (exact McNemar {p_value(p)})."
    )


def write_controls_report(out: Path, result: xr.Dataset, figure: Path, console: Console) -> None:
    """``report.html`` into ``out``; tables and sentences onto ``console``."""
    shown, said = list(sections(result)), list(sentences(result))
    facts = result.attrs
    console.print(
        f"{facts['network']}, individual {facts['individual']}: accuracy (%) on "
        f"{result.sizes['image']} images of {facts['data']}, {facts['attack']} at epsilon "
        f"{facts['epsilon']:g}",
        highlight=False,
    )
    for section in shown:
        table = Table(title=section.title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
        for at, heading in enumerate(section.head):
            table.add_column(heading, justify="right" if at else "left")
        for row in section.rows:
            table.add_row(row[0], *(text.partition(" ")[0] for text in row[1:]))
        console.print(table)
        console.print(section.note, style="dim", highlight=False, markup=False)
    for sentence in said:
        console.print(f"- {sentence}", highlight=False, markup=False)
    publish(
        *(out, console, "controls.html"),
        title=f"controls of {facts['network']}",
        data=str(facts["data"]),
        attrs=facts,
        images=result.sizes["image"],
        sections=shown,
        sentences=said,
        warnings=sorted({w for part in json.loads(facts["warnings"]).values() for w in part}),
        picture=picture(figure),
    )
