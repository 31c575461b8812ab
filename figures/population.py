"""What the figures of dynamics read off the result of many networks."""

from collections.abc import Sequence

import xarray as xr

from networks.errors import BlindspotsError, unknown


def of_network(result: xr.Dataset, network: str, measure: str) -> xr.Dataset:
    """The result of one network, without the areas, steps and individuals that it has not.

    Raises:
        BlindspotsError: there is no such network, or it was not measured.
    """
    known = [str(each) for each in result["network"].to_numpy()]
    if network not in known:
        raise unknown("network", network, known)
    here = result.sel(network=network)
    if measure not in here or not bool(here[measure].notnull().any()):
        raise BlindspotsError(f"The result holds no '{measure}' of '{network}'; measure it first.")
    for dim in ("area", "time", "individual"):
        if dim in here[measure].dims:
            others = [each for each in here[measure].dims if each != dim]
            here = here.isel({dim: here[measure].notnull().any(others).to_numpy()})
    return named_after(here.assign_attrs(result.attrs), [network])


def named_after(result: xr.Dataset, networks: Sequence[str]) -> xr.Dataset:
    """The result called by its network, or by how many networks it is of, for a title."""
    return result.assign_attrs(
        wiring=networks[0] if len(networks) == 1 else f"{len(networks)} networks"
    )


def counted_images(result: xr.Dataset) -> str:
    """ "200 images, 2 individuals"."""
    images, individuals = result.sizes["image"], result.sizes["individual"]
    return f"{images} images, {individuals} individual{'' if individuals == 1 else 's'}"
