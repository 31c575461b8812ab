"""How far one change of all images misleads the networks it was crafted on, and others.

Errors are over all images, whatever anybody answers when clean: the clean error and that under
random signs of the same size stand beside them. Intervals are those of
:mod:`experiments.statistics.draws`; the perturbations and the draws of the signs are held fixed.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from experiments.statistics.draws import Draws, Floats, averaged, draw, variables, with_interval

ALL = "all networks"  # the source that is all of them at once
WHO = ("first", "fresh")
KEPT = tuple(
    f"universal_{of}{what}" for of in ("", "noise_") for what in ("perturbation", "distance")
)


def summarise_universal(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int = 2000
) -> xr.Dataset:
    """Every number about universal perturbations that figures and report state.

    Perturbations are crafted on individuals of index 0, "first"; the mean of all other individuals,
    which no perturbation was crafted on, is "fresh", NaN where a network has no other.

    Args:
        result: see :func:`experiments.transfer.universal.universal_outcomes`.
        generator: of the resamples.
        resamples: how many.

    Returns:
        Empty where the result holds no universal perturbations. Else fractions of 1, each with
        ``_low`` and ``_high`` (95 %), by ``who`` of the individuals answers:

        - ``universal_error`` and ``universal_excess``, which is error less that under random signs
          on the same images (universal_source, budget, network, who);
        - ``signs_error`` (budget, network, who), mean over draws; ``clean_error`` (network, who);
        - ``universal_own``, ``universal_others`` (universal_source, budget, who): mean error of the
          networks that it was crafted on, and of all others;
        - ``own_error``, ``others_error`` (budget, who): means of these over the perturbations that
          were crafted on one network; ``signs_mean`` (budget, who) and ``clean_mean`` (who) over
          the networks.

        The perturbations themselves come along.
    """
    if "universal_correct" not in result:
        return xr.Dataset()
    clean = result["clean_correct"].transpose("network", "individual", "image").to_numpy()
    sources = [str(source) for source in result["universal_source"].to_numpy()]
    networks = [str(network) for network in result["network"].to_numpy()]
    measured = np.asarray((clean >= 0).any(-1))
    measured[:, 0] = False  # fresh individuals are redrawn among themselves
    draws = draw(measured, clean.shape[-1], generator, resamples)
    crafted, signs, unchanged = (
        errors(result[f"{name}_correct"], draws)
        for name in ("universal", "universal_noise", "clean")
    )
    signs = signs.mean(1)
    own, others = own_and_others(crafted, sources, networks)
    one = np.array([source != ALL for source in sources])
    cells, means = ("universal_source", "budget", "network", "who"), ("budget", "who")
    table = variables(
        with_interval("universal_error", crafted, cells),
        with_interval("universal_excess", crafted - signs[:, None], cells),
        with_interval("signs_error", signs, cells[1:]),
        with_interval("clean_error", unchanged, cells[2:]),
        with_interval("universal_own", own, (cells[0], *means)),
        with_interval("universal_others", others, (cells[0], *means)),
        with_interval("own_error", mean(own[:, one], 1), means),
        with_interval("others_error", mean(others[:, one], 1), means),
        with_interval("signs_mean", mean(signs, 2), means),
        with_interval("clean_mean", mean(unchanged, 1), ("who",)),
    )
    return table.assign_coords(who=list(WHO), network=networks).merge(result[list(KEPT)])


def errors(correct: xr.DataArray, draws: Draws) -> Floats:
    """Of the first and of fresh individuals, (draw, ..., network, who)."""
    answers = correct.transpose(..., "network", "individual", "image").to_numpy()
    shares = draws.shares(np.asarray(answers == 0), np.asarray(answers >= 0))
    between = [1] * (shares.ndim - 3)
    weights = draws.individuals.reshape(len(shares), *between, *shares.shape[-2:])
    fresh = averaged(shares, np.broadcast_to(weights, shares.shape), (-1,))
    return np.stack([shares[..., 0], fresh], -1)


def own_and_others(
    values: Floats, sources: list[str], networks: list[str]
) -> tuple[Floats, Floats]:
    """Means over the networks crafted on and over the rest, (draw, source, budget, who).

    Args:
        values: (draw, source, budget, network, who).
        sources: their names.
        networks: their names.
    """
    everyone = {source for source in sources if source != ALL}
    crafted_on: npt.NDArray[np.bool_] = np.array(
        [[n in (everyone if source == ALL else {source}) for n in networks] for source in sources]
    )
    mask = crafted_on[:, None, :, None]
    own, others = (mean(np.where(here, values, np.nan), 3) for here in (mask, ~mask))
    return own, others


def mean(values: Floats, axis: int) -> Floats:
    """Mean of what is known; NaN where nothing is."""
    return averaged(values, np.ones_like(values), (axis,))
