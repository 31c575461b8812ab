"""What ``blink attack`` says in tables, for a terminal and for a page."""

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.blink.adversarial.losses import interval, over_individuals
from experiments.blink.adversarial.relation import FEWEST, relations
from experiments.blink.shape import BLINK, within
from experiments.page import Section
from experiments.verdict.wording import number

TITLES = {
    "target": "T2's own frame attacked",
    "distractor": "A distractor attacked, so many items before a lone T2",
    "universal": "One perturbation for all distractors, so many items before a lone T2",
}
LOST = (
    "Share of T2s lost, of those seen (and T1 reported) when clean, by lag; mean over n "
    "individuals and its 95 % interval (bootstrap over individuals); draws: how many count. "
    "Missed: with a report left over; in the rest false digits fill all reports."
)
BUDGET = "Smallest ε at which half are lost, by lag; of the mean curve over individuals."
OTHERS = (
    "Share lost at 180 to 400 ms of frames crafted on one individual, as others see them; the same "
    "pixels for all; mean over individuals and its 95 % interval."
)
ROWS = (
    ("success", "attacked", "attacked"),
    ("missed", "attacked", "of it missed"),
    ("success", "noise", "noise"),
)
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
    lags = [str(int(lag)) for lag in found["lag"].to_numpy()]
    for frame in ("target", "distractor"):
        title = f"{TITLES[frame]}, ε = {found.attrs[f'reference_{frame}']:g}"
        yield title, LOST, ("observer", "frame", "n", "draws", *lags), list(lost(found, frame))
    if "judged" in found:
        title = f"{TITLES['universal']}, ε = {found.attrs['reference_universal']:g}"
        yield title, LOST, ("observer", "judge", "n", "draws", *lags), list(universal(found))
    heads = ("observer", "frame", "norm", *lags)
    yield "The budget for half", BUDGET, heads, list(budgets(found))
    if "judged" in found:
        heads = ("crafted on", "judge", *(str(frame) for frame in found["frame"].to_numpy()))
        yield "Frames before others", OTHERS, heads, list(others(found))
        heads = ("observer", "with", "n", "rho", "95 %", "at most")
        yield "Who blinks more", RELATED.format(FEWEST), heads, list(related(found))


def tables(found: xr.Dataset) -> Iterator[Table]:
    """Them for a terminal."""
    for title, note, heads, rows in sections(found):
        table = Table(title=title, caption=note, box=SIMPLE_HEAD)
        for i, head in enumerate(heads):
            table.add_column(head, justify="left" if i < 2 else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        yield table


def lost(found: xr.Dataset, frame: str) -> Iterator[tuple[str, ...]]:
    """By observer and what was done to the frame, at the reference budget."""
    for name in found["network"].to_numpy():
        here = found.sel(frame=frame, network=name)
        for norm in found["norm"].to_numpy():
            there = here.sel(norm=norm, epsilon=found.attrs[f"reference_{frame}"])
            for variable, condition, what in ROWS:
                rates = there[variable].sel(condition=condition)
                yield from row(f"{what}, {norm}", name, rates, there["counted"])
        if frame == "target" and "queried" in found:
            rates = found["queried"].sel(network=name, condition="attacked")
            counted = found["queried_counted"].sel(network=name)
            yield from row("without gradients", name, rates, counted)


def universal(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """By observer and judge; noise by the observer itself."""
    for name in found["network"].to_numpy():
        here = as_own(found).sel(frame="universal", network=name)
        for judge in found["judge"].to_numpy():
            there = here.sel(judge=judge)
            for variable, condition, what in ROWS[: 3 if judge == "itself" else 2]:
                rates = there[variable].sel(condition=condition)
                yield from row(f"{judge}, {what}", name, rates, there["counted"])


def as_own(found: xr.Dataset) -> xr.Dataset:
    """What judges made of frames, under the names of what those did on whom they were crafted."""
    judged = found[["judged", "judged_missed", "judged_counted"]]
    return judged.rename(judged="success", judged_missed="missed", judged_counted="counted")


def row(
    what: str, name: object, rates: xr.DataArray, counted: xr.DataArray
) -> Iterator[tuple[str, ...]]:
    """One row of rates (individual, lag); none where nothing was tried."""
    rates = rates.reset_coords(drop=True)
    if rates.notnull().any():
        n, draws = int(rates.notnull().any("lag").sum()), int(counted.sum())
        yield str(name), what, str(n), str(draws), *cells(rates, "lag")


def budgets(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """The budget for half by observer, frame and norm."""
    for name in found["network"].to_numpy():
        for frame in found["frame"].to_numpy():
            for norm in found["norm"].to_numpy():
                at = {"network": name, "frame": frame, "norm": norm, "condition": "attacked"}
                tried = found["success"].sel(at).dropna("epsilon", how="all")["epsilon"]
                if not tried.size:
                    continue
                means = found["half_budget_of_mean"].sel(at).to_numpy()
                spans = found["half_budget_interval"].sel(at).transpose("lag", "bound").to_numpy()
                shown = [
                    with_span(mean, span, 3, float(tried[-1]))
                    for mean, span in zip(means, spans, strict=True)
                ]
                yield str(name), str(frame), str(norm), *shown


def others(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """By whom it was crafted on and judge, for each frame."""
    inside = found.isel(lag=within(found["lag_ms"].to_numpy(), BLINK))
    for name in found["network"].to_numpy():
        for judge in found["judge"].to_numpy():
            rates = inside["judged"].sel(network=name, judge=judge, condition="attacked")
            if rates.notnull().any():
                yield str(name), str(judge), *cells(rates.mean("lag"), "frame")


def related(found: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """The rank correlations, or that there are too few."""
    for each in relations(found, np.random.default_rng(0)):
        if each.n < FEWEST:
            yield each.network, each.what, str(each.n), "too few", "", ""
        else:
            span = f"[{number(each.low)}, {number(each.high)}]"
            most = "" if np.isnan(each.reliability) else number(each.reliability)
            yield each.network, each.what, str(each.n), number(each.rho), span, most


def cells(rates: xr.DataArray, dim: str) -> list[str]:
    """The mean over individuals with its interval, along a dimension."""
    means = over_individuals(rates)["mean"].to_numpy()
    spans = interval(rates, np.random.default_rng(0)).transpose(dim, "bound").to_numpy()
    return [with_span(mean, span) for mean, span in zip(means, spans, strict=True)]


def with_span(mean: float, span: Sequence[float], digits: int = 2, most: float = np.inf) -> str:
    """A number above its interval; what is infinite is beyond ``most``."""

    def said(value: float) -> str:
        return f">{most:g}" if np.isposinf(value) else number(value, digits)

    if np.isnan(span).any() or np.isposinf([mean, *span]).all():
        return said(mean)
    return f"{said(mean)}\n[{said(span[0])}, {said(span[1])}]"
