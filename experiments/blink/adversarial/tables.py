"""What ``blink attack`` says in tables, for a terminal and for a page.

Most rows are blocks: a label, and cells of several lines, one per lag. So numbers keep their
intervals beside them, and a curve is read downwards, in 80 columns too.
"""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.blink.adversarial.losses import interval, over_individuals
from experiments.blink.adversarial.relation import FEWEST, relations
from experiments.blink.shape import BLINK, within
from experiments.page import Section
from experiments.verdict.wording import number

ATTACKED = ("target", "distractor")
TITLES = {
    "target": "T2's own frame attacked",
    "distractor": "A distractor attacked, so many items before a lone T2",
    "universal": "One perturbation for all distractors, so many items before a lone T2",
}
LOST = (
    "Share of T2s lost, of those seen (and T1 reported) when clean, by lag; mean over n "
    "individuals and its 95 % interval (bootstrap over individuals, rough where n is below 8); "
    "draws: how many count. Missed: with a report left over; in the rest false digits fill all "
    "reports."
)
BUDGET = "Smallest ε at which half are lost, by lag; of the mean curve over individuals."
OTHERS = (
    "Share lost at 180 to 400 ms of frames crafted on one individual, as others see them; the same "
    "pixels for all; mean over individuals and its 95 % interval."
)
OUTCOMES = (
    ("attacked", "success", "attacked"),
    ("of it missed", "missed", "attacked"),
    ("noise", "success", "noise"),
)
BY_LAG = ("observer", "lag", *(head for head, _, _ in OUTCOMES))
AT_RIGHT = ("lag", "n", "rho", "95 %", "at most")
LABEL = 16  # characters; what is left beside three numbers with intervals
RELATED = (
    "Spearman's rank correlation with the magnitude of an individual's blink when nothing is "
    "attacked; 95 %: bootstrap over individuals. Fewer than {} give none. At most: "
    "what rho would be found if both were the same thing, so reliable as they are measured."
)


def sections(found: xr.Dataset) -> Iterator[Section]:
    """Every table.

    Args:
        found: of :func:`experiments.blink.adversarial.gather.gathered`.
    """
    found = found.sortby(found["control"] != "")  # controls last
    for frame in ATTACKED:
        title = f"{TITLES[frame]}, ε = {found.attrs[f'reference_{frame}']:g}"
        yield title, LOST, BY_LAG, list(lost(found, frame))
    if "judged" in found:
        title = f"{TITLES['universal']}, ε = {found.attrs['reference_universal']:g}"
        yield title, LOST, BY_LAG, list(universal(found))
    heads: tuple[str, ...] = ("observer", "lag", *ATTACKED)
    yield "The budget for half", BUDGET, heads, list(budgets(found))
    if "judged" in found:
        heads = ("crafted on", "judge", "frame", "lost")
        yield "Frames before others", OTHERS, heads, list(others(found))
        heads = ("observer", "with", "n", "rho", "95 %", "at most")
        yield "Who blinks more", RELATED.format(FEWEST), heads, list(related(found))


def tables(found: xr.Dataset) -> Iterator[Table]:
    """Them for a terminal."""
    for title, note, heads, rows in sections(found):
        table = Table(
            title=title, caption=note, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False,
            collapse_padding=True, show_lines=True,
        )  # fmt: skip
        for head in heads:
            table.add_column(head, justify="right" if head in AT_RIGHT else "left", overflow="fold")
        for label, *rest in rows:
            lines = (fill(line, LABEL) for line in label.splitlines())  # breaks at hyphens, too
            table.add_row("\n".join(lines), *rest)
        yield table


def lost(found: xr.Dataset, frame: str) -> Iterator[tuple[str, ...]]:
    """By observer and norm what came of the frame, at the reference budget."""
    for name in found["network"].to_numpy():
        here = found.sel(frame=frame, network=name)
        for norm in found["norm"].to_numpy():
            there = here.sel(norm=norm, epsilon=found.attrs[f"reference_{frame}"])
            yield from block(f"{name}\n{norm}", outcomes(there), there["counted"])
        if frame == "target" and "queried" in found:
            rates = found["queried"].sel(network=name, condition="attacked")
            counted = found["queried_counted"].sel(network=name)
            yield from block(f"{name}\nno gradients", [rates], counted)


