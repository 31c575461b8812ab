"""Pools of Brian2 cells: they fire as they are asked to, each in its own way."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, Physiology
from sim.brian import pools
from sim.brian.library import running
from sim.brian.pools import CellPools, drive_for

COARSE = Physiology(dt_ms=0.5)  # fewer steps, the same equations


@pytest.fixture(scope="module", autouse=True)
def small():
    """Fewer cells at fewer drives tell the rates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "DRIVES", np.linspace(-0.1, 0.8, 10))
        patch.setattr(pools, "MEASURED", 60)
        patch.setattr(pools, "MEASURE_MS", 200.0)
        yield
    pools.drives_and_rates.cache_clear()


def test_they_fire_at_the_rate_that_is_asked_for() -> None:
    wanted, heard = torch.tensor([[0.0, 0.2, 0.5, 0.9]]).expand(5, -1), []
    with running() as brian2:
        cells = CellPools(
            brian2, 40, 100.0, 10.0, COARSE, 0, lambda name, counts: heard.append(counts)
        )
        got = torch.stack([cells.deliver("gate", wanted) for _ in range(15)])
    counts = torch.stack(heard)[4:]  # once the synapses have settled
    torch.testing.assert_close(counts.mean(-1), got[4:])  # 100 Hz in 10 ms: one spike of each cell
    np.testing.assert_allclose(got[4:].mean((0, 1)), wanted[0], atol=0.06)
    rates = counts[..., 2, :].mean(0)
    assert rates.std() > 0.1  # no two cells are alike


def test_what_drives_them_has_the_rate_of_its_equation() -> None:
    """Without noise: from reset to threshold in closed form, and the refractory time."""
    quiet = Physiology(noise_mv=0.0, threshold_spread_mv=0.0, tau_spread=0.0, dt_ms=0.5)
    drive, tau = 0.7, pools.MEMBRANE_MS / 1.7
    towards = (quiet.rest_mv + drive * quiet.reversal_excitatory_mv) / (1 + drive)
    rises = tau * np.log((towards - quiet.reset_mv) / (towards - quiet.threshold_mv))
    rate = 1000 / (rises + quiet.refractory_ms)
    assert drive_for(np.array([rate]), quiet)[0] == pytest.approx(drive, abs=0.06)


def test_coincidences_of_cells_are_those_that_chance_makes() -> None:
    """As many as independent trains of the rates that were heard."""
    heard: dict[str, list[float]] = {"items": [], "goal": []}
    with running() as brian2:
        cells = CellPools(
            brian2, 60, 100.0, 10.0, COARSE, 0,
            lambda name, counts: heard[name].append(float(counts.mean())),
        )  # fmt: skip
        asked = torch.full((10, 1), 0.6), torch.full((10, 1), 0.8)
        met = torch.stack([cells.coincide(*asked, 5.0) for _ in range(12)])[4:]
    rates = [np.mean(each[4:]) for each in heard.values()]
    assert float(met.mean()) == pytest.approx(rates[0] * rates[1], rel=0.06)


def test_cells_are_not_copied_half_way() -> None:
    with pytest.raises(BlindspotsError, match="watch it to its end"):
        CellPools.with_chance(CellPools.__new__(CellPools), torch.Generator())
