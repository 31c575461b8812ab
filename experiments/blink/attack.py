"""Is the blink a window of adversarial weakness? The command ``blink attack``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tomli_w
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.attacks.names import attack_named
from experiments.blink.command import load_blink
from experiments.blink.pictures import Noise
from experiments.blink.plan import blink_plan, seed_of_trials
from experiments.blink.provoke import Observer, Where, half_budget, provoked, success
from experiments.blink.spec import BlinkSpec, blink_spec_from
from experiments.blink.streams import streams
from experiments.blink.task import Task
from experiments.blink.units import Titrate
from experiments.command import attempted, claim, require_all
from experiments.finished import bench_of
from experiments.provenance import versions
from experiments.spec import read_settings
from experiments.store import fresh_unit, key_of, read_dataset, unwritable, write_dataset
from experiments.units import Report, Unit, all_said, product, said
from experiments.verdict.wording import number
from networks.attention import Attention
from networks.errors import BlindspotsError, unknown

PROVOKE = 1  # raise it when the same settings come to mean other numbers
DRAWS, JUDGED = 2, 5  # of the noise inside: in crafting, and afresh in judging
WHERE: tuple[Where, ...] = ("target", "distractor")
TITLES = {
    "target": "The second target's own frame attacked: share lost, of those seen when clean",
    "distractor": "A distractor attacked, so many items before a lone target: share lost",
}


@dataclass(frozen=True)
class Provoke:
    """One individual whose target is to be missed, by a change of one frame of the stream.

    ``judges`` are other attentions behind the same sensory network, which see the same frames.
    """

    stage: ClassVar[str] = "provoke"
    product: ClassVar[str] = "provoked.nc"
    observer: str
    individual: int
    where: Where
    task: Task
    per_lag: int
    attention: Attention
    titrated: Titrate
    attack: str
    epsilons: tuple[float, ...]
    options: tuple[tuple[str, Any], ...]
    draws: int
    judged: int
    judges: tuple[tuple[str, Attention], ...]
    seed: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.where} of {self.observer} ({self.individual})"

    @cached_property
    def key(self) -> str:
        """Of everything that determines the outcome."""
        return key_of(
            format=PROVOKE,
            titrated=self.titrated.key,
            where=self.where,
            task=said(self.task),
            per_lag=self.per_lag,
            attention=all_said(self.attention),
            attack=(self.attack, self.epsilons, self.options),
            draws=(self.draws, self.judged),
            judges=[(name, all_said(each)) for name, each in self.judges],
            seed=self.seed,
        )

    @property
    def needs(self) -> tuple[Unit, ...]:
        """Units that must be complete before."""
        return (self.titrated,)

    def run(self, report: Report) -> None:
        """Craft, judge, and leave every outcome."""
        network = self.titrated.taught.load()
        split = self.titrated.taught.bench.load().test
        trials = streams(
            self.task, self.per_lag, split.labels.numpy(), np.random.default_rng(self.seed)
        )
        result = provoked(
            Observer(network, self.attention, self.titrated.spiking),
            trials,
            split.images,
            Noise(contrast=self.titrated.contrast, sd=self.titrated.load()["sd"]),
            where=self.where,
            attack=self.attack,
            epsilons=self.epsilons,
            options=dict(self.options),
            draws=self.draws,
            judged=self.judged,
            seed=self.seed,
            judges={
                name: Observer(network, each, self.titrated.spiking) for name, each in self.judges
            },
        )
        with fresh_unit(self.stage, self.key) as directory:
            write_dataset(result, directory / self.product)


def attack_blink(
    run: Path,
    observers: Sequence[str],
    *,
    attack: str,
    epsilons: Mapping[Where, Sequence[float]],
    lags: Sequence[int],
    steps: int,
    per_lag: int,
    individuals: int,
    data: Path | None,
    workers: int | None,
    console: Console,
) -> xr.Dataset:
    """Attack single frames before all ``observers`` of ``run`` (default: all), controls too.

    Everything goes to RUN/attack. Raises BlindspotsError where nothing can be attacked.
    """
    result = load_blink(run)
    bench = bench_of(run, result, data)
    spec = blink_spec_from(read_settings(run / "spec.toml"))
    known = attack_named(attack)
    if known.norm != "linf" or known.kind not in ("gradient", "query"):
        raise BlindspotsError(
            f"'{attack}' is no L-infinity attack by gradient or query; try pgd-linf."
        )
    for name in observers:
        if name not in spec.observers:
            raise unknown("observer", name, spec.observers, f"in '{run}'")
    options = {"steps": steps} if known.kind == "gradient" else {"queries": steps}
    units = planned(
        spec, blink_plan(spec, bench).titrated, list(observers) or list(spec.observers),
        attack=attack, epsilons={where: tuple(sorted(each)) for where, each in epsilons.items()},
        lags=tuple(lags), options=options, per_lag=per_lag,
        individuals=individuals,
    )  # fmt: skip
    out = run / "attack"
    settings = {"attack": attack, "lags": list(lags), **options, "per_lag": per_lag}
    budgets = {where: list(each) for where, each in epsilons.items()}
    claim(out, tomli_w.dumps({**settings, "epsilons": budgets}))
    require_all(attempted(units.values(), out, console, workers=workers))
    found = gathered(units, spec).assign_attrs(
        data=bench.data, attack=attack, versions=json.dumps(versions())
    )
    write_dataset(found, out / "result.nc")
    finish(out, found, console)
    return found


def planned(
    spec: BlinkSpec,
    titrated: Mapping[tuple[str, int], Titrate],
    observers: Sequence[str],
    *,
    attack: str,
    epsilons: Mapping[Where, tuple[float, ...]],
    lags: tuple[int, ...],
    options: dict[str, Any],
    per_lag: int,
    individuals: int,
) -> dict[tuple[str, int, Where], Provoke]:
    """The units by observer, individual and frame; a control with the same network judges, too."""
    short = spec.task.but(first=(3,), lags=lags, items=max(15, 3 + max(lags) + 5))
    units = {}
    for name in observers:
        network = spec.observers[name].network
        for i in range(min(individuals, spec.individuals_of(name))):
            judges = tuple(
                (other, spec.attention_of(other, i))
                for other, each in spec.observers.items()
                if other != name and each.network == network
            )
            for where in WHERE:
                units[name, i, where] = Provoke(
                    name, i, where,
                    short.but(single=where == "distractor"),
                    per_lag, spec.attention_of(name, i), titrated[name, i % spec.sensory],
                    attack, epsilons[where], tuple(options.items()),
                    DRAWS, JUDGED, judges, seed_of_trials(spec, i),
                )  # fmt: skip
    return units


def gathered(units: Mapping[tuple[str, int, Where], Provoke], spec: BlinkSpec) -> xr.Dataset:
    """``success`` and ``sem`` (network, where, observer, condition, epsilon, lag), and ``counted``.

    ``observer`` is who judges. Budgets that a kind of frame was not tried at are NaN. Trials of all
    individuals count together; ``half_budget`` has no dimension epsilon.
    """
    names = list(dict.fromkeys(name for name, _, _ in units))
    by_name = []
    for name in names:
        by_where = []
        for where in WHERE:
            parts = [
                read_dataset(product(unit))
                for (who, _, at), unit in units.items()
                if who == name and at == where
            ]
            by_where.append(success(xr.concat(parts, "trial")))
        wheres = xr.DataArray(list(WHERE), dims="where", name="where")
        by_name.append(xr.concat(by_where, wheres, join="outer"))
    found = xr.concat(by_name, xr.DataArray(names, dims="network", name="network"), join="outer")
    if not (found["counted"] > 0).any(["lag", "network", "observer"]).all():
        raise BlindspotsError(
            "No target was reported when clean, so that none can be lost; ask for more trials with "
            "--per-lag."
        )
    found["half_budget"] = xr.concat(
        [half_budget(found["success"].sel(where=where)) for where in WHERE], found["where"]
    )
    control = [spec.observers[name].control for name in names]
    return found.assign_coords(control=("network", control))


def finish(out: Path, found: xr.Dataset, console: Console) -> None:
    """Figure and tables from the saved result alone."""
    from figures.blink import provocation
    from figures.save import save

    try:
        save(provocation(found), out / "figures", "attack")
    except OSError as error:
        raise unwritable(out / "figures", error) from None
    for where in WHERE:
        console.print(attack_table(found, where))


def attack_table(found: xr.Dataset, where: Where) -> Table:
    """The share lost by lag, at the budget whose shares differ most between lags."""
    here = found["success"].sel(where=where, observer="itself")
    attacked = here.sel(condition="attacked").dropna("epsilon", how="all")
    spread = (attacked.max("lag") - attacked.min("lag")).mean("network")
    epsilon = float(spread.idxmax("epsilon"))
    table = Table(title=f"{TITLES[where]}, ε = {epsilon:g}", box=SIMPLE_HEAD)
    lags = [int(lag) for lag in found["lag"].to_numpy()]
    for head in ("observer", "frame", *(str(lag) for lag in lags)):
        table.add_column(head, justify="left" if head in ("observer", "frame") else "right")
    for name in found["network"].to_numpy():
        for condition in ("attacked", "noise"):
            cells = here.sel(network=name, condition=condition, epsilon=epsilon)
            table.add_row(str(name), condition, *(number(cell) for cell in cells))
    return table
