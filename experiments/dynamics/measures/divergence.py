"""How far a perturbed trajectory is from the clean one, area by area and step by step."""

import xarray as xr

from experiments.dynamics.measures.parts import CLEAN, areas_of, by_area, change, rms


def divergence(recordings: xr.Dataset) -> xr.Dataset:
    """Distance of every perturbed condition from the clean one, of what an area emits.

    For the outputs x (clean) and x' (perturbed) of the n units of an area on one image,

        divergence[t] = sqrt(sum_i (x'_i[t] - x_i[t])^2 / n)
        relative_divergence[t] = divergence[t] / sqrt(sum_s sum_i x_i[s]^2 / (n T))

    with the clean root mean square over all T steps, so that a step at which the clean area
    happens to be silent divides by nothing. Of spikes, the square of the divergence is the share
    of units that spike in one condition alone. The separation of nearby trajectories is the usual
    picture of sensitivity (Strogatz, Nonlinear Dynamics and Chaos, 2nd ed. 2015, section 9.3).

    Returns:
        ``divergence`` and ``relative_divergence`` (condition, area, time, image); the latter NaN
        where the clean area is silent at every step.
    """
    absolute, relative = {}, {}
    for area in areas_of(recordings):
        emitted = recordings[f"{area}.output"].astype("float32")
        unit = f"{area}.unit"
        clean = rms(emitted.sel(condition=CLEAN, drop=True), "time", unit)
        absolute[area] = rms(change(emitted), unit)
        relative[area] = absolute[area] / clean.where(clean > 0)
    order = ("condition", "area", "time", "image")
    found = xr.Dataset(
        {
            "divergence": by_area(absolute, "divergence").transpose(*order),
            "relative_divergence": by_area(relative, "relative_divergence").transpose(*order),
        }
    )
    found["divergence"].attrs["long_name"] = "RMS over units of the change of what is emitted"
    found["relative_divergence"].attrs["long_name"] = (
        "the same by the RMS of the clean output over units and steps"
    )
    return found
