import numpy as np
import pytest
import xarray as xr

from experiments.blink import humans
from experiments.blink.grade import Band, grade
from experiments.blink.predictions import predictions
from experiments.blink.resampled import redrawn
from networks.errors import BlindspotsError

LAGS = np.arange(1, 9)
BERKELEY = np.array([*humans.sample().accuracy, 0.88])
FLAT = np.full(8, 0.87)
NAMES = ["dual", "dual-ringed", "ignore-t1", "t1+1-blank", "t2-last", "TTT", "TDT"]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr("experiments.blink.resampled.RESAMPLES", 100)


def made(people=40, spread=0.08, *, ignored=FLAT, blank=0.2, seed=0):
    """Curves of "net", who blinks like people, and of "ablated", who does not."""
    rng = np.random.default_rng(seed)
    size = (2, people, len(NAMES), 8)
    table = {
        name: np.full(size, np.nan)
        for name in ("t1", "t2", "t3", "last", "reversals", "t2_given_t1_miss", "false_alarms")
    }
    # individuals differ in how deep they blink, and one in twenty does not at all
    deep = 1 + rng.normal(0, spread / 0.33, people)
    deep[::20] = 0
    blink = 0.87 - deep[:, None] * (0.87 - BERKELEY)
    for c, name in enumerate(NAMES):
        table["last"][:, :, c] = {"ignore-t1": ignored, "t2-last": blink + 0.3}.get(name, blink)
        table["t1"][:, :, c] = np.nan if name == "ignore-t1" else 0.88
    table["last"][:, :, NAMES.index("t1+1-blank")] = np.minimum(blink + blank, 0.95)
    table["last"][1] = 0.87
    for name, level in (("TTT", 0.7), ("TDT", 0.4)):
        c = NAMES.index(name)
        table["last"][0, :, c] = np.where(LAGS == 2, level, np.nan)
    table["t2"] = table["last"].copy()
    table["reversals"][:] = np.where(LAGS == 1, 0.2, 0.02)
    found = xr.Dataset(
        {
            name: (("network", "individual", "condition", "lag"), values)
            for name, values in table.items()
        },
        coords={
            "network": ["net", "ablated"],
            "individual": range(people),
            "senses": ("individual", np.zeros(people, int)),
            "condition": NAMES,
            "lag": LAGS,
        },
    )
    found["trials"] = found["t1"].fillna(1).astype(int) * 0 + 60
    found["lag_ms"] = (("condition", "lag"), np.tile(LAGS * 100.0, (len(NAMES), 1)))
    return found


def rows(found, **kwargs):
    return {row.name: row for row in grade(found, "net", np.random.default_rng(1), **kwargs)}


def test_a_population_like_people_passes_everything():
    found = rows(made(), controls={"ablated": "no gate"})
    assert {name for name, row in found.items() if not row.passed} == set()
    assert len(found) == 25
    assert found["individuals"].measured == 40
    assert found["trials per lag, pooled"].measured == 2400
    assert found["RMSE to Berkeley"].measured < 0.06
    assert found["T3|T1 in TTT over TDT"].measured == pytest.approx(0.3)
    assert found["depth without a blink: no gate"].measured == pytest.approx(0, abs=1e-9)
    for row in found.values():
        assert np.isnan(row.low) or row.low - 1e-9 <= row.measured <= row.high + 1e-9


def test_intervals_are_over_sensory_networks_that_individuals_share(monkeypatch):
    """Against a closed form: of means of networks without and with others in their places."""
    monkeypatch.setattr("experiments.blink.resampled.RESAMPLES", 4000)
    senses, by_network = np.arange(40) % 4, np.array([0.2, 0.3, 0.5, 0.6])
    draws = redrawn(senses, np.random.default_rng(0))
    means = by_network[senses][draws].mean(1)
    between, within = by_network.var() / 4, by_network.var() * (1 - 1 / 4) / 40
    assert draws.shape == (4000, 40)
    assert means.std() == pytest.approx(np.sqrt(between + within), rel=0.05)
    alone = by_network[senses][redrawn(np.zeros(40, int), np.random.default_rng(0))].mean(1)
    assert alone.std() == pytest.approx(by_network.std() / np.sqrt(40), rel=0.05)