def universal(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """By observer and judge; noise by the observer itself."""
    for name in found["network"].to_numpy():
        here = as_own(found).sel(frame="universal", network=name)
        for judge in found["judge"].to_numpy():
            there = here.sel(judge=judge)
            shown = outcomes(there)[: 3 if judge == "itself" else 2]
            yield from block(f"{name}\nbefore {judge}", shown, there["counted"])


def outcomes(there: xr.Dataset) -> list[xr.DataArray]:
    """What stands in the columns of :data:`OUTCOMES`."""
    return [there[variable].sel(condition=condition) for _, variable, condition in OUTCOMES]


def as_own(found: xr.Dataset) -> xr.Dataset:
    """What judges made of frames, under the names of what those did on whom they were crafted."""
    judged = found[["judged", "judged_missed", "judged_counted"]]
    return judged.rename(judged="success", judged_missed="missed", judged_counted="counted")


def block(
    label: str, shown: Sequence[xr.DataArray], counted: xr.DataArray
) -> Iterator[tuple[str, ...]]:
    """One block of columns of rates (individual, lag); none where nothing was tried."""
    shown = [rates.reset_coords(drop=True) for rates in shown]
    known = shown[0].notnull()
    if known.any():
        n, draws = int(known.any("lag").sum()), int(counted.sum())
        columns = [cells(rates, "lag") for rates in shown]
        empty = [""] * (len(OUTCOMES) - len(shown))
        yield f"{label}\nn = {n}, {draws} draws", by_line(counted["lag"]), *columns, *empty


def budgets(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """The budget for half by observer and norm."""
    for name in found["network"].to_numpy():
        for norm in found["norm"].to_numpy():
            here = found.sel(network=name, norm=norm, condition="attacked")
            columns = [half(here.sel(frame=frame)) for frame in ATTACKED]
            if any(columns):
                yield f"{name}\n{norm}", by_line(found["lag"]), *columns


def half(here: xr.Dataset) -> str:
    """The budget for half of one frame by lag, or nothing where none was tried."""
    tried = here["success"].dropna("epsilon", how="all")["epsilon"]
    if not tried.size:
        return ""
    means = here["half_budget_of_mean"].to_numpy()
    spans = here["half_budget_interval"].transpose("lag", "bound").to_numpy()
    most = float(tried[-1])
    return by_line(with_span(*each, 3, most) for each in zip(means, spans, strict=True))


def others(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """By whom it was crafted on and judge, for each frame."""
    inside = found.isel(lag=within(found["lag_ms"].to_numpy(), BLINK))
    for name in found["network"].to_numpy():
        for judge in found["judge"].to_numpy():
            rates = inside["judged"].sel(network=name, judge=judge, condition="attacked")
            if rates.notnull().any():
                shown = cells(rates.mean("lag"), "frame")
                yield str(name), str(judge), by_line(found["frame"]), shown


def related(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """The rank correlations, or that there are too few."""
    for each in relations(found, np.random.default_rng(0)):
        if each.n < FEWEST:
            yield each.network, each.what, str(each.n), "too few", "", ""
        else:
            span = f"[{number(each.low)}, {number(each.high)}]"
            most = "" if np.isnan(each.reliability) else number(each.reliability)
            yield each.network, each.what, str(each.n), number(each.rho), span, most


def cells(rates: xr.DataArray, dim: str) -> str:
    """The mean over individuals with its interval, along a dimension."""
    means = over_individuals(rates)["mean"].to_numpy()
    spans = interval(rates, np.random.default_rng(0)).transpose(dim, "bound").to_numpy()
    return by_line(with_span(mean, span) for mean, span in zip(means, spans, strict=True))


def by_line(values: Iterable[object] | xr.DataArray) -> str:
    """A cell with a line for each value."""
    known = values.to_numpy() if isinstance(values, xr.DataArray) else values
    return "\n".join(str(value) for value in known)


def with_span(mean: float, span: Sequence[float], digits: int = 2, most: float = np.inf) -> str:
    """A number beside its interval; what is infinite is beyond ``most``."""

    def said(value: float) -> str:
        return f">{most:g}" if np.isposinf(value) else number(value, digits)

    if np.isnan(span).any() or np.isposinf([mean, *span]).all():
        return said(mean)
    return f"{said(mean)} [{said(span[0])}, {said(span[1])}]"
