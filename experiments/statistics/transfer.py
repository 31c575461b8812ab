"""How far adversarial inputs carry from individual to individual and from kind to kind.

Conditioning. The transfer rate from a source to a target is taken over the images that both
answer right when clean and whose crafted input the source answers wrong: the share of these inputs
that the target answers wrong, too. (Errors over all images, whatever anybody answered, are
``error``.) On its own inputs an individual has no transfer rate; what its own attack does is
``direct``, the share of the images it answers right when clean. A source that its attack seldom
fools says little: its rate is over few and easy images.

Rates of networks are means over pairs of individuals, of two different ones where source and
target are the same network. Where a resample holds one individual of a network alone, such pairs
keep their weights: with two individuals their interval speaks of the images alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats
from statsmodels.stats.multitest import multipletests

from experiments.statistics.draws import (
    Bools,
    Draws,
    Floats,
    averaged,
    draw,
    variables,
    with_interval,
)

RELATIONS = ("same network", "same kind", "other kind")
PART = "same part"
PAIR = ("source", "source_individual", "network", "individual")


@dataclass(frozen=True)
class Outcomes:
    """Who was fooled: all bool, ``s`` a source, ``t`` a target, ``m`` an image.

    ``right`` (t, i, m) when clean; ``direct`` (t, i, m) fooled by its own attack, where right;
    ``attacked`` (t, i) its own attack was measured; ``eligible`` (s, j, t, i, m) both right and
    the source fooled, of two different individuals; ``fooled`` (s, j, t, i, m) target wrong;
    ``alike`` (s, j, t, i, m) target answers as the source does; ``measured`` (s, j, t, i).
    ``own`` is each source's place among the targets.
    """

    right: Bools
    direct: Bools
    attacked: Bools
    eligible: Bools
    fooled: Bools
    alike: Bools
    measured: Bools
    own: npt.NDArray[np.int64]


def outcomes(result: xr.Dataset) -> Outcomes:
    """From the labelled result, see :func:`experiments.transfer.assemble.assemble`."""
    correct = result["correct"].transpose(*PAIR, "image").to_numpy()
    clean = result["clean_correct"].transpose("network", "individual", "image").to_numpy()
    names = list(result["network"].to_numpy())
    own = np.array([names.index(s) for s in result["source"].to_numpy()], dtype=np.int64)
    right = np.asarray(clean == 1)
    measured = np.asarray((correct >= 0).any(-1))
    direct, attacked = np.zeros_like(right), np.zeros(right.shape[:2], bool)
    who = np.arange(right.shape[1])
    for s, t in enumerate(own):
        direct[t] = (correct[s, who, t, who] == 0) & right[t]
        attacked[t] = measured[s, who, t, who]
    eligible = direct[own][:, :, None, None] & right & (correct >= 0)
    for s, t in enumerate(own):
        eligible[s, who, t, who] = False
    answers = result["prediction"].transpose(*PAIR, "image").to_numpy()
    alike = np.zeros_like(eligible)
    for s, t in enumerate(own):
        alike[s] = answers[s] == answers[s, who, t, who][:, None, None]
    return Outcomes(right, direct, attacked, eligible, correct == 0, alike, measured, own)


def summarise_transfer(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int = 2000
) -> xr.Dataset:
    """Every number about transfer that figures and report state.

    Returns:
        A dataset of fractions of 1, each with ``_low`` and ``_high`` (95 %, see
        :mod:`experiments.statistics.draws`) unless said otherwise:

        - ``rate`` (source, network), ``error`` (source, network; no interval); ``same_class``
          (source, network): of what carries over, what the target takes for the class that the
          source takes it for, one in nine if wrong answers were drawn at random;
        - ``direct`` (network), ``noise`` (network; the first noise control);
        - ``incoming`` (network), ``outgoing`` (source): mean rate over all other networks;
          ``excess`` (network): incoming over noise;
        - ``missed`` (network): images that its own attack failed on, yet a transferred input
          fools; of those right when clean. What a better direct attack finds at least;
        - ``asymmetry`` (source, network): rate there less rate back, with ``asymmetry_p``
          (Holm, over all pairs of networks; z test with the bootstrap's deviation);
        - ``relation_rate`` (relation, part_relation): mean rate of pairs of one relation, over the
          network pairs; ``effect`` (likeness): see :func:`effects`.
    """
    seen = outcomes(result)
    draws = draw(np.asarray(seen.right.any(-1)), seen.right.shape[-1], generator, resamples)
    pairs = draws.shares(seen.fooled, seen.eligible)
    rates = of_networks(pairs, seen, draws.individuals)
    carried = seen.eligible & seen.fooled
    agreed = of_networks(draws.shares(seen.alike, carried), seen, draws.individuals)
    everyone = np.broadcast_to(seen.measured[..., None], seen.fooled.shape)
    error = of_networks(draws_of_sample(draws).shares(seen.fooled, everyone), seen,
                        draws.individuals[:1])  # fmt: skip
    names = ("source", "network")
    table = variables(
        with_interval("rate", rates, names),
        {"error": (names, error[0])},
        with_interval("same_class", agreed, names),
        with_interval("same_class_overall", between(agreed, seen.own), ()),
        {"individuals_scored": ("network", seen.right.any(-1).sum(1))},
        marginals(result, seen, draws, rates),
        asymmetry(rates, seen.own),
        relations(result, pairs, seen, draws.individuals),
    )
    for name in ("network", "source"):
        table = table.assign_coords({c: v for c, v in result.coords.items() if v.dims == (name,)})
    return table.assign_attrs(result.attrs | {"images": result.sizes["image"]})


def draws_of_sample(draws: Draws) -> Draws:
    """The sample alone."""
    return Draws(draws.images[:1], draws.individuals[:1])


def pair_weights(individuals: Floats, own: npt.NDArray[np.int64]) -> Floats:
    """Of source individual and individual: (draw, source, j, network, i); see the module."""
    weights = np.einsum("rsj,rti->rsjti", individuals[:, own], individuals)
    who = np.arange(individuals.shape[2])
    for s, t in enumerate(own):
        weights[:, s, who, t, who] = 0.0
        alone = ~weights[:, s, :, t].any((1, 2))
        weights[alone, s, :, t] = weights[0, s, :, t]
    return weights


def of_networks(pairs: Floats, seen: Outcomes, individuals: Floats) -> Floats:
    """Mean over pairs of two different individuals, (draw, source, network)."""
    return averaged(pairs, pair_weights(individuals, seen.own), (2, 4))


def between(values: Floats, own: npt.NDArray[np.int64]) -> Floats:
    """Mean over pairs of different networks, (draw)."""
    others = np.where(np.arange(values.shape[2]) == own[:, None], np.nan, values)
    return averaged(others, np.ones_like(others), (1, 2))


def marginals(
    result: xr.Dataset, seen: Outcomes, draws: Draws, rates: Floats
) -> dict[str, tuple[object, ...]]:
    """What each network suffers and does, beside its own attack and noise."""
    individual = draws.individuals
    attacked = seen.attacked[..., None] & seen.right
    direct = averaged(draws.shares(seen.direct, attacked), individual, (2,))
    carried = seen.eligible & seen.fooled
    missed = draws.shares(carried.any((0, 1)) & ~seen.direct, attacked)
    noise = np.full_like(direct, np.nan)
    if result.sizes.get("noise"):
        noisy = result["noise_correct"].isel(noise=0).transpose("network", "individual", "image")
        answered = noisy.to_numpy()
        noise = draws.shares(answered == 0, seen.right & (answered >= 0))
        noise = averaged(noise, individual, (2,))
    others = np.where(np.arange(rates.shape[2]) == seen.own[:, None], np.nan, rates)
    incoming, outgoing = (averaged(others, np.ones_like(others), (axis,)) for axis in (1, 2))
    found: dict[str, tuple[object, ...]] = {}
    for name, values in {
        "direct": direct,
        "noise": noise,
        "incoming": incoming,
        "excess": incoming - noise,
        "missed": averaged(missed, individual, (2,)),
    }.items():
        found |= with_interval(name, values, ("network",))
    return found | with_interval("outgoing", outgoing, ("source",))


def asymmetry(rates: Floats, own: npt.NDArray[np.int64]) -> dict[str, tuple[object, ...]]:
    """Rate from source to network less the rate back, NaN where one of them is no source."""
    there = np.full_like(rates, np.nan)
    there[:, :, own] = rates[:, :, own] - rates[:, :, own].swapaxes(1, 2)
    spread = there[1:].std(0)
    p = np.full(spread.shape, np.nan)
    upper = np.triu_indices(len(own), 1)
    first, second = (each[np.isfinite(there[0][upper[0], own[upper[1]]])] for each in upper)
    if len(first):
        apart, deviation = there[0, first, own[second]], spread[first, own[second]]
        z = np.divide(np.abs(apart), deviation, out=np.zeros_like(apart), where=deviation > 0)
        corrected = multipletests(2 * stats.norm.sf(z), method="holm")[1]
        p[first, own[second]] = p[second, own[first]] = corrected
    names = ("source", "network")
    return with_interval("asymmetry", there, names) | {"asymmetry_p": (names, p)}


def relations(
    result: xr.Dataset, pairs: Floats, seen: Outcomes, individuals: Floats
) -> dict[str, tuple[object, ...]]:
    """Mean rates by relation and part, and the effects of relation and part."""
    weights = pair_weights(individuals, seen.own)
    part = result["part"].to_numpy()
    divided = len(np.unique(part)) > 1
    same = (part[:, None] == part)[None, None, :, None, :]
    split = {"same part": same, "other part": ~same} if divided else {"one part": np.True_}
    rates = np.stack([averaged(pairs, weights * each, (2, 4)) for each in split.values()])
    rates = np.where(np.isfinite(rates), rates, rates[:, :1])  # draws without such pairs
    relation = relation_of(result, seen.own)
    rows = [
        [averaged(each, (relation == at) * np.ones_like(each), (1, 2)) for each in rates]
        for at in range(len(RELATIONS))
    ]
    table = np.stack([np.stack(row, -1) for row in rows], 1)
    found = with_interval("relation_rate", table, ("relation", "part_relation"))
    adjusted = effects(rates, relation)
    return (
        found
        | {"relation": ("relation", list(RELATIONS)), "part_relation": ("part_relation", [*split])}
        | with_interval("effect", adjusted, ("likeness",))
        | {"likeness": ("likeness", [*RELATIONS[:2], PART])}
    )


def relation_of(result: xr.Dataset, own: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Which of `RELATIONS` (source, network) stand in."""
    kind = result["kind"].to_numpy()
    places = np.arange(len(kind))
    unlike = np.where(kind[own][:, None] == kind, 1, 2)
    return np.where(own[:, None] == places, 0, unlike)


def effects(rates: Floats, relation: npt.NDArray[np.int64]) -> Floats:
    """What a relation adds to the rate, whoever crafts and whoever answers: (draw, likeness).

    Least squares on rate = source + target + [same network] + [same kind, other network] + [same
    part], over pairs of networks (and parts), so that neither a strong source nor a target that
    is easily fooled passes for a likeness of the two. NaN where the pairs do not determine it.

    Args:
        rates: (part relation, draw, source, network); the first of two is the same part.
        relation: (source, network), places in `RELATIONS`.
    """
    cells, sources, targets = rates.shape[0], rates.shape[2], rates.shape[3]
    part, s, t = (each.ravel() for each in np.indices((cells, sources, targets)))
    related = relation[s, t]
    design = np.column_stack(
        [np.eye(sources)[s], np.eye(targets)[t], related == 0, related == 1, (part == 0)]
    ).astype(float)
    answers = rates.swapaxes(0, 1).reshape(rates.shape[1], -1)
    known = np.asarray(np.isfinite(answers).all(0))
    inverse = np.linalg.pinv(design[known])
    estimable = np.isclose(inverse @ design[known], np.eye(design.shape[1]))[-3:].all(1)
    found: Floats = answers[:, known] @ inverse[-3:].T
    return np.where(estimable, found, np.nan)
