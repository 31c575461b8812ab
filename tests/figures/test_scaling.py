"""Time and memory against the size of the work."""

import numpy as np
import pytest
import xarray as xr

from figures.scaling import scaling


@pytest.fixture
def measured() -> xr.Dataset:
    seconds = np.array([[0.1, 0.2, 0.4], [0.3, 0.6, np.nan]])
    dataset = xr.Dataset(attrs={"processor": "Abacus", "torch": "2"})
    dataset["seconds of steps"] = (("library", "steps"), seconds, {"work": "training step"})
    dataset["megabytes of steps"] = (("library", "steps"), 10 * seconds, {"work": "training step"})
    return dataset.assign_coords(library=["blindspots", "snnTorch"], steps=[5, 10, 20])


def test_every_size_has_a_panel_of_time_and_one_of_memory(measured: xr.Dataset) -> None:
    time, memory = scaling(measured).subfigs[0].axes
    assert (time.get_title(), memory.get_xlabel()) == ("training step", "steps T")
    ours, theirs, proportional = time.get_lines()
    np.testing.assert_allclose(ours.get_ydata(), [0.1, 0.2, 0.4])
    assert np.isnan(np.asarray(theirs.get_ydata(), float)[-1])
    np.testing.assert_allclose(proportional.get_ydata(), [0.3, 0.6, 1.2])
    np.testing.assert_allclose(memory.get_lines()[0].get_ydata(), [1, 2, 4])
    assert {time.get_xscale(), time.get_yscale(), memory.get_yscale()} == {"log"}
