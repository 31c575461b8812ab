"""Pools beside cells: what is drawn, of which trials."""

import numpy as np
import pytest
import xarray as xr

from figures.blink import cells
from figures.blink.cells import chosen

READINGS = ("pools", "pools again", "cells")
POOLS = ("gate", "refractory", "t1_memory", "t2_memory")
ITEMS, STEPS, CELLS = 15, 10, 12


@pytest.fixture
def found() -> xr.Dataset:
    """Two trials at lag 2 and two at lag 7; only the second of each has T1 seen by all."""
    rng, lag = np.random.default_rng(0), np.array([2, 2, 7, 7])
    time, shape = ITEMS * STEPS, (3, 4)
    label = np.full((*shape, ITEMS), -1)
    label[:, :, 3] = 7
    label[:, np.arange(4), 3 + lag] = 4
    t1_seen = np.ones(shape, bool)
    t1_seen[2, ::2] = False
    gate = np.cumsum(rng.normal(0, 0.03, (*shape, 4, time)), -1) + 0.5
    dims = ("reading", "trial")
    return xr.Dataset(
        {
            "example_label": ((*dims, "item"), label),
            "example_t1": (dims, np.full(shape, 3)),
            "example_t2": (dims, np.broadcast_to(3 + lag, shape)),
            "example_report": ((*dims, "slot"), np.broadcast_to([7, 4], (*shape, 2))),
            "example_when_ms": ((*dims, "slot"), np.broadcast_to([480.0, 690.0], (*shape, 2))),
            "example_spikes": (
                (*dims, "pool", "cell", "time"), rng.integers(0, 2, (*shape, 4, CELLS, time)),
            ),
            "trace": ((*dims, "pool", "time"), gate.clip(0, 1)),
            "t1_seen": (dims, t1_seen),
            "t2_seen": (dims, np.ones(shape, bool)),
        },
        {
            "reading": list(READINGS), "pool": list(POOLS), "lag": ("trial", lag),
            "onset": ("item", np.arange(ITEMS) * 100.0), "time": np.arange(time) * 10.0,
        },
        {"data": "MNIST", "observer": "spiking"},
    )  # fmt: skip


def test_one_trial_of_each_lag_is_drawn_whose_first_target_all_have_seen(found) -> None:
    assert [chosen(found, lag) for lag in (2, 7)] == [1, 3]
    assert chosen(found.isel(trial=[0, 2]), 7) == 1
    panels = [axes for axes in cells(found).get_axes() if axes.get_title()]
    assert [panel.get_title().splitlines()[0] for panel in panels] == [
        f"{reading}, lag {lag}: T2 seen" for lag in (2, 7) for reading in ("pools", "cells")
    ]
    for panel, trial in zip(panels, (1, 1, 3, 3), strict=True):
        drawn = [line.get_ydata() for line in panel.get_lines()]
        gate = found["trace"].sel(pool="gate").isel(trial=trial)
        for line, values in zip(drawn, gate.to_numpy(), strict=True):
            np.testing.assert_allclose(line, values)


def test_a_trial_with_a_false_digit_is_drawn_only_where_there_is_no_other(found) -> None:
    found["t1_seen"] = found["t1_seen"] | True
    said = found["example_report"].to_numpy().copy()
    said[1, 0, 1] = 9  # at lag 2, in one reading
    found["example_report"] = found["example_report"].copy(data=said)
    assert chosen(found, 2) == 1
    assert chosen(found.isel(trial=[0, 2]), 2) == 0
