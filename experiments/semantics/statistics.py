"""What the measures of all individuals amount to, by network.

A mean is over individuals, of means over areas, of means over the members of a kind. Its interval
is a bootstrap over individuals and, within each of them and each area, over members. It says
nothing of other images; with few individuals it is too short, and with one it is over members only.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy import stats

from experiments.semantics.activity import Floats
from experiments.semantics.measures import MEASURES
from experiments.semantics.population import correlations
from experiments.statistics.draws import LEVEL, with_interval
from experiments.statistics.paired import resampled

RESAMPLES = 500
LEVEL_OF_TEST = 0.05
NESTED = ("individual", "area", "member")
AGAINST = {"random": "unit", "group": "module"}
"""What a kind of reading is held beside: unit - random, module - group."""


def summarised(result: xr.Dataset, generator: np.random.Generator) -> xr.Dataset:
    """Everything that tables, sentences and figures say, from a labelled result.

    Returns:
        For each measure ``mean_M`` (network, kind) and ``gap_M`` (network, kind): unit - random
        and module - group; ``live_gap_M`` (network): unit - random where units that are silent or
        constant on all images, which say nothing, do not count. ``drop`` and ``uneven`` (network,
        lesion, condition): the accuracy that a lesion costs, averaged over classes, and its
        standard deviation over the classes.
        ``selective_costs`` (network): Spearman's correlation, over single units, of selectivity
        and cost. ``correlation`` as :func:`experiments.semantics.population.correlations` has it.
        Each has ``_low`` and ``_high``. Besides, ``above_M`` (network, kind): the share of members
        beyond 95 % of shuffled labels; ``silent`` (network); and ``modularity``, its value
        ``_initial``, and ``_null``, ``_null_low``, ``_null_high`` over shuffles, averaged over
        individuals.
    """
    networks = [
        network_summary(result.sel(network=name), generator) for name in result["network"].values
    ]
    summary = xr.concat(
        networks, result["network"], join="outer", coords="different", compat="equals"
    )
    summary = summary.merge(correlations(result, generator))
    return summary.assign_attrs(result.attrs)


def network_summary(here: xr.Dataset, generator: np.random.Generator) -> xr.Dataset:
    """The summary of one network."""
    draw = drawing(here, generator)
    table = xr.Dataset()
    for name in MEASURES:
        rows = {str(kind): draw(here[name].sel(kind=kind)) for kind in here["kind"].values}
        table = table.merge(over("kind", rows, f"mean_{name}"))
        gaps = {one: rows[one] - rows[other] for other, one in AGAINST.items()}
        table = table.merge(over("kind", gaps, f"gap_{name}").reindex(kind=list(rows)))
        units = here.sel(kind="unit")
        live = draw(units[name].where(units["silent"] == 0)) - rows["random"]
        table = table.merge(xr.Dataset(with_interval(f"live_gap_{name}", live, ())))
        beyond = (here[f"{name}_p"] <= LEVEL_OF_TEST).where(here[f"{name}_p"].notnull())
        table[f"above_{name}"] = beyond.mean(["member", "area"]).mean("individual")
    table["silent"] = here["silent"].sel(kind="unit").mean(["member", "area"]).mean("individual")
    cost = here["intact_accuracy"] - here["lesion_accuracy"]
    for name, values in (("drop", cost.mean("class")), ("uneven", cost.std("class"))):
        by_condition = [
            over(
                "lesion",
                {
                    str(each): draw(values.sel(lesion=each, condition=c))
                    for each in cost["lesion"].values
                },
                name,
            ).assign_coords(condition=c)
            for c in cost["condition"].values
        ]
        table = table.merge(xr.concat(by_condition, "condition"))
    table = table.merge(
        xr.Dataset(with_interval("selective_costs", draw(selective_costs(here, cost)), ()))
    )
    return table.merge(modularities(here))


def drawing(here: xr.Dataset, generator: np.random.Generator) -> Callable[[xr.DataArray], Floats]:
    """A function from values (individual, area, member), NaN where there are none, to mean draws.

    The first draw is the sample's mean, the others are those of resamples; all values that the
    function is called with share the draw of the individuals.
    """
    present = (
        here["selectivity"]
        .notnull()
        .any([d for d in here["selectivity"].dims if d != "individual"])
    )
    there = np.flatnonzero(present.to_numpy())
    individuals = np.full((RESAMPLES + 1, len(there)), 1 / len(there))
    individuals[1:] = resampled(len(there), generator, RESAMPLES)

    def draw(values: xr.DataArray) -> Floats:
        rows = values.transpose(*NESTED).to_numpy()[there]
        areas = np.stack([[member_means(area, generator) for area in row] for row in rows], axis=-1)
        counted = np.isfinite(areas)
        with np.errstate(invalid="ignore"):
            each = np.where(counted, areas, 0).sum(0) / counted.sum(0)
        mean: Floats = (each * individuals).sum(1)
        return mean

    return draw


def member_means(values: Floats, generator: np.random.Generator) -> Floats:
    """The mean of the values (member,) that are there, and of resamples of them: (draw,)."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(RESAMPLES + 1, np.nan)
    weights = np.full((RESAMPLES + 1, len(known)), 1 / len(known))
    weights[1:] = resampled(len(known), generator, RESAMPLES)
    return weights @ known


def over(dim: str, draws: dict[str, Floats], name: str) -> xr.Dataset:
    """Means with intervals by the labels of ``draws`` along ``dim``."""
    table = np.stack(list(draws.values()), axis=1)
    return xr.Dataset(with_interval(name, table, (dim,)), coords={dim: list(draws)})


def selective_costs(here: xr.Dataset, cost: xr.DataArray) -> xr.DataArray:
    """Spearman of selectivity and clean cost over single units, (individual, area, 1).

    Silent units count as not selective, as they do where the units are chosen.
    """
    single = cost.mean("class").sel(lesion="unit", condition="clean").transpose(*NESTED)
    unit = here["lesion_unit"].transpose(*NESTED).to_numpy()
    selectivity = here["selectivity"].sel(kind="unit").transpose(*NESTED).fillna(0).to_numpy()
    found = np.full((*unit.shape[:2], 1), np.nan)
    for at in np.ndindex(*unit.shape[:2]):
        there = unit[at] >= 0
        picked = selectivity[at][unit[at][there].astype(int)]
        lost = single.to_numpy()[at][there]
        if len(set(picked)) > 1 and len(set(lost)) > 1:
            found[at] = stats.spearmanr(picked, lost).statistic
    return xr.DataArray(found, dims=NESTED)


def modularities(here: xr.Dataset) -> xr.Dataset:
    """Modularity and its nulls, averaged over individuals."""
    null = here["modularity_null"]
    low, high = (
        null.quantile(each, "shuffle", skipna=False).drop_vars("quantile") for each in LEVEL
    )
    table = {
        "modularity": here["modularity"],
        "modularity_initial": here["modularity_initial"],
        "modularity_null": null.mean("shuffle"),
        "modularity_null_low": low,
        "modularity_null_high": high,
    }
    return xr.Dataset({name: each.mean("individual") for name, each in table.items()})
