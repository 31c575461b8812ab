"""Gate and memory in Brian2 cells, before the same trials as the pools: ``blink cells``."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import tomli_w
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.blink.command import bench_of_run
from experiments.blink.film import POOLS, Reel
from experiments.blink.pictures import pictures
from experiments.blink.plan import blink_plan
from experiments.blink.reports import among
from experiments.blink.showing import slots_of
from experiments.blink.spec import BlinkSpec
from experiments.blink.streams import Streams, streams
from experiments.blink.units import Show
from experiments.command import attempted, claim, require_all
from experiments.provenance import versions
from experiments.store import fresh_unit, key_of, read_dataset, write_dataset, writing
from experiments.units import Report, Unit, product, said
from experiments.verdict.wording import number
from experiments.workers import Workers
from networks import Physiology
from networks.errors import BlindspotsError, unknown

if TYPE_CHECKING:
    import torch

    from sim.attention import Pools, Seen

READINGS = ("pools", "pools again", "cells")
"""As in the experiment; the same with other noise in the pools, the most that can agree; Brian2."""
LAGS = (2, 7)  # in items: inside the blink, and after it
FIRST, ITEMS = 3, 15
WINDOW = (-200.0, 1000.0)  # ms from T1's onset, over which traces are compared


@dataclass(frozen=True)
class InCells:
    """The trials of one individual, its gate and memory by :data:`READINGS`.

    All readings see the same pixels, and have the same strengths of types and consolidation; what
    differs is the cells, and their noise.
    """

    stage: ClassVar[str] = "in-cells"
    product: ClassVar[str] = "trials.nc"
    show: Show
    per_lag: int
    physiology: Physiology

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.show.observer} ({self.show.individual}) in cells"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        from importlib.metadata import version

        return key_of(
            show=self.show.key,
            trials=(self.per_lag, LAGS, FIRST, ITEMS),
            physiology=said(self.physiology),
            software=f"brian2 {version('brian2')} numpy {version('numpy')}",
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.show.titrated,)

    def run(self, report: Report) -> None:
        """Show the trials to every reading."""
        import torch

        from sim.attention import Spikes
        from sim.brian.library import running
        from sim.brian.pools import CellPools

        show, split = self.show, self.show.titrated.sensory.bench.load().test
        task = show.task.but(lags=LAGS, first=(FIRST,), items=ITEMS)
        chance = np.random.default_rng(show.seed)
        trials = streams(task, self.per_lag, split.labels.numpy(), chance)
        chance_of_pixels = torch.Generator().manual_seed(show.seed)
        frames = pictures(trials, split.images, show.titrated.noise(), chance_of_pixels)
        kind = (show.attention.pool, show.attention.rate_hz, task.dt_ms)
        parts = []
        for k, name in enumerate(READINGS):
            reel, seed = Reel(), show.seed % 2**31 + k
            with running() as brian2:
                pools: Pools = (
                    CellPools(brian2, *kind, self.physiology, seed, reel.emission)
                    if name == "cells"
                    else Spikes(*kind, torch.Generator().manual_seed(seed), reel.emission)
                )
                parts.append(self._watched(trials, frames, pools, reel))
            report((k + 1) / len(READINGS), 0.0)
        found = xr.concat(parts, xr.DataArray(list(READINGS), dims="reading", name="reading"))
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(found, directory / self.product)

    def _watched(
        self, trials: Streams, frames: "torch.Tensor", pools: "Pools", reel: Reel
    ) -> xr.Dataset:
        """Reports, traces and spikes of one reading, by trial."""
        import torch

        from sim.attention import Stream, goal_of, see

        show, task = self.show, trials.task
        with torch.no_grad():
            seen = see(
                show.titrated.sensory.load(),
                Stream(frames, task.steps_per_item),
                show.attention,
                goal_of(task.targets, task.instruction),
                torch.Generator().manual_seed(show.seed),
                dt_ms=task.dt_ms,
                moment=reel.moment,
                pools=pools,
            )
        return labelled(trials, seen, reel)


def labelled(trials: Streams, seen: "Seen", reel: Reel) -> xr.Dataset:
    """By trial: reports, whether T1 and T2 are among them, traces of :data:`POOLS` and spikes."""
    identity, when = (each.numpy() for each in seen.reports(slots_of(trials)))
    rows = np.arange(len(trials))
    digits = tuple(trials.at(trials.label, place) for place in (trials.t1, trials.t2))
    there = [among(identity, digit) for digit in digits]
    traces = np.stack(list(reel.curves(rows, digits).values()), 1)
    return xr.Dataset(
        {
            "example_label": (("trial", "item"), trials.label),
            "example_t1": ("trial", trials.t1),
            "example_t2": ("trial", trials.t2),
            "example_report": (("trial", "slot"), identity),
            "example_when_ms": (("trial", "slot"), when),
            "example_spikes": (
                ("trial", "pool", "cell", "time"), reel.rasters(rows, digits).astype(np.int8),
            ),
            "trace": (("trial", "pool", "time"), traces.astype(np.float32)),
            "t1_seen": ("trial", there[0]),
            "t2_seen": ("trial", there[1]),
        },
        {
            "lag": ("trial", trials.lag),
            "pool": list(POOLS),
            "onset": ("item", np.arange(trials.task.items) * trials.task.soa_ms),
            "time": np.arange(traces.shape[-1]) * trials.task.dt_ms,
        },
    )  # fmt: skip


def agreement(found: xr.Dataset) -> xr.Dataset:
    """How near each reading comes to the first one, "pools", by lag.

    ``correlation`` (reading, pool, lag): Pearson's r of a trial's traces around T1, the mean over
    trials. ``same`` (reading, lag): share of trials in which T2 is seen in both or in neither.
    ``t1`` and ``t2`` (reading, lag): trials in which they are seen, ``trials`` (lag) of how many.
    """
    since = found["time"] - found["onset"].isel(item=found["example_t1"].isel(reading=0))
    inside = (since >= WINDOW[0]) & (since < WINDOW[1])
    trace = found["trace"].where(inside)
    r = xr.corr(trace, trace.sel(reading="pools"), "time")
    same = found["t2_seen"] == found["t2_seen"].sel(reading="pools")
    by_lag = xr.Dataset({"correlation": r, "same": same.astype(float)}).groupby("lag").mean("trial")
    sums = found[["t1_seen", "t2_seen"]].astype(int).groupby("lag").sum("trial")
    counted = sums.rename(t1_seen="t1", t2_seen="t2")
    there = xr.ones_like(found["lag"]).groupby("lag").sum()
    return by_lag.merge(counted).assign(trials=there)


def blink_cells(
    run: Path,
    observer: str | None,
    *,
    individual: int,
    per_lag: int,
    data: Path | None,
    workers: Workers | None,
    console: Console,
) -> xr.Dataset:
    """Show trials to a spiking observer of ``run`` with gate and memory in cells; see `InCells`.

    Everything goes to RUN/cells/OBSERVER-INDIVIDUAL. Raises BlindspotsError where the observer has
    no spikes.
    """
    spec, bench, result = bench_of_run(run, data)
    name = spiking(spec, observer, run)
    if not 0 <= individual < spec.individuals_of(name):
        raise BlindspotsError(
            f"'{name}' has individuals 0 to {spec.individuals_of(name) - 1} in '{run}', and "
            f"{individual} was asked for."
        )
    unit = InCells(blink_plan(spec, bench).shows[name, individual, "dual"], per_lag, Physiology())
    out = run / "cells" / f"{name}-{individual}"
    claim(out, tomli_w.dumps({"per_lag": per_lag}))
    require_all(attempted([unit], out, console, workers=workers))
    trials = read_dataset(product(unit)).assign_attrs(
        data=result.attrs["data"], observer=name, individual=individual,
        versions=json.dumps(versions()),
    )  # fmt: skip
    found = trials.merge(agreement(trials).rename(lag="at_lag"))
    write_dataset(found, out / "result.nc")
    finish(out, found, console)
    return found


def spiking(spec: BlinkSpec, observer: str | None, run: Path) -> str:
    """The observer, or the first whose gate is made of spiking pools; BlindspotsError for none."""
    able = [who for who in spec.attentive if spec.is_spiking(who) and "dual" in spec.shown_to(who)]
    if not able:
        raise BlindspotsError(
            f"No observer in '{run}' spikes in the dual task; run one with a spiking network, such "
            "as --preset quick."
        )
    if observer is not None and observer not in able:
        raise unknown("spiking observer", observer, able, f"in '{run}'")
    return observer or able[0]


def finish(out: Path, found: xr.Dataset, console: Console) -> None:
    """Figure and table from the saved result alone."""
    from figures.blink import cells
    from figures.save import save

    with writing(out / "figures"):
        save(cells(found), out / "figures", "cells")
    console.print(agreement_table(found))


def agreement_table(found: xr.Dataset) -> Table:
    """What each reading sees at each lag, and how near it is to the pools."""
    table = Table(title=f"{found.attrs['observer']}: gate and memory in cells", box=SIMPLE_HEAD)
    for head in ("lag", "reading", "T1", "T2", "same T2", "r gate", "r T1", "r T2"):
        table.add_column(head, justify="left" if head == "reading" else "right")
    for lag in found["at_lag"].to_numpy():
        for reading in found["reading"].to_numpy():
            here = found.sel(at_lag=lag, reading=reading)
            of = int(here["trials"])
            r = here["correlation"]
            table.add_row(
                str(int(lag)), str(reading), f"{int(here['t1'])}/{of}", f"{int(here['t2'])}/{of}",
                number(here["same"].item()),
                *(number(r.sel(pool=pool).item()) for pool in ("gate", "t1_memory", "t2_memory")),
            )  # fmt: skip
    table.caption = (
        "r: Pearson's correlation with the pools of a trial's traces, mean over trials; 'pools "
        "again' is how much chance in the pools leaves."
    )
    return table
