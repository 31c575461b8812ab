"""What the measures mean, in words: no more than they show."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.semantics.population import AMONG, OUTCOMES
from experiments.verdict.wording import listed

MEANT = {
    "information": "information about the class",
    "purity": "purity of their top images",
}


def sentences(summary: xr.Dataset) -> Iterator[str]:
    """Findings, then what they rest on."""
    for measure, meaning in MEANT.items():
        gap = f"gap_{measure}"
        yield gaps(summary, gap, "unit", f"Units beside random directions, {meaning}")
        yield live(summary, measure, meaning)
        if summary[gap].sel(kind="module").notnull().any():
            yield gaps(
                *(summary, gap, "module"),
                f"Modules beside random groups of as many units, {meaning}",
            )
    yield (
        "Random directions mix all units of an area with both signs, so that what they say of the "
        "class may lie in differences of units; mixtures of one sign were not measured."
    )
    yield shuffled(summary)
    yield from of_lesions(summary)
    yield from of_modularity(summary)
    yield from of_population(summary)
    yield (
        "Intervals are over the members of a kind and over the individuals that the run has; they "
        "say nothing of other images or wirings, and no test is corrected for their number."
    )


def gaps(summary: xr.Dataset, name: str, kind: str, what: str) -> str:
    """How many networks' gaps lie above, below and across nought, and the mean gap."""
    here = summary.sel(kind=kind)
    known = here[name].notnull()
    higher, lower = (here[f"{name}_low"] > 0) & known, (here[f"{name}_high"] < 0) & known
    count = int(known.sum())
    return (
        f"{what}: higher in {int(higher.sum())} of {count} network{'' if count == 1 else 's'}, "
        f"lower in {int(lower.sum())}, and not told apart in "
        f"{count - int(higher.sum()) - int(lower.sum())} (95 % intervals); on average "
        f"{float(here[name].mean()):+.2f}{' bits' if 'information' in name else ''}."
    )


def live(summary: xr.Dataset, measure: str, meaning: str) -> str:
    """The gap of units to random directions where dead units do not count, and its range."""
    here = summary[f"live_gap_{measure}"].dropna("network")
    low, high = (summary[f"live_gap_{measure}_{end}"] for end in ("low", "high"))
    unit = " bits" if measure == "information" else ""
    return (
        f"Units that are not silent or constant beside random directions, {meaning}: "
        f"{float(here.mean()):+.3f}{unit} on average, {float(here.min()):+.3f} to "
        f"{float(here.max()):+.3f} by network; higher in {int((low > 0).sum())} of {here.size}, "
        f"lower in {int((high < 0).sum())}."
    )


def shuffled(summary: xr.Dataset) -> str:
    """The share of units and random directions that say more than shuffled labels."""
    unit, other = (
        100 * float(summary["above_information"].sel(kind=kind).mean())
        for kind in ("unit", "random")
    )
    return (
        f"{unit:.0f} % of the units and {other:.0f} % of the random directions say more of the "
        f"class than 95 % of shuffled labels do; {100 * float(summary['silent'].mean()):.0f} % of "
        "the units are silent or constant on all images."
    )


