"""Whether the tables of an attack can be read in a narrow terminal."""

from io import StringIO

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from experiments.blink.adversarial.losses import half_budget_of_mean
from experiments.blink.adversarial.tables import tables

LAGS = (1, 2, 8)
DIMS = ("network", "frame", "norm", "condition", "individual", "epsilon", "lag")


@pytest.fixture
def said() -> list[str]:
    """What a terminal of 80 columns shows, where only "seen" loses targets, at ε = 0.1."""
    coords: dict[str, list[str] | list[int] | list[float]] = {
        "network": ["a-long-name-of-an-uninhibited-control", "seen"],
        "frame": ["target", "distractor"],
        "norm": ["linf"],
        "condition": ["attacked", "noise"],
        "individual": [0, 1],
        "epsilon": [0.1, 0.2],
        "lag": list(LAGS),
    }
    shape = [len(coords[dim]) for dim in DIMS]
    success = xr.DataArray(np.zeros(shape), coords, DIMS)
    attacked = {"network": "seen", "frame": "target", "condition": "attacked"}
    success.loc[attacked] = np.array([[0.25, 0.5, 0.875]] * 2)
    success.loc[{**attacked, "individual": 1, "lag": 8}] = 0.625
    counted = xr.full_like(success.isel(condition=0, epsilon=0, drop=True), 4.0)
    halves = half_budget_of_mean(success, np.random.default_rng(0))
    found = xr.Dataset(
        {"success": success, "missed": success / 2, "counted": counted, **halves},
        {"control": ("network", ["no inhibition", ""])},
        {"reference_target": 0.1, "reference_distractor": 0.1},
    )
    console = Console(record=True, width=80, file=StringIO())
    for table in tables(found):
        console.print(table)
    return console.export_text().splitlines()


def test_every_number_has_its_interval_beside_it(said: list[str]) -> None:
    at = next(i for i, line in enumerate(said) if line.split()[:2] == ["seen", "1"])
    rows = [line[18:].split() for line in said[at : at + len(LAGS)]]
    assert rows == [
        ["1", "0.25", "[0.25,", "0.25]", "0.12", "[0.12,", "0.12]", "0.00", "[0.00,", "0.00]"],
        ["2", "0.50", "[0.50,", "0.50]", "0.25", "[0.25,", "0.25]", "0.00", "[0.00,", "0.00]"],
        ["8", "0.75", "[0.62,", "0.88]", "0.38", "[0.31,", "0.44]", "0.00", "[0.00,", "0.00]"],
    ]
    assert said[at + 1].split()[0] == "linf"
    assert said[at + 2].startswith(" n = 2, 24 draws")


def test_controls_come_last_and_names_break_at_hyphens(said: list[str]) -> None:
    words = [line[1:17].strip() for line in said]
    at = words.index("a-long-name-of-")
    assert words.index("seen") < at
    assert words[at : at + 3] == ["a-long-name-of-", "an-uninhibited-", "control"]
    assert max(map(len, said)) <= 80


def test_budgets_that_are_not_enough_are_said_to_be_larger(said: list[str]) -> None:
    there = said[next(i for i, line in enumerate(said) if "budget for half" in line) :]
    at = next(i for i, line in enumerate(there) if line.split()[:2] == ["seen", "1"])
    assert there[at].split() == ["seen", "1", ">0.2", ">0.2"]
    assert there[at + 1].split() == ["linf", "2", "0.100", "[0.100,", "0.100]", ">0.2"]
