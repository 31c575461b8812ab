"""How alike two recordings of the same cells and images are, spike by spike.

All take labelled recordings with time in ms: `AREA.output` (time, image, AREA.unit) is true where
a cell spikes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.signal import lfilter
from scipy.stats import mannwhitneyu

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FEWEST_INTERVALS = 2  # that a coefficient of variation rests on
KERNEL_MS = 5.0  # van Rossum's time constant


def spikes(recording: xr.Dataset, area: str) -> Bools:
    """(time, image, unit)."""
    values: npt.NDArray[Any] = recording[f"{area}.output"].to_numpy()
    return values > 0.5


def interval_ms(recording: xr.Dataset) -> float:
    """The distance of two samples."""
    time = recording["time"].to_numpy()
    return float(time[1] - time[0])


def rates_hz(recording: xr.Dataset, area: str, duration_ms: float) -> Floats:
    """Mean rate of the area on each image, (image)."""
    return spikes(recording, area).sum(0).mean(1) * (1000 / duration_ms)


def rate_correlation(one: xr.Dataset, other: xr.Dataset, area: str) -> float:
    """Pearson's r of spike counts over all cells and images; NaN where one does not vary."""
    counts = [spikes(each, area).sum(0).ravel().astype(float) for each in (one, other)]
    if min(np.ptp(each) for each in counts) == 0:
        return float("nan")
    return float(np.corrcoef(*counts)[0, 1])


def interspike_intervals(recording: xr.Dataset, area: str) -> tuple[Floats, npt.NDArray[np.int64]]:
    """All intervals between successive spikes in ms, and the train (image x unit) each is of."""
    fired = spikes(recording, area)
    train, sample = np.nonzero(fired.reshape(len(fired), -1).T)
    same = train[1:] == train[:-1]
    return np.diff(sample)[same] * interval_ms(recording), train[1:][same]


def in_steps(recording: xr.Dataset, area: str) -> xr.Dataset:
    """The area's trains on the grid of trained steps: true where a cell spikes within the step.

    Intervals of cells are a fraction longer than a step where units fire at every one; compared
    on the finer grid, that alone would look like another way of firing.
    """
    every = round(float(recording.attrs["step_ms"]) / interval_ms(recording))
    fine = spikes(recording, area)
    fired = fine.reshape(len(fine) // every, every, *fine.shape[1:]).any(axis=1)
    dims = recording[f"{area}.output"].dims
    time = recording["time"].to_numpy()[::every]
    return xr.Dataset({f"{area}.output": (dims, fired)}, {"time": time}, recording.attrs)


def coefficients_of_variation(recording: xr.Dataset, area: str) -> Floats:
    """Standard deviation over mean of the intervals of each train with at least two of them.

    Whole samples are summed, so that a regular train is at 0 exactly whatever the sampling.
    """
    intervals, train = interspike_intervals(recording, area)
    samples = np.rint(intervals / interval_ms(recording))
    count, total, squares = (
        np.bincount(train, weights=weights) for weights in (None, samples, samples**2)
    )
    known = count >= FEWEST_INTERVALS
    count, total, squares = count[known], total[known], squares[known]
    return np.sqrt(count * squares - total**2) / total


def cliffs_delta(sample: Floats, baseline: Floats) -> float:
    """Cliff's delta: P(sample > baseline) - P(sample < baseline), in [-1, 1]; NaN without data.

    Cliff 1993, Psychol. Bull. 114:494-509; by the Mann-Whitney statistic.
    """
    if not len(sample) or not len(baseline):
        return float("nan")
    pairs = len(sample) * len(baseline)
    return float(2 * mannwhitneyu(sample, baseline).statistic / pairs - 1)


def divergence(one: xr.Dataset, other: xr.Dataset, area: str) -> float:
    """Van Rossum's distance between the trains of each cell and image, per spike; 0 where equal.

    The squared distance with an exponential kernel of 5 ms (van Rossum 2001, Neural Comput.
    13:751-763), scaled so that a lone spike without a counterpart is at a distance of 1, summed
    over all trains and divided by the number of all spikes: 1 where single spikes have no
    counterpart nearby, more where cells fire bursts alone. Spikes of the coarser recording are put
    on the grid of the finer one; what the kernel does after the last sample counts. NaN where
    nothing spikes.
    """
    step = min(interval_ms(one), interval_ms(other))
    first, second = (on_grid(each, area, step) for each in (one, other))
    length = max(len(first), len(second))
    first, second = (np.pad(each, ((0, length - len(each)), (0, 0))) for each in (first, second))
    total = first.sum() + second.sum()
    if not total:
        return float("nan")
    decay = np.exp(-step / KERNEL_MS)
    difference = lfilter([1.0], [1.0, -decay], first - second, axis=0)
    # a lone spike sums to 1 / (1 - decay**2)
    squared = (difference**2).sum() + (difference[-1] ** 2).sum() * decay**2 / (1 - decay**2)
    return float(squared * (1 - decay**2) / total)


def on_grid(recording: xr.Dataset, area: str, step_ms: float) -> npt.NDArray[np.float32]:
    """The trains (time, image x unit) at ``step_ms``, spikes at the start of their samples."""
    fired = spikes(recording, area).reshape(recording.sizes["time"], -1)
    every = round(interval_ms(recording) / step_ms)
    grid = np.zeros((len(fired) * every, fired.shape[1]), np.float32)
    grid[::every] = fired
    return grid
