"""What the command ``blink`` says: lag curves, grades and predictions, and one HTML page."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.blink.curves import over_individuals
from experiments.blink.figures import observers
from experiments.blink.grade import Row, grade
from experiments.blink.predictions import Prediction, predictions
from experiments.page import Section, picture, publish
from experiments.store import read_dataset
from experiments.verdict.wording import number

CAPTIONS = {
    "lag-curves": "T2|T1 by lag, mean and standard error over individuals, beside people.",
    "beside-people": "The mean curves beside people, published models, and a function and a flat "
    "line fitted to people; root mean squared error and correlation over the lags of people.",
    "population": "How large the blink is in each individual, beside people.",
    "stream": "{}: a trial with T2 seen and one with T2 missed, item by item.",
    "film": "{}: the same trials as a film.",
    "manipulations": "{}: the last target by lag under manipulations; none was fitted.",
    "inside": "{}: gate, type nodes and memory of seen and missed second targets; and how often "
    "the sensory network has T2 right, whether it is reported or not.",
    "attack": "Second targets that are lost by a change of one frame, of those seen when clean.",
    "pools": "{}: spikes of the pools that stand for gate and memory, in the trials of the strip.",
}
DRAWN = (".png", ".gif")
FEW = "No histogram over individuals: {} of each kind are too few; --preset full has a population."
NEAR = (
    "Of T2|T1 in the dual task, over the lags of the Berkeley sample; 95 % is a bootstrap over "
    "sensory networks and individuals. Published models were fitted to that sample, as were the "
    "function of Cousineau and the flat line."
)
GRADED = (
    "A measure is that of the mean curve; its 95 % interval is a bootstrap over sensory networks "
    "and individuals."
)
FORETOLD = "Differences whose sign is known of people; undecided where the interval holds 0."
EVERY = "The last target where T1 is reported (if it is asked for), by lag in items."
VERDICTS = {True: "pass", False: "fail", None: "not run"}
RIGHT = {True: "as people", False: "against", None: "undecided"}


def write_blink_report(
    out: Path,
    result: xr.Dataset,
    beside: xr.Dataset | None,
    figures: Mapping[str, Path],
    console: Console,
) -> None:
    """``report.html`` into ``out``; tables onto ``console``.

    What ``blink attack`` left in ``out`` is on the page, too.
    """
    graded = {who: grades(result, who) for who in observers(result)}
    foretold = {
        who: predictions(result, who, np.random.default_rng(0)) for who in observers(result)
    }
    console.print(curve_table(result))
    for who, rows in graded.items():
        console.print(grade_table(who, rows))
    attacks = attacked_in(out)
    figures = {**figures, **({"attack": attack_figure(out)} if attacks else {})}
    publish(
        *(out, console, "blink.html"),
        title="the attentional blink",
        data=str(result.attrs["data"]),
        attrs=result.attrs,
        individuals=result.sizes["individual"],
        sections=[*sections(result, beside, graded, foretold), *attacks],
        few="" if "population" in figures else FEW.format(result.sizes["individual"]),
        pictures=[
            {"caption": caption(name), "data": picture(path), "kind": path.suffix[1:]}
            for name, path in figures.items()
        ],
    )


def attacked_in(out: Path) -> list[Section]:
    """The tables of the attack on a run, where it was attacked."""
    from experiments.blink.adversarial.tables import sections as tables_of

    path = out / "attack" / "result.nc"
    if not path.exists() or not attack_figure(out).exists():
        return []
    return list(tables_of(read_dataset(path)))


def attack_figure(out: Path) -> Path:
    """Where its drawing lies."""
    return out / "attack" / "figures" / "attack.png"


def figures_in(directory: Path) -> dict[str, Path]:
    """Figures that were drawn before, by name, in the order of :data:`CAPTIONS`."""
    paths = {path.stem: path for path in sorted(directory.glob("*")) if path.suffix in DRAWN}
    order = list(CAPTIONS)
    kinds = {name: name if name in CAPTIONS else name.partition("-")[0] for name in paths}
    known = [name for name in paths if kinds[name] in CAPTIONS]
    return {name: paths[name] for name in sorted(known, key=lambda n: order.index(kinds[n]))}


def sections(
    result: xr.Dataset,
    beside: xr.Dataset | None,
    graded: Mapping[str, list[Row]],
    foretold: Mapping[str, list[Prediction]],
) -> Iterator[Section]:
    """The page's tables."""
    if beside is not None:
        yield "Beside people", NEAR, ("curve", "kind", "RMSE", "95 %", "r"), list(distances(beside))
    heads = ("target", "wanted", "measured", "95 %", "")
    for who, rows in graded.items():
        yield f"Does {who} blink as people do?", GRADED, heads, [grade_cells(row) for row in rows]
    heads = ("difference", "in people", "measured", "95 %", "")
    for who, found in foretold.items():
        cells = [prediction_cells(each) for each in found]
        yield f"{who}: what nothing was fitted to", FORETOLD, heads, cells
    lags = [str(int(lag)) for lag in result["lag"].to_numpy()]
    curves = [(who, what, t1, *cells) for who, what, t1, cells in curve_rows(result)]
    yield "Every curve", EVERY, ("observer", "condition", "T1", *lags), curves


