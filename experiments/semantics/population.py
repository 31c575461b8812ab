"""Does selectivity predict robustness over the individuals of a population?

Leavitt & Morcos (2020, arXiv 2007.04440) found that networks made more class-selective withstand
adversarial inputs better and corruptions worse. Here nothing is made selective: Spearman's rank
correlation over trained individuals says what goes together, and not what causes what. Individuals
of one network are no independent draws, so the bootstrap redraws networks, and individuals within
each.
"""

import numpy as np
import xarray as xr
from scipy import stats

from experiments.semantics.activity import Floats
from experiments.statistics.accuracies import per_individual
from experiments.statistics.draws import Bools, with_interval
from experiments.statistics.views import by_view

PREDICTORS = ("selectivity", "information")
OUTCOMES = {
    "clean": "clean accuracy",
    "robust": "accuracy under the reference attack on the network itself",
    "corruption": "mean accuracy under the corruptions of MNIST-C",
}
AMONG = ("all", "rate", "spiking")
FEWEST = 3  # networks that a correlation needs
FEWEST_REDRAWN = 4  # networks that its interval needs
RESAMPLES = 1000
FACTS = ("recurrence", "modules", "units", "role")


def outcomes(compared: xr.Dataset, names: list[str]) -> xr.Dataset:
    """``clean_accuracy``, ``robust_accuracy`` and ``corruption_accuracy`` (network, individual).

    Of a comparison's individuals; NaN where it did not measure them.
    """
    attack, epsilon = (compared.attrs[f"reference_{each}"] for each in ("attack", "epsilon"))
    seen = by_view(compared.sel(attack=[attack])).sel(view="white-box", attack=attack)
    seen = seen.sel(epsilon=epsilon, method="nearest")
    clean = compared["clean_correct"]
    table = xr.Dataset(
        {
            "clean_accuracy": per_individual(clean, clean >= 0),
            "robust_accuracy": per_individual(seen, seen >= 0),
            "corruption_accuracy": corrupted(compared),
        }
    )
    facts = [name for name in FACTS if name in compared.coords]
    wanted = table.reset_coords(drop=True).assign_coords({f: compared[f] for f in facts})
    return wanted.sel(network=names)


def corrupted(compared: xr.Dataset) -> xr.DataArray:
    """Mean over MNIST-C's corruptions at its severities of each individual's accuracy."""
    missing = xr.full_like(compared["clean_correct"].isel(image=0, drop=True), np.nan, float)
    if "corruption_correct" not in compared:
        return missing
    correct = compared["corruption_correct"]
    defaults = correct["default_severity"].to_numpy()
    shares = [
        per_individual(here, here >= 0).reset_coords(drop=True)
        for at in np.flatnonzero(defaults)
        for here in [correct.isel(corruption=at).sel(severity=defaults[at])]
    ]
    return xr.concat(shares, "corruption").mean("corruption", skipna=False) if shares else missing


def correlations(result: xr.Dataset, generator: np.random.Generator) -> xr.Dataset:
    """``correlation`` (among, predictor, outcome), its interval, and ``correlated`` (among, ...).

    ``correlated`` counts the individuals, ``networks_correlated`` the networks; where these are
    fewer than three the correlation is NaN, where fewer than four its interval. A predictor is the
    mean over areas of the mean over units.
    """
    of_units = result.sel(kind="unit")
    shape = (len(AMONG), len(PREDICTORS), len(OUTCOMES))
    draws = np.full((RESAMPLES + 1, *shape), np.nan)
    individuals, networks = np.zeros(shape, int), np.zeros(shape, int)
    for a, among in enumerate(AMONG):
        kept = np.full(result.sizes["network"], True)
        if among != "all":
            kept = (result["units"] == among).to_numpy()
        for p, predictor in enumerate(PREDICTORS):
            x = of_units[predictor].mean("member").mean("area").transpose("network", "individual")
            for o, outcome in enumerate(OUTCOMES):
                y = result[f"{outcome}_accuracy"].transpose("network", "individual")
                pairs = np.stack([x.to_numpy()[kept], y.to_numpy()[kept]])
                there = np.isfinite(pairs).all(0)
                individuals[a, p, o] = there.sum()
                networks[a, p, o] = there.any(1).sum()
                if networks[a, p, o] >= FEWEST_REDRAWN:
                    draws[:, a, p, o] = rank_correlations(pairs, generator)
                elif networks[a, p, o] >= FEWEST:
                    draws[0, a, p, o] = spearman(pairs[:, there])
    dims = ("among", "predictor", "outcome")
    return xr.Dataset(
        with_interval("correlation", draws, dims)
        | {"correlated": (dims, individuals), "networks_correlated": (dims, networks)},
        coords={"among": list(AMONG), "predictor": list(PREDICTORS), "outcome": list(OUTCOMES)},
    )


def rank_correlations(pairs: Floats, generator: np.random.Generator) -> Floats:
    """Spearman's correlation of (2, network, individual), NaN where absent, and of resamples.

    A resample in which one side does not vary is NaN.
    """
    there: Bools = np.asarray(np.isfinite(pairs).all(0))
    rows = [pairs[:, at, present] for at, present in enumerate(there) if present.any()]
    found = [spearman(np.concatenate(rows, axis=1))]
    for _ in range(RESAMPLES):
        picked = [rows[at] for at in generator.integers(len(rows), size=len(rows))]
        drawn = [row[:, generator.integers(row.shape[1], size=row.shape[1])] for row in picked]
        found.append(spearman(np.concatenate(drawn, axis=1)))
    return np.array(found)


def spearman(pairs: Floats) -> float:
    """Pearson's correlation of the ranks of (2, n); NaN where one side does not vary."""
    ranks = stats.rankdata(pairs, axis=1)
    if (ranks.std(1) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])
