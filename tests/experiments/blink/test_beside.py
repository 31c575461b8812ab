import numpy as np
import pytest
import xarray as xr

from experiments.blink import baselines
from experiments.blink.beside import beside_people
from experiments.blink.humans import fit, sample
from experiments.blink.task import Task


def found(curve, lags=8):
    """One observer whose two individuals have that curve, and a control."""
    lag = np.arange(1, lags + 1)
    last = np.broadcast_to(curve, (2, 2, 1, lags))
    dims = ("network", "individual", "condition", "lag")
    return xr.Dataset(
        {"last": (dims, last), "trials": (dims, np.full(last.shape, 10)),
         "lag_ms": (("condition", "lag"), [100.0 * lag])},
        {"network": ["a", "b"], "control": ("network", ["", "no gate"]),
         "senses": ("individual", [0, 0]),
         "units": ("network", ["rate", "rate"]), "condition": ["dual"], "lag": lag},
    )  # fmt: skip


def test_every_curve_stands_beside_people_at_their_lags(monkeypatch):
    monkeypatch.setattr(baselines, "PER_LAG", 40)
    curve = np.linspace(0.4, 0.8, 8)
    models = baselines.published(Task(lags=(1, 2, 3, 4, 5, 6, 7, 8)))
    table = beside_people(found(curve).merge(models), np.random.default_rng(0))
    assert table["curve"].to_numpy().tolist() == [
        "a", "lc-ne", "boost-bounce", "flat line", "Cousineau",
    ]  # fmt: skip
    assert table["kind"].to_numpy().tolist() == ["rate", *["published"] * 2, *["fitted"] * 2]
    np.testing.assert_allclose(table["accuracy"].sel(curve="a"), curve[:7])
    human = sample("Berkeley")
    rmse = np.sqrt(np.mean((curve[:7] - human.accuracy) ** 2))
    for name in ("rmse", "rmse_low", "rmse_high"):  # individuals that are alike leave no doubt
        assert table[name].sel(curve="a") == pytest.approx(rmse)
    assert np.isnan(table["r"].sel(curve="flat line"))
    lag = 100.0 * np.arange(1, 9)
    alone = fit(models["published"].sel(model="lc-ne").to_numpy(), lag)
    assert table["rmse"].sel(curve="lc-ne") == pytest.approx(alone.rmse)
    assert alone.rmse < table["rmse"].sel(curve="flat line")


def test_what_ends_too_soon_is_not_held_beside_people():
    assert beside_people(found(np.linspace(0.4, 0.8, 5), 5), np.random.default_rng(0)) is None
