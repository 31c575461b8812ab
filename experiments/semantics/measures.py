"""How much an activity says of the class, beside what it says of shuffled labels.

Selectivity (Morcos et al. 2018, arXiv 1803.06959; Leavitt & Morcos 2020, arXiv 2003.01262), with
activity counted from its smallest value over the images, so that projections, which may be
negative, have an index too:

    s = (m_best - m_rest) / (m_best + m_rest),   m_rest the mean of the other classes' means.

Mutual information with the class, in bits, from counts in at most ``BINS`` bins of equally many
images, with the bias correction of Miller & Madow (1955): I + (K_a + K_c - K_ac - 1) / (2 N ln 2),
where K count the bins, classes and pairs that occur among N images. Images of the same activity
share a bin, so silence and numbers of spikes are bins of their own.

Purity and entropy (bits) of the classes of the ``TOP`` images of highest activity. Images that tie
for the last places share them, so that no order of images decides.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MEASURES = {
    "selectivity": "class selectivity index, 0 to 1",
    "information": "mutual information with the class, bits",
    "purity": "share of the commonest class among the top images",
    "entropy": "entropy of the classes of the top images, bits",
}
TAIL = {"entropy": -1}  # the measures that are low where an activity says much
BINS = 8
TOP = 10
PERMUTATIONS = 100


@dataclass(frozen=True)
class Prepared:
    """What the measures need of activities (image, member), whatever the labels.

    ``height`` is the activity above its smallest, ``bins`` the bin from 0 to ``BINS`` - 1, and
    ``top`` the share of a place that an image has among the ``TOP``.
    """

    height: Floats
    bins: Ints
    top: Floats

    @property
    def is_silent(self) -> npt.NDArray[np.bool_]:
        """The members whose activity is the same for all images."""
        return self.height.max(0) == 0


def prepared(activity: Floats) -> Prepared:
    """From activities (image, member)."""
    edges = np.quantile(activity, np.arange(1, BINS) / BINS, axis=0)
    bins = (activity[:, None] > edges).sum(1)
    return Prepared(activity - activity.min(0), bins, top_shares(activity))


def top_shares(activity: Floats) -> Floats:
    """The share of each image (image, member) in the ``TOP`` places: 0, 1, or between in a tie."""
    places = min(TOP, len(activity))
    last = np.sort(activity, axis=0)[-places]
    above, tied = activity > last, activity == last
    return above + tied * (places - above.sum(0)) / tied.sum(0)


def measured(ready: Prepared, labels: Ints) -> dict[str, Floats]:
    """Every one of ``MEASURES`` (member,); selectivity is NaN where an activity is constant."""
    classes = np.unique(labels)
    one_hot = (labels[:, None] == classes).astype(float)
    shares = one_hot.T @ ready.top / ready.top.sum(0)
    return {
        "selectivity": selectivity(one_hot.T @ ready.height / one_hot.sum(0)[:, None]),
        "information": information(ready.bins, one_hot.argmax(1), len(classes)),
        "purity": shares.max(0),
        "entropy": entropy(shares.T),
    }


def selectivity(means: Floats) -> Floats:
    """The index from mean activities (class, member) that are not negative; NaN where all are 0."""
    best = means.max(0)
    rest = (means.sum(0) - best) / (len(means) - 1)
    with np.errstate(invalid="ignore"):
        index: Floats = (best - rest) / (best + rest)
    return index


def information(bins: Ints, classes: Ints, count: int) -> Floats:
    """Bits about ``classes`` (image,), from 0 to ``count`` - 1, in ``bins`` (image, member)."""
    images, members = bins.shape
    cell = (np.arange(members) * BINS + bins) * count + classes[:, None]
    joint = np.bincount(cell.ravel(), minlength=members * BINS * count)
    joint = joint.reshape(members, BINS, count)
    margins = (joint.sum(2), joint.sum(1), joint.reshape(members, -1))
    of_bin, of_class, of_both = (entropy(each / images) for each in margins)
    bins_there, classes_there, both_there = ((each > 0).sum(1) for each in margins)
    correction = (bins_there + classes_there - both_there - 1) / (2 * images * np.log(2))
    bits: Floats = of_bin + of_class - of_both + correction
    return bits


def entropy(shares: Floats) -> Floats:
    """Bits, of shares (..., outcome) that sum to 1."""
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return 0.0 - (shares * logs).sum(-1)


def against_null(
    ready: Prepared, labels: Ints, generator: np.random.Generator
) -> dict[str, Floats]:
    """The measures, and what they are where labels are shuffled over the images.

    Returns:
        By measure, (member,); with ``_null``, ``_null_low`` and ``_null_high`` behind its name the
        mean and the 95 % interval of ``PERMUTATIONS`` shuffles, and with ``_p`` the share of
        shuffles that say as much, the sample itself counted (Phipson & Smyth 2010).
    """
    found = measured(ready, labels)
    rows = [measured(ready, generator.permutation(labels)) for _ in range(PERMUTATIONS)]
    for name in MEASURES:
        null, sign = np.stack([row[name] for row in rows]), TAIL.get(name, 1)
        as_much = (sign * null >= sign * found[name] - 1e-12).sum(0)
        found |= {
            f"{name}_null": null.mean(0),
            f"{name}_null_low": np.quantile(null, 0.025, axis=0),
            f"{name}_null_high": np.quantile(null, 0.975, axis=0),
            f"{name}_p": np.where(
                np.isnan(found[name]), np.nan, (as_much + 1) / (PERMUTATIONS + 1)
            ),
        }
    return found