def caption(name: str) -> str:
    """What a figure shows."""
    kind = name if name in CAPTIONS else name.partition("-")[0]
    return CAPTIONS[kind].format(name.removeprefix(f"{kind}-"))


def distances(beside: xr.Dataset) -> Iterator[tuple[str, str, str, str, str]]:
    """Curve, kind, RMSE, its interval and r as words."""
    for i in range(beside.sizes["curve"]):
        row = beside.isel(curve=i)
        span = ""
        if np.isfinite(row["rmse_low"]):
            span = f"[{number(row['rmse_low'].item(), 3)}, {number(row['rmse_high'].item(), 3)}]"
        yield (
            str(row["curve"].values),
            str(row["kind"].values),
            number(row["rmse"].item(), 3),
            span,
            number(row["r"].item()),
        )


def grades(result: xr.Dataset, who: str) -> list[Row]:
    """Every target for one observer, with its own units' controls; always the same resamples."""
    here = result.sel(network=who)
    same = (result["control"] != "") & (result["units"] == here["units"])
    controls = {
        str(name): str(result["control"].sel(network=name).item())
        for name in result["network"].to_numpy()[same.to_numpy()]
    }
    return grade(result, who, np.random.default_rng(0), controls=controls)


def grade_table(who: str, rows: list[Row]) -> Table:
    """The targets of one observer, for a terminal of 80 columns."""
    table = Table(title=f"{who}: does it blink as people do?", box=SIMPLE_HEAD)
    for head, justify in (("target", "left"), ("wanted", "left"), ("measured", "right")):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]
    table.add_column("95 %", justify="right")
    table.add_column("")
    for row in rows:
        name, wanted, measured, span, verdict = grade_cells(row)
        style = "red" if verdict == "fail" else ""
        table.add_row(name, wanted, measured, span, verdict, style=style)
    missed = [row.name for row in rows if row.passed is False]
    table.caption = f"{sum(row.passed is True for row in rows)} of {len(rows)} passed" + (
        f"; missed: {', '.join(missed)}" if missed else ""
    )
    return table


def grade_cells(row: Row) -> tuple[str, str, str, str, str]:
    """Name, wanted, measured, interval and verdict as words."""
    digits = 0 if abs(row.measured) >= 10 else 3  # some targets are missed in the third
    span = ""
    if np.isfinite(row.low):
        span = f"[{number(row.low, digits)}, {number(row.high, digits)}]"
    return row.name, row.wanted, number(row.measured, digits), span, VERDICTS[row.passed]


def prediction_cells(row: Prediction) -> tuple[str, str, str, str, str]:
    """Name, the sign in people, measured, interval and verdict as words."""
    span = ""
    if np.isfinite(row.low):
        span = f"[{number(row.low)}, {number(row.high)}]"
    sign = "> 0" if row.direction > 0 else "< 0"
    verdict = RIGHT[row.right] if np.isfinite(row.measured) else VERDICTS[None]
    return row.name, sign, number(row.measured), span, verdict


def curve_rows(result: xr.Dataset) -> Iterator[tuple[str, str, str, list[str]]]:
    """Observer, condition, T1, and the curve of the last target by lag."""
    means = over_individuals(result[["t1", "last", "lag_ms", "trials"]])
    for who in means["network"].to_numpy():
        for condition in means["condition"].to_numpy():
            here = means.sel(network=who, condition=condition)
            if not here["trials"].sum():
                continue
            cells = [number(value) for value in here["last"].to_numpy()]
            yield str(who), str(condition), number(here["t1"].mean().item()), cells


def curve_table(result: xr.Dataset) -> Table:
    """T1 and T2|T1 by lag in the dual task."""
    lags = [str(int(lag)) for lag in result["lag"].to_numpy()][:8]
    table = Table(title="T2|T1 by lag in the dual task", box=SIMPLE_HEAD)
    for head in ("observer", "T1", *lags):
        table.add_column(head, justify="left" if head == "observer" else "right", overflow="fold")
    for who, condition, t1, cells in curve_rows(result):
        if condition == "dual":
            table.add_row(who, t1, *cells[:8])
    counts = (result["trials"] > 0).any(["condition", "lag"]).sum("individual").to_numpy()
    many = "{} to {}" if np.ptp(counts) else "{}"
    table.caption = (
        f"Mean over {many.format(counts.min(), counts.max())} individuals, in any order of report."
    )
    return table
