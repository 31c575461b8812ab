"""A blink experiment's result, made up: two trials of each of two networks."""

import numpy as np
import pytest
import xarray as xr

ITEMS, STEPS, CELLS, SOA = 8, 10, 5, 100.0
NAMES = ("rate", "spiking")
TRACES = ("gate", "refractory", "t1_type", "t2_type", "t1_memory", "t2_memory")


def made_up():
    rng = np.random.default_rng(0)
    count, time = 2 * len(NAMES), ITEMS * STEPS
    label = np.full((count, ITEMS), -1)
    label[:, 2], label[:, 4] = 7, 3
    spikes = (rng.random((count, 4, CELLS, time)) < 0.2).astype(np.int8)
    spikes[:2] = -1
    lags = np.arange(1, 9)
    traces = {name: rng.random((len(NAMES), 8, 2, 60)) for name in TRACES}
    shown = ("network", "lag", "outcome", "since")
    return xr.Dataset(
        {
            "example_frames": (
                ("example", "item", "row", "column"),
                rng.integers(0, 256, (count, ITEMS, 6, 6)).astype(np.uint8),
            ),
            "example_label": (("example", "item"), label),
            "example_t1": ("example", np.full(count, 2)),
            "example_t2": ("example", np.full(count, 4)),
            "example_report": (("example", "slot"), [[7, 3], [7, -1]] * 2),
            "example_when_ms": (("example", "slot"), [[260.0, 480.0], [270.0, np.nan]] * 2),
            **{
                f"example_{name}": (("example", "time"), rng.random((count, time)))
                for name in ("gate", "refractory", "t1_memory", "t2_memory")
            },
            "example_spikes": (("example", "pool", "cell", "time"), spikes),
            **{name: (shown, values) for name, values in traces.items()},
            **{f"{name}_sem": (shown, 0.1 * values) for name, values in traces.items()},
            "traced_trials": (("network", "lag", "outcome"), np.full((2, 8, 2), 11)),
            "t2_sensed": (("network", "individual", "lag"), rng.random((2, 3, 8))),
            "t2_sensed_missed": (("network", "individual", "lag"), rng.random((2, 3, 8))),
            "bimodality": ("network", [0.7, 0.4]),
            "lag_ms": (("condition", "lag"), [lags * SOA]),
        },
        {
            "network": list(NAMES),
            "units": ("network", list(NAMES)),
            "control": ("network", ["", ""]),
            "condition": ["dual"],
            "lag": lags,
            "outcome": ["seen", "missed"],
            "since": np.arange(-20, 40) * 10.0,
            "onset": ("item", np.arange(ITEMS) * SOA),
            "time": np.arange(time) * SOA / STEPS,
            "pool": ["gate", "refractory", "t1_memory", "t2_memory"],
            "example_network": ("example", np.repeat(NAMES, 2)),
            "example_outcome": ("example", ["seen", "missed"] * 2),
        },
        {"data": "MNIST"},
    )


@pytest.fixture
def result():
    return made_up()
