"""From finished units to the table of trials, the labelled curves and what went on inside."""

import numpy as np
import pandas as pd
import xarray as xr

from experiments.bench import Bench
from experiments.blink.baselines import published
from experiments.blink.curves import curves
from experiments.blink.film import examples
from experiments.blink.inside import inside, stages
from experiments.blink.plan import BlinkPlan, observer_of
from experiments.blink.showing import reports_in
from experiments.blink.spec import BlinkSpec
from experiments.blink.streams import Streams, streams
from experiments.blink.table import trial_table
from experiments.blink.units import Show
from experiments.units import is_complete


def trials_of(unit: Show, bench: Bench) -> Streams:
    """The streams that the unit showed, made again from its seed."""
    labels = bench.load().test.labels.numpy()
    return streams(unit.task, unit.per_lag, labels, np.random.default_rng(unit.seed))


def table_of(planned: BlinkPlan, spec: BlinkSpec, bench: Bench) -> pd.DataFrame:
    """One row for each trial of every finished unit."""
    parts = []
    for (name, individual, condition), unit in planned.shows.items():
        if is_complete(unit):
            who = observer_of(spec, name, individual)
            reports = reports_in(unit.load())
            parts.append(trial_table(trials_of(unit, bench), reports, who, condition))
    return pd.concat(parts, ignore_index=True)


def assembled(table: pd.DataFrame, planned: BlinkPlan, spec: BlinkSpec, bench: Bench) -> xr.Dataset:
    """The curves (:func:`experiments.blink.curves.curves`), with what stands beside them.

    ``noise_sd`` and ``single_reported`` (network, individual) of the titration; ``senses``
    (individual) numbers the sensory networks that individuals share; ``units``,
    ``control`` and ``sensory`` (network) say what each observer is; the traces of
    :mod:`experiments.blink.inside` are those of the dual task, and ``published`` the curves of
    :func:`experiments.blink.baselines.published` in it; :func:`experiments.blink.film.examples`
    are single trials.
    """
    found = curves(table)
    names = [str(name) for name in found["network"].to_numpy()]
    noise = np.full((2, len(names), found.sizes["individual"]), np.nan)
    for n, name in enumerate(names):
        for i in found["individual"].to_numpy():
            unit = planned.titrated.get((name, int(i) % spec.sensory))
            if unit and is_complete(unit) and i < spec.individuals_of(name):
                facts = unit.load()
                noise[:, n, i] = facts["sd"], facts["reported"]
    dual = {
        (name, individual): (unit, trials_of(unit, bench))
        for (name, individual, condition), unit in planned.shows.items()
        if condition == "dual" and is_complete(unit) and not spec.observers[name].end_to_end
    }
    for more in (inside(dual), stages(dual), published(spec.task), examples(planned.filmed)):
        found = found.merge(more, join="left")
    return found.assign(
        noise_sd=(("network", "individual"), noise[0]),
        single_reported=(("network", "individual"), noise[1]),
    ).assign_coords(
        senses=("individual", found["individual"].to_numpy() % spec.sensory),
        sensory=("network", [spec.observers[name].network for name in names]),
        units=("network", ["spiking" if spec.is_spiking(name) else "rate" for name in names]),
        control=("network", [spec.observers[name].control for name in names]),
    )
