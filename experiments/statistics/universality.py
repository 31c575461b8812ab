"""In how many individuals the same input is a blind spot, beside what chance would give.

If individuals failed independently of one another, each at its own rate, the number that fail on
one image would follow the Poisson binomial distribution of those rates (Wang 1993, Stat. Sinica
3:295-312). More images that fool nobody and more that fool all, a variance above the expected one,
mean that blind spots are shared: by likeness of the networks, or because some images are harder
than others for all.

Only images count that every individual answers right when clean.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import poisson_binom

from experiments.statistics.accuracies import common_images
from experiments.statistics.draws import Bools, Floats, variables, with_interval
from experiments.statistics.paired import resampled
from experiments.statistics.transfer import PAIR, outcomes

WAYS = ("direct", "transferred")
Ints = npt.NDArray[np.int64]


def universality(
    result: xr.Dataset, *, generator: np.random.Generator, resamples: int = 2000
) -> xr.Dataset:
    """Histograms of the number of individuals fooled, and their spread.

    Returns:
        By ``way``: "direct", each individual by what was crafted on it, one count per image;
        "transferred", one count per crafted input, over all individuals but the one it was crafted
        on, and the expectation is that of each source's inputs.

        - ``fooling``, ``expected`` (way, count): number of inputs that fool exactly that many;
        - ``asked`` (way): of how many individuals; ``inputs`` (way);
        - ``dispersion`` (way): variance of the count over the expected one, 1 if individuals fail
          independently; with its interval over images;
        - ``others_fooled`` (source, source_individual, image): that count of each crafted input,
          and ``directly_fooled`` (image); -1 for images that do not count.
    """
    seen, common = outcomes(result), common_images(result["clean_correct"]).to_numpy()
    direct = seen.direct[seen.attacked][None]  # (1, individual, image)
    carried, crafted = carried_to_others(seen.fooled, seen.measured, seen.own)
    images = int(common.sum())
    weights = resampled(max(images, 1), generator, resamples).astype(float)
    weights = np.vstack([np.full((1, weights.shape[1]), 1 / weights.shape[1]), weights])
    most = max(direct.shape[1], carried.shape[1])
    fooling, expected, spread = np.zeros((2, most + 1)), np.zeros((2, most + 1)), []
    for way, each in enumerate((direct[..., common], carried[..., common])):
        asked = each.shape[1]
        fooling[way] = np.bincount(each.sum(1).ravel(), minlength=most + 1)
        expected[way, : asked + 1] = sum(
            (independent(rates) * images for rates in share(each)), np.zeros(asked + 1)
        )
        spread.append(dispersion(each, weights))
    counts = np.full((*crafted.shape, len(common)), -1)
    counts[crafted] = np.where(common, carried.sum(1), -1)
    return variables(
        {"way": ("way", list(WAYS)), "count": ("count", np.arange(most + 1))},
        {"fooling": (("way", "count"), fooling), "expected": (("way", "count"), expected)},
        {"asked": ("way", [direct.shape[1], carried.shape[1]])},
        {"inputs": ("way", [images, images * len(carried)])},
        with_interval("dispersion", np.stack(spread, 1), ("way",)),
        {"others_fooled": ((*PAIR[:2], "image"), counts)},
        {"directly_fooled": ("image", np.where(common, direct[0].sum(0), -1))},
    )


def carried_to_others(fooled: Bools, measured: Bools, own: Ints) -> tuple[Bools, Bools]:
    """Whether each crafted set fools each of the others, (set, other, image), and which sets.

    Individuals that were not asked about every set are left out, here and there; the second is
    bool (source, source individual).
    """
    sources, each, targets, individuals, images = fooled.shape
    asked = measured.reshape(sources * each, targets * individuals)
    place = (own[:, None] * individuals + np.arange(each)).ravel()
    crafted = np.asarray(asked.any(1))
    whole = np.asarray(asked[crafted].all(0))
    crafted &= whole[place]
    flat = fooled.reshape(*asked.shape, images)
    rows = [flat[s][whole & (np.arange(len(whole)) != place[s])] for s in np.flatnonzero(crafted)]
    carried = np.stack(rows) if rows else np.zeros((0, 0, images), bool)
    return carried, crafted.reshape(sources, each)


def share(fooled: Bools) -> Floats:
    """Each individual's rate, (set, individual)."""
    return fooled.mean(-1) if fooled.shape[-1] else np.zeros(fooled.shape[:-1])


def independent(rates: Floats) -> Floats:
    """Probability of 0, 1, ... n failures of individuals that fail independently at ``rates``."""
    if not len(rates):
        return np.ones(1)
    probability: Floats = poisson_binom.pmf(np.arange(len(rates) + 1), rates)
    return probability


def dispersion(fooled: Bools, weights: Floats) -> Floats:
    """Variance of the number fooled over that of independent failures, by draw of the images.

    Both are pooled over the sets; the rates are those of each draw.

    Args:
        fooled: (set, individual, image).
        weights: (draw, image), rows sum to 1.
    """
    if not fooled.shape[-1] or not fooled.shape[0]:
        return np.full(len(weights), np.nan)
    counts = fooled.sum(1).astype(float)
    rates = np.einsum("rm,sim->rsi", weights, fooled.astype(float), optimize=True)
    variance = weights @ (counts**2).T - rates.sum(-1) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Floats = variance.sum(1) / (rates * (1 - rates)).sum((1, 2))
    return ratio


def most_universal(counts: xr.DataArray, number: int) -> list[tuple[int, int, int]]:
    """Source, source individual and image, as places, of the inputs that fool most others.

    One input of each image; at a tie the image whose inputs fool more on the whole.
    """
    values = counts.transpose(*PAIR[:2], "image").to_numpy()
    flat = values.reshape(-1, values.shape[-1])
    best, mean = flat.max(0), flat.mean(0)
    order = np.lexsort((-mean, -best))[:number]
    chosen = [(int(flat[:, m].argmax()), int(m)) for m in order if best[m] >= 0]
    return [(*divmod(at, values.shape[1]), m) for at, m in chosen]