def test_intervals_are_over_individuals(monkeypatch):
    monkeypatch.setattr("experiments.blink.resampled.RESAMPLES", 400)
    few, many = (rows(made(n).sel(condition=["dual"]))["depth"] for n in (10, 160))
    assert (few.high - few.low) > 2 * (many.high - many.low)
    values = made(160)["last"].sel(network="net", condition="dual")
    width = (many.high - many.low) / (2 * 1.96)
    late = values.sel(lag=slice(6, 8)).mean("lag")
    error = float((late - values.sel(lag=2)).std("individual", ddof=1) / np.sqrt(160))
    assert width == pytest.approx(error, rel=0.15)


def test_each_failure_shows_in_its_row():
    found = rows(made(ignored=np.where(LAGS == 2, 0.7, 0.87)))
    assert not found["T2 at its worst lag, T1 ignored"].passed
    assert not found["range of T2 over lags, T1 ignored"].passed
    assert not rows(made(blank=0.05))["T1 + 1 blank, gain"].passed
    assert not rows(made(10))["individuals"].passed
    failed = rows(made().isel(network=[1, 0]).assign_coords(network=["net", "ablated"]))
    assert not failed["depth"].passed
    assert not failed["SD of magnitude"].passed
    assert not failed["share of skilled non-blinkers"].passed
    assert not failed["minimum of T2|T1"].passed
    control = rows(made(), controls={"net": "same"})["depth without a blink: same"]
    assert not control.passed


def test_what_was_not_run_is_neither_passed_nor_failed():
    found = rows(made().sel(condition=["dual"]))
    for name in ("T1 + 1 blank, gain", "T3|T1 in TTT over TDT", "T2 at its worst lag, T1 ignored"):
        assert found[name].passed is None
        assert np.isnan(found[name].measured)
    assert found["depth"].passed
    nothing = rows(made().sel(condition=["TTT"]))
    assert nothing["depth"].passed is None
    assert nothing["trials per lag, pooled"].passed is None


def test_another_population_may_vary():
    found = rows(made(), population="ablated")
    assert found["SD of magnitude"].measured == pytest.approx(0, abs=1e-9)
    assert found["depth"].passed


def test_predictions_have_the_sign_of_people_or_not():
    table = made()
    salient = table.sel(condition=["dual"]).assign_coords(condition=["t2-salient"])
    salient["last"] = salient["last"] + 0.1
    salient["t1"] = salient["t1"] + 0.05
    table["t2_given_t1_miss"][:] = 0.7
    both = xr.concat([table, salient], "condition", data_vars="minimal")
    found = {p.name: p for p in predictions(both, "net", np.random.default_rng(0))}
    assert found["T2|T1 inside the blink, T2 salient"].right is True
    assert found["T1 at lag 1, T2 salient"].right is False
    assert found["T2 at lag 2, T1 missed over reported"].right is True
    assert found["reversals at lag 1, T2 salient"].right is None
    assert found["depth, cued targets"].right is None


def test_bands():
    assert [Band(0.1, 0.2).holds(x) for x in (0.05, 0.1, 0.2, 0.3)] == [False, True, True, False]
    assert Band(0.1, 0.2).holds(float("nan")) is None
    assert [str(Band(0.1, 0.2)), str(Band(low=0.1)), str(Band(high=0.2))] == [
        *("0.1 to 0.2", ">= 0.1", "<= 0.2")
    ]


def test_an_unknown_network_is_named():
    with pytest.raises(BlindspotsError, match="no network among the curves 'nett'; did you mean"):
        grade(made(2), "nett", np.random.default_rng(0))
    silent = made(2)
    silent["trials"] = silent["trials"] * 0
    with pytest.raises(BlindspotsError, match="'net' has no trials"):
        grade(silent, "net", np.random.default_rng(0))
