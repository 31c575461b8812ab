"""What a network would answer at each step, when it is led astray, and whether it comes back."""

import numpy as np
import xarray as xr

from experiments.dynamics.measures.parts import CLEAN

NONE = -1  # no answer yet


def decisions(recordings: xr.Dataset) -> xr.Dataset:
    """The decision variable and the answer, at each step and accumulated over the read-out.

    With the output's potentials o_c[t], the label y and the steps A over which the answer is read,

        margin[t] = o_y[t] - max_{c != y} o_c[t],        answer[t] = argmax_c o_c[t]

    and ``running_margin``, ``running_answer`` the same of the mean of o over the steps of A up to
    t: at the last step they are the network's own. (The accumulated evidence for one alternative
    over the next is the decision variable of Gold & Shadlen 2007, Annu. Rev. Neurosci. 30:535.)

    Returns:
        ``margin``, ``running_margin`` (condition, time, image), the latter NaN before the read-out,
        and ``answer``, ``running_answer``, int8 of the same shape, the latter -1 before.
    """
    potential, so_far = potentials(recordings), evidence(recordings)
    label = recordings["label"]
    order = ("condition", "time", "image")
    begun = so_far.notnull().any("class")
    found = {
        "margin": margin(potential, label),
        "running_margin": margin(so_far, label).where(begun),
        "answer": potential.argmax("class").astype(np.int8),
        "running_answer": so_far.fillna(0).argmax("class").where(begun, NONE).astype(np.int8),
    }
    return xr.Dataset({name: each.transpose(*order) for name, each in found.items()})


def potentials(recordings: xr.Dataset) -> xr.DataArray:
    """Those of the output, with the dimension class."""
    area = str(recordings.attrs["output"])
    return recordings[f"{area}.potential"].rename({f"{area}.unit": "class"})


def evidence(recordings: xr.Dataset) -> xr.DataArray:
    """The mean of the output's potentials over the steps of the answer so far; NaN before."""
    potential = potentials(recordings)
    steps = np.atleast_1d(recordings.attrs["answers"])
    read = xr.DataArray(np.isin(np.arange(potential.sizes["time"]), steps), dims="time")
    count = read.cumsum("time")
    return (potential * read).cumsum("time") / count.where(count > 0)


def margin(values: xr.DataArray, label: xr.DataArray) -> xr.DataArray:
    """The label's value minus the largest of another class."""
    classes = xr.DataArray(np.arange(values.sizes["class"]), dims="class")
    own = classes == label
    return values.where(own).max("class") - values.where(~own).max("class")


def outcomes(decided: xr.Dataset, label: xr.DataArray) -> xr.Dataset:
    """When an image flips, and whether one that was led astray comes back.

    Of the running answers a[t] (perturbed) and c[t] (clean):

    - ``right`` (condition, time, image): a[t] = y, int8, -1 before the read-out;
    - ``flip_time`` (condition, image): the first step from which on a is wrong to the end, of
      images whose clean answer is right in the end; NaN where a is right at the end;
    - ``led_astray``: a[t] is wrong at some step at which c[t] is right, so that an answer which is
      slow on the clean image, too, does not count;
    - ``recovered``: led astray, and right at the end.

    The recovery rate is the share of ``recovered`` among ``led_astray``. In a feedforward network
    the running answer never changes, so that nothing recovers.
    """
    answer = decided["running_answer"]
    read = answer != NONE
    correct = (answer == label) & read
    clean = correct.sel(condition=CLEAN, drop=True)
    wrong = read & ~correct
    ends = (~wrong).isel(time=slice(None, None, -1)).cumsum("time") == 0
    lost = ends.isel(time=slice(None, None, -1)) & clean.isel(time=-1)
    first = lost["time"].where(lost).min("time")
    astray = (wrong & clean).any("time")
    found = xr.Dataset(
        {
            "right": correct.where(read, NONE).astype(np.int8),
            "flip_time": first.astype("float32"),
            "led_astray": astray,
            "recovered": astray & correct.isel(time=-1, drop=True),
        }
    )
    return found.transpose("condition", "time", "image")
