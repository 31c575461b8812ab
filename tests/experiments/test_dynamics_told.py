"""What numbers of dynamics are called, and when images flip."""

import numpy as np
import pytest
import xarray as xr

from experiments.dynamics.sentences import predicting, pulling
from experiments.dynamics.summary import summarise_dynamics

DIRECTIONS = ("adversarial", "leading")


def pulled(numbers: dict[tuple[str, str], tuple[float, float, float]]) -> xr.Dataset:
    """A network's pull, low and high by kind and area; NaN under noise, and where not given."""
    kinds, areas = ["bias", "feedforward", "lateral", "top-down"], ["h1", "h2", "output"]
    table = np.full((3, 2, len(kinds), len(areas)), np.nan)
    for (kind, area), each in numbers.items():
        table[:, 0, kinds.index(kind), areas.index(area)] = each
    names = ("pull", "pull_low", "pull_high")
    dims = ("condition", "kind", "area")
    return xr.Dataset(
        {name: (dims, row) for name, row in zip(names, table, strict=True)},
        coords={"condition": ["adversarial", "noise"], "kind": kinds, "area": areas},
    )


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            {("lateral", "h1"): (0.31, 0.2, 0.42)},
            "under attack lateral drive amplifies the change that comes from below into h1 "
            "(0.31 [0.20, 0.42]).",
        ),
        (
            {("top-down", "h2"): (-0.31, -0.42, -0.2)},
            "under attack top-down drive opposes the change that comes from below into h2 "
            "(-0.31 [-0.42, -0.20]).",
        ),
        (
            {("lateral", "h1"): (-0.5, -0.6, -0.4), ("top-down", "h1"): (0.2, 0.1, 0.3)},
            "under attack lateral drive opposes the change that comes from below into h1 "
            "(-0.50 [-0.60, -0.40]) and top-down drive amplifies the change that comes from below "
            "into h1 (0.20 [0.10, 0.30]).",
        ),
        ({("lateral", "h1"): (0.1, -0.1, 0.3), ("lateral", "h2"): (-0.1, -0.3, 0.1)}, ""),
        ({("feedforward", "h1"): (1.0, 1.0, 1.0)}, ""),
    ],
)
def test_feedback_amplifies_or_opposes(
    numbers: dict[tuple[str, str], tuple[float, float, float]], said: str
) -> None:
    assert pulling(pulled(numbers)) == said


def correlated(*networks: tuple[float, float, float], direction: str = "adversarial") -> xr.Dataset:
    """The rank correlation, low and high of networks a, b, ... along one direction."""
    table = np.full((3, len(networks), len(DIRECTIONS)), np.nan)
    table[:, :, DIRECTIONS.index(direction)] = np.array(networks).T
    names = ("rank_correlation", "rank_correlation_low", "rank_correlation_high")
    return xr.Dataset(
        {n: (("network", "direction"), row) for n, row in zip(names, table, strict=True)},
        coords={"network": list("abc"[: len(networks)]), "direction": list(DIRECTIONS)},
    )


NEARER, FARTHER, FLAT = (-0.6, -0.7, -0.5), (0.6, 0.5, 0.7), (0.1, -0.1, 0.3)
UNKNOWN = (np.nan, np.nan, np.nan)


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ([NEARER], "the larger the exponent, the nearer in a."),
        ([FARTHER], "the larger, the farther in a."),
        (
            [FARTHER, NEARER, NEARER],
            "the larger the exponent, the nearer in b and c; the larger, the farther in a.",
        ),
        (
            [NEARER, FLAT, UNKNOWN],
            "the larger the exponent, the nearer in a; no rank correlation shows in 1 of 2 "
            "networks.",
        ),
    ],
)
def test_exponents_tell_the_near_from_the_far(
    networks: list[tuple[float, float, float]], said: str
) -> None:
    begin = "Exponents along the leading direction and the nearest input that fools: "
    assert list(predicting(correlated(*networks, direction="leading"))) == [begin + said]


def test_flips_are_told_by_their_median() -> None:
    """Of six images of two individuals one flips late; the first answer comes at step 2."""
    flip = np.array([[[2, 3, 3], [9, 4, np.nan]]], np.float32)[:, :, None]
    every = ("network", "individual", "condition", "image")
    right, course = np.ones((1, 2, 1, 10, 3), np.int8), ("time", "image")
    size = (("network", "individual", "condition", "area", *course), np.ones((1, 2, 1, 1, 10, 3)))
    shape = (("network", "individual", "condition", "area", "time"), np.ones((1, 2, 1, 1, 10)))
    result = xr.Dataset(
        {
            "right": ((*every[:3], *course), right),
            "led_astray": (every, np.ones_like(flip, np.int8)),
            "recovered": (every, np.zeros_like(flip, np.int8)),
            "flip_time": (every, flip),
            "relative_divergence": size,
            "participation_ratio": shape,
            "cka": shape,
            "steps": (("network", "individual"), [[10, 10]]),
            "first_answer": (("network", "individual"), [[2, 2]]),
        },
        coords={
            "network": ["n"], "individual": [0, 1], "condition": ["adversarial"],
            "area": ["output"], "time": np.arange(10),
        },
    )  # fmt: skip
    found = summarise_dynamics(result, generator=np.random.default_rng(0), resamples=5)
    assert float(found["flip_step"].squeeze()) == 1  # of 0, 1, 1, 2 and 7
    assert float(found["flipped"].squeeze()) == pytest.approx(5 / 6)
