"""The command ``blink fit``: parameters of attention from people's lag curve.

Sensory networks are taught and their noise set as in a run. They watch streams of validation images
once, and what they said of them is all that attention is tried on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tomli_w
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.bench import Bench, bench_for
from experiments.blink.evolve import Evolution, evolve
from experiments.blink.humans import SEM, fit, sample
from experiments.blink.objective import Outcome, bounds_of, loss, terms
from experiments.blink.once import Once, curve, share, shown_once, told
from experiments.blink.plan import blink_plan
from experiments.blink.spec import BlinkSpec
from experiments.blink.streams import Floats
from experiments.blink.units import Titrate
from experiments.command import attempted, check_unclaimed, claim, require_all
from experiments.store import key_of, write_dataset, write_text, writing
from experiments.workers import Workers
from networks.attention import Attention
from networks.errors import BlindspotsError

INDIVIDUALS = 160  # who share the trials of one look
Titrated = Mapping[str, Sequence[Titrate]]
"""By observer the units that set the noise of each of its sensory networks."""
PARTS = {"fitted": 1, "judged": 4, "fresh": 4}
"""Streams, in multiples of a search's: its own, those by which one of its last generation is chosen
(who is best on the first owes a part of it to luck), and others for an honest figure."""


@dataclass(frozen=True)
class Looks:
    """What the sensory networks of each observer said of one set of streams.

    ``seed`` decides which individuals look, and their chance, too.
    """

    spec: BlinkSpec
    once: Mapping[str, Once]
    seed: int

    @classmethod
    def at(cls, spec: BlinkSpec, titrated: Titrated, per_lag: int, seed: int) -> "Looks":
        """The streams of ``seed``, ``per_lag`` for each lag."""
        once = {
            name: shown_once(spec, units, per_lag=per_lag, seed=seed)
            for name, units in titrated.items()
        }
        return cls(spec, once, seed)

    def outcome(self, name: str, attention: Attention) -> Outcome:
        """Of individuals around ``attention``."""
        around = self.spec.model_copy(update={"attention": attention, "seed": self.seed})
        answers, gate = told(
            self.once[name],
            [around.attention_of(name, i) for i in range(INDIVIDUALS)],
            dt_ms=self.spec.task.dt_ms, seed=self.seed,
        )  # fmt: skip
        return Outcome(
            ms=np.array(self.spec.task.lags) * self.spec.task.soa_ms,
            last=curve(answers),
            t1=share(answers, "dual", 0),
            single=share(answers, "single", 1),
            ttt=share(answers, "TTT", 2, given=0),
            tdt=share(answers, "TDT", 2, given=0),
            gate=gate,
        )

    def outcomes(self, attention: Attention) -> dict[str, Outcome]:
        """Of all observers."""
        return {name: self.outcome(name, attention) for name in self.once}


def fit_attention(
    spec: BlinkSpec,
    out: Path,
    *,
    generations: int,
    per_lag: int,
    seed: int,
    data: Path | None = None,
    workers: Workers | None = None,
    console: Console | None = None,
) -> Attention:
    """Fit ``spec``'s attention by its observers that are no controls; all goes to ``out``.

    Both readings share their parameters; they are fitted in the rate reading, behind rate and
    spiking sensory networks alike. Interrupted, the same call goes on after the last generation,
    and so does one with more of them.

    Raises:
        BlindspotsError: nothing can be fitted, or ``out`` holds something else.
    """
    console = console or Console(stderr=True)
    names = fitted_by(spec)
    settings = spec.to_toml() + "\n" + tomli_w.dumps({"fit": {"per_lag": per_lag, "seed": seed}})
    check_unclaimed(out, settings)
    titrated = titrations(spec, names, bench_for(data, "cpu"))
    claim(out, settings)
    units = [unit for each in titrated.values() for unit in each]
    require_all(attempted(units, out, console, workers=workers))
    with console.status("showing streams of validation images"):
        looks = {
            part: Looks.at(spec, titrated, many * per_lag, numbered(seed, part))
            for part, many in PARTS.items()
        }

    def lost(values: Floats, part: str = "fitted") -> float:
        found = looks[part].outcomes(with_values(spec.attention, values))
        return loss(list(found.values()), spec.level)

    bounds = bounds_of(spec.attention.gate)
    start = np.array([getattr(spec.attention, name) for name in bounds], float)
    evolution = evolve(
        lost, bounds, start, generations=generations, seed=seed, kept=out / "generation.json",
        tell=lambda generation, state: console.print(
            f"generation {generation}: loss {state.losses[0]:.4f}, median "
            f"{np.median(state.losses):.4f}"
        ),
    )  # fmt: skip
    with console.status("judging the last generation by other streams"):
        judged = min(evolution.population, key=lambda values: lost(values, "judged"))
    best = rounded(with_values(spec.attention, judged))
    finish(out, best, looks, evolution, console)
    return best


def fitted_by(spec: BlinkSpec) -> list[str]:
    """The observers that are no controls; BlindspotsError where they leave nothing to fit."""
    names = [name for name, each in spec.observers.items() if not each.control]
    if not names:
        raise BlindspotsError("All observers are controls; give one without 'control' to fit.")
    if spec.attention.contrast_gain:
        raise BlindspotsError(
            "attention.contrast_gain: what is seen would depend on the gate, and is shown but once;"
            " set it to 0 to fit."
        )
    fitted = {"gate", "contrast_gain", *bounds_of(spec.attention.gate)}
    for name in names:
        changed = sorted(fitted & set(spec.observers[name].attention))
        if changed:
            raise BlindspotsError(
                f"observers.{name}.attention.{changed[0]}: what is fitted is the same for all; "
                "remove it, or call the observer a control."
            )
    return names


def titrations(spec: BlinkSpec, names: Sequence[str], bench: Bench) -> Titrated:
    """The units that set the noise for each of ``names``, in the rate reading."""
    planned = blink_plan(spec, bench).titrated
    return {
        name: [replace(unit, spiking=False) for (who, _), unit in planned.items() if who == name]
        for name in names
    }


def numbered(seed: int, part: str) -> int:
    """The seed of one set of streams."""
    return int(key_of(fit=seed, part=part)[:8], 16)


def with_values(usual: Attention, values: Floats) -> Attention:
    """``usual`` with other values of what is fitted."""
    changes = dict(zip(bounds_of(usual.gate), values.tolist(), strict=True))
    return Attention.model_validate({**dict(usual), **changes})


def rounded(attention: Attention) -> Attention:
    """Three digits of each parameter that was fitted: more are not known."""
    names = bounds_of(attention.gate)
    changes = {name: float(f"{getattr(attention, name):.3g}") for name in names}
    return Attention.model_validate({**dict(attention), **changes})


def finish(
    out: Path, best: Attention, looks: Mapping[str, Looks], evolution: Evolution, console: Console
) -> None:
    """Parameters, curves and figure into ``out``, and a table onto ``console``."""
    from figures.blink import fitted
    from figures.save import save

    spec = looks["fitted"].spec
    versions = {"start": spec.attention, "best": best}
    found = {
        (version, part): looks[part].outcomes(attention)
        for version, attention in versions.items()
        for part in PARTS
    }
    write_text(out / "attention.toml", tomli_w.dumps({"attention": best.model_dump(mode="json")}))
    observers = {
        name: {
            f"{version}, {part}": summary(each[name], spec.level)
            for (version, part), each in found.items()
        }
        for name in found["best", "fresh"]
    }
    facts = {
        "parameters": {name: getattr(best, name) for name in bounds_of(best.gate)},
        "start": {name: getattr(spec.attention, name) for name in bounds_of(best.gate)},
        "history": evolution.history,
        "observers": observers,
    }
    write_text(out / "fit.json", json.dumps(facts, indent=1))
    curves = labelled(found)
    write_dataset(curves, out / "result.nc")
    human = sample()
    with writing(out / "figures"):
        save(
            fitted(curves, (human.lag_ms, human.accuracy, human.participants), SEM),
            out / "figures", "fitted",
        )  # fmt: skip
    console.print(fit_table(observers))


def summary(found: Outcome, level: float) -> dict[str, object]:
    """An outcome for people and programs, with the parts of its loss."""
    return {
        "T2|T1": found.last.round(4).tolist(),
        "T1": found.t1,
        "single": found.single,
        "TTT": found.ttt,
        "TDT": found.tdt,
        "gate among distractors": found.gate,
        "RMSE": fit(found.last, found.ms).rmse,
        "terms": terms(found, level),
    }


def labelled(found: Mapping[tuple[str, str], Mapping[str, Outcome]]) -> xr.Dataset:
    """``last`` (network, parameters, streams, lag), and ``rmse`` to people without lag."""
    versions = list(dict.fromkeys(version for version, _ in found))
    names = list(found["best", "fresh"])
    here = [[[found[v, part][name] for part in PARTS] for v in versions] for name in names]
    dims = ("network", "parameters", "streams")
    ms = here[0][0][0].ms
    return xr.Dataset(
        {
            "last": ((*dims, "lag"), [[[o.last for o in p] for p in v] for v in here]),
            "rmse": (dims, [[[fit(o.last, ms).rmse for o in p] for p in v] for v in here]),
            "lag_ms": ("lag", ms),
        },
        {"network": names, "parameters": versions, "streams": list(PARTS)},
    )


def fit_table(observers: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Table:
    """Each observer with the parameters that were given and those that were found."""
    columns = ("T1", "single", "TTT", "TDT", "gate among distractors", "RMSE")
    table = Table(title="What was fitted, and on fresh streams", box=SIMPLE_HEAD)
    for head in ("observer", "parameters, streams", *columns):
        table.add_column(head, justify="right" if head in columns else "left", overflow="fold")
    for name, rows in observers.items():
        for row, facts in rows.items():
            table.add_row(name, row, *(f"{facts[column]:.3f}" for column in columns))
    return table