def of_lesions(summary: xr.Dataset) -> Iterator[str]:
    """Whether selective units matter more, and whether modules are specialised."""
    clean = summary.sel(condition="clean")
    drop = 100 * clean["drop"].mean("network")
    yield (
        "Silencing as many units as a module has costs on clean images "
        f"{float(drop.sel(lesion='selective')):.1f} points where they are the most selective, "
        f"{float(drop.sel(lesion='unselective')):.1f} where the least, "
        f"{float(drop.sel(lesion='random')):.1f} where they are random (mean of the networks)."
    )
    costs = summary["selective_costs"].dropna("network")
    if costs.size:
        above = int((summary["selective_costs_low"] > 0).sum())
        below = int((summary["selective_costs_high"] < 0).sum())
        yield (
            "Over single units, Spearman's correlation of selectivity and cost is "
            f"{round(float(costs.mean()), 2) + 0.0:+.2f} on average, above nought in {above} and "
            f"below in {below} of {costs.size} networks."
        )
    modular = clean.isel(network=clean["drop"].sel(lesion="module").notnull().to_numpy())
    if modular.sizes["network"]:
        means = 100 * modular[["drop", "uneven"]].mean("network")
        module, random = means.sel(lesion="module"), means.sel(lesion="random")
        yield (
            f"In {listed(str(n) for n in modular['network'].to_numpy())}, a silenced module "
            f"costs {float(module['drop']):.1f} points, spread over the classes with a standard "
            f"deviation of {float(module['uneven']):.1f}; random units, as many, "
            f"{float(random['drop']):.1f} and {float(random['uneven']):.1f}."
        )
    else:
        yield "No network here has modules, so none was silenced and none is measured."
    if "attacked" in summary["condition"]:
        yield (
            "Inputs under attack were crafted on the intact network, so that a lesion may gain "
            "accuracy there by stepping out of their aim; an attack on what is left finds more."
        )
    else:
        yield "What the reference attack made for each network was not kept; lesions are clean."


def of_modularity(summary: xr.Dataset) -> Iterator[str]:
    """What training did to the modularity of the weights."""
    at = summary.sel(graph="weights", partition="module")
    for name in at["network"].to_numpy()[at["modularity"].notnull().to_numpy()]:
        here = at.sel(network=name)
        q, before = float(here["modularity"]), float(here["modularity_initial"])
        null = here.sel(null="strengths")
        low, high = float(null["modularity_null_low"]), float(null["modularity_null_high"])
        side = "above" if q > high else "below" if q < low else "within"
        yield (
            f"Modularity of the weights of {name} by its modules: {q:.2f}, before training "
            f"{before:.2f}; {side} that of weights shuffled among the same connections "
            f"[{low:.2f}, {high:.2f}], whose strengths do not know of modules as first weights do, "
            "which are larger where a unit has fewer inputs."
        )


def of_population(summary: xr.Dataset) -> Iterator[str]:
    """Whether selectivity goes with robustness, and with how many individuals."""
    for outcome in ("robust", "corruption"):
        table = summary.sel(predictor="selectivity", outcome=outcome)
        parts = [
            correlated(here)
            for among in AMONG
            if np.isfinite((here := table.sel(among=among))["correlation"])
        ]
        if parts:
            yield f"Selectivity and {OUTCOMES[outcome]}, Spearman: {'; '.join(parts)}."
            yield from of_two_clusters(table)
        else:
            yield (
                f"Selectivity and {OUTCOMES[outcome]}: fewer than three networks were measured, "
                "too few for a correlation."
            )
    yield (
        "The networks differ in more than selectivity, and their units are of unlike models: these "
        "correlations describe a small population and name no cause."
    )


def correlated(here: xr.Dataset) -> str:
    """A correlation with its interval, if there is one, among whom, and how many they are."""
    middle, low, high = (float(here[f"correlation{end}"]) for end in ("", "_low", "_high"))
    among = str(here["among"].item())
    within = f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""
    return (
        f"{middle:+.2f}{within} among {'all' if among == 'all' else f'{among} networks'} "
        f"({int(here['correlated'])} individuals of {int(here['networks_correlated'])} networks"
        f"{'' if within else ', too few for an interval'})"
    )


def of_two_clusters(table: xr.Dataset) -> Iterator[str]:
    """Whether the pooled correlation is one within rate and spiking networks, too."""
    pooled = float(table["correlation"].sel(among="all"))
    parts = table["correlation"].sel(among=["rate", "spiking"])
    if not np.isfinite(parts).all():
        return
    along = parts * np.sign(pooled)
    opposed = [str(among) for among in along["among"].to_numpy()[(along < 0).to_numpy()]]
    if (along < abs(pooled)).all():
        yield (
            "It is weaker within either kind of unit than in both together, so that it lies "
            "largely between rate and spiking networks"
            + (f"; within {listed(opposed)} networks it points the other way." if opposed else ".")
        )
