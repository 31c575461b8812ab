"""What numbers of dynamics are called, and when images flip."""

import numpy as np
import pytest
import xarray as xr

from experiments.dynamics.foretelling import predicting
from experiments.dynamics.sentences import pulling
from experiments.dynamics.summary import summarise_dynamics

DIRECTIONS = ("adversarial", "leading")


def pulled(numbers: dict[tuple[str, str], tuple[float, float, float]]) -> xr.Dataset:
    """A network's pull, low and high by kind and area, half of it at the first answer.

    Under noise it is three times as large and of the other sign. NaN where not given.
    """
    kinds, areas = ["bias", "feedforward", "lateral", "top-down"], ["h1", "h2", "output"]
    table = np.full((4, 2, len(kinds), len(areas)), np.nan)
    for (kind, area), each in numbers.items():
        table[:3, 0, kinds.index(kind), areas.index(area)] = each
    table[:, 1] = -3 * table[:, 0]
    table[3] = table[0] / 2
    names = ("pull", "pull_low", "pull_high", "pull_at_first")
    dims = ("condition", "kind", "area")
    return xr.Dataset(
        {name: (dims, row) for name, row in zip(names, table, strict=True)},
        coords={"condition": ["adversarial", "noise"], "kind": kinds, "area": areas},
    )


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            {("lateral", "h1"): (0.3, 0.2, 0.4)},
            "under attack lateral drive adds to the change that comes from below into h1 "
            "(0.30 [0.20, 0.40] times it at the last step, 0.15 at the first answer; under noise "
            "-0.90 at the last step).",
        ),
        (
            {("top-down", "h2"): (-0.5, -0.6, -0.4)},
            "under attack top-down drive opposes the change that comes from below into h2 "
            "(-0.50 [-0.60, -0.40] times it at the last step, -0.25 at the first answer; under "
            "noise 1.50 at the last step).",
        ),
        ({("lateral", "h1"): (0.1, -0.1, 0.3), ("lateral", "h2"): (-0.1, -0.3, 0.1)}, ""),
        ({("feedforward", "h1"): (1.0, 1.0, 1.0)}, ""),
    ],
)
def test_feedback_adds_or_opposes(
    numbers: dict[tuple[str, str], tuple[float, float, float]], said: str
) -> None:
    assert pulling(pulled(numbers)) == said


def correlated(*networks: tuple[float, float, float], direction: str = "adversarial") -> xr.Dataset:
    """The rank correlation, low and high of networks a, b, ...; the partial one is its opposite."""
    table = np.full((3, len(networks), len(DIRECTIONS)), np.nan)
    table[:, :, DIRECTIONS.index(direction)] = np.array(networks).T
    made = {"rank_correlation": table, "partial_correlation": -table[[0, 2, 1]]}
    ends = ("", "_low", "_high")
    dims = ("network", "direction")
    found = xr.Dataset(
        {
            n + end: (dims, row)
            for n, rows in made.items()
            for end, row in zip(ends, rows, strict=True)
        },
        coords={"network": list("abc"[: len(networks)]), "direction": list(DIRECTIONS)},
    )
    return found.assign(margin_correlation=(dims, np.full(table.shape[1:], 0.5)))


NEARER, FARTHER, FLAT = (-0.6, -0.7, -0.5), (0.6, 0.5, 0.7), (0.1, -0.1, 0.3)
UNKNOWN = (np.nan, np.nan, np.nan)


@pytest.mark.parametrize(
    ("networks", "said", "beyond"),
    [
        ([NEARER], "nearer in a", "farther in a"),
        ([FARTHER], "farther in a", "nearer in a"),
        (
            [FARTHER, NEARER, NEARER],
            "nearer in b and c; the larger the exponent, the farther in a",
            "nearer in a; the larger the exponent, the farther in b and c",
        ),
        (
            [NEARER, FLAT, UNKNOWN],
            "nearer in a; no correlation shows in 1 of 2 networks",
            "farther in a; no correlation shows in 1 of 2 networks",
        ),
    ],
)
def test_exponents_tell_the_near_from_the_far(
    networks: list[tuple[float, float, float]], said: str, beyond: str
) -> None:
    found, _ = predicting(correlated(*networks, direction="leading"))
    begin = "Exponents along the leading direction and the nearest input that fools: "
    assert found.startswith(f"{begin}the larger the exponent, the {said}. Given the clean margin,")
    assert found.endswith(f": the larger the exponent, the {beyond}.")


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
