import numpy as np
import pandas as pd
import pytest
import xarray as xr

from experiments.blink import shape
from experiments.blink.curves import curves, over_individuals, shapes
from experiments.blink.humans import samples
from experiments.blink.streams import streams
from experiments.blink.table import Observer, trial_table
from experiments.blink.task import condition_named

MS = 100.0 * np.arange(1, 9)

# A, M at ms, (A-M)/A, L1-M and t50 of each sample as first computed from the raw trials
DERIVED = {
    "Berkeley": (0.858, 0.331, 200, 0.61, 0.39, 331),
    "Warwick": (0.457, 0.039, 270, 0.91, 0.25, 421),
    "MIT": (0.432, 0.105, 333, 0.76, 0.28, 442),
    "Western": (0.231, 0.053, 333, 0.77, 0.26, 462),
    "SydneyObject": (0.605, 0.141, 213, 0.77, 0.14, 434),
    "SydneyWord": (0.581, 0.129, 213, 0.78, 0.21, 398),
}


@pytest.mark.parametrize("name", DERIVED)
def test_the_shape_of_human_curves(name):
    human = samples()[name]
    found = [
        measure(human.accuracy, human.lag_ms)
        for measure in (
            *(shape.late, shape.minimum, shape.minimum_ms, shape.relative_depth, shape.sparing),
            shape.half_recovery_ms,
        )
    ]
    # intervals were rounded to whole milliseconds in the file, and so move times by up to 2 ms
    off = np.abs(np.array(found) - DERIVED[name])
    assert (off <= [1e-3, 1e-3, 2, 6e-3, 6e-3, 2.5]).all()


def test_shapes_of_many_curves_are_those_of_each():
    curves_ = np.random.default_rng(0).uniform(0.1, 1, (3, 4, 8))
    for measure in shape.MEASURES.values():
        together = measure(curves_, MS)
        each = [[measure(curve, MS) for curve in row] for row in curves_]
        np.testing.assert_allclose(together, each)


def test_half_recovery_by_hand():
    curve = np.array([0.9, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8])
    assert shape.half_recovery_ms(curve, MS) == pytest.approx(350)  # half-way is 0.5
    assert shape.magnitude(curve, MS) == pytest.approx(0.8 - 0.4)
    assert np.isnan(shape.half_recovery_ms(np.full(8, 0.8), MS))


def test_what_a_curve_does_not_reach_is_unknown():
    short = np.array([0.9, 0.4, 0.5])
    assert np.isnan(shape.late(short, MS[:3]))
    assert np.isnan(shape.depth(short, MS[:3]))
    assert np.isnan(shape.half_recovery_ms(short, MS[:3]))
    assert shape.minimum(short, MS[:3]) == 0.4
    assert np.isnan(shape.minimum(short[:1], MS[:1]))


@pytest.fixture(scope="module")
def table(labels, said):
    """Two individuals whose answers to a dual task and its control are drawn with known odds."""
    rng = np.random.default_rng(0)
    tables = []
    for individual in range(2):
        for name in ("dual", "ignore-t1", "soa-50", "TTT"):
            task = condition_named(name)
            shown = streams(task, 40, labels, np.random.default_rng(individual))
            rows = []
            for i in range(len(shown)):
                there = [
                    place[i]
                    for k, place in enumerate(shown.places.T)
                    if place[i] >= 0 and shown.target[i, place[i]] and rng.random() < 0.8 - 0.1 * k
                ]
                digits = [int(shown.label[i, place]) for place in there]
                rows.append(digits[::-1] if rng.random() < 0.2 else digits)
            who = Observer("net", individual, individual, "gated", "rate")
            tables.append(trial_table(shown, said(*rows), who, name))
    return pd.concat(tables, ignore_index=True)


def test_curves_are_shares_of_trials(table):
    found = curves(table)
    assert found["condition"].to_numpy().tolist() == ["dual", "ignore-t1", "soa-50", "TTT"]
    for individual in (0, 1):
        for lag in (1, 2, 8):
            rows = table[
                (table["condition"] == "dual")
                & (table["individual"] == individual)
                & (table["lag"] == lag)
            ]
            one = rows["t1_correct_anyorder"].to_numpy(bool)
            two = rows["t2_correct_anyorder"].to_numpy(bool)
            swapped = [
                bool(r) for r, a, b in zip(rows["order_reversed"], one, two, strict=True) if a and b
            ]
            here = found.sel(network="net", individual=individual, condition="dual", lag=lag)
            assert here["trials"] == 40
            assert here["t1"] == pytest.approx(one.mean())
            assert here["t2_given_t1"] == pytest.approx(two[one].mean())
            assert here["last"] == here["t2_given_t1"]
            assert here["t2_given_t1_miss"] == pytest.approx(two[~one].mean())
            assert here["reversals"] == pytest.approx(np.mean(swapped))
            assert here["t1_strict"] == pytest.approx(rows["t1_correct"].to_numpy(bool).mean())
            assert here["false_alarms"] == 0
    ignoring = found.sel(condition="ignore-t1")
    assert ignoring["t1"].isnull().all()
    assert (ignoring["last"] == ignoring["t2"]).sel(lag=slice(1, 8)).all()
    triplet = found.sel(condition="TTT")
    assert (triplet["last"] == triplet["t3_given_t1"]).sel(lag=2).all()
    assert triplet["last"].notnull().sum() == 2
    assert found["lag_ms"].sel(condition="soa-50", lag=10) == 500
    assert found["lag_ms"].sel(condition="dual").isnull().sum() == 2


def test_curves_of_a_table_that_was_written_to_disk(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    back = pd.read_csv(tmp_path / "t.csv")

    xr.testing.assert_allclose(curves(back), curves(table))


def test_errors_are_over_individuals(table):
    found = curves(table)
    mean = over_individuals(found)
    values = found["t1"].sel(network="net", condition="dual", lag=1).to_numpy()
    here = mean.sel(network="net", condition="dual", lag=1)
    assert here["t1"] == pytest.approx(values.mean())
    assert here["t1_sem"] == pytest.approx(abs(values[0] - values[1]) / 2)
    assert here["t1_n"] == 2
    assert here["trials"] == 80


def test_shapes_have_labels(table):
    found = shapes(curves(table))
    assert found["depth"].dims == ("network", "individual", "condition")
    curve = curves(table)["last"].sel(
        network="net", individual=1, condition="dual", lag=slice(1, 8)
    )
    expected = shape.depth(curve.to_numpy(), MS)
    assert found["depth"].sel(network="net", individual=1, condition="dual") == expected
    assert found["late"].sel(condition="soa-50").isnull().all()
