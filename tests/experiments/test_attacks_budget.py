"""Budget, projection and check of an attack, against optimisers that know nothing of them."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from experiments.attacks.ascent import random_offsets
from experiments.attacks.names import Norm
from experiments.attacks.threat import Threat, check, distance, project, rms, stretch
from networks import BlindspotsError

SHAPE = (1, 4, 4)
seeds = st.integers(0, 10_000)
epsilons = st.floats(0, 1)


def images(count: int, seed: int, *, at_the_edge: float = 0.5) -> Tensor:
    """Random images of which a share of the pixels is exactly 0 or 1."""
    rng = np.random.default_rng(seed)
    values = rng.random((count, *SHAPE))
    edge = rng.random(values.shape) < at_the_edge
    return torch.from_numpy(np.where(edge, values.round(), values))


def anywhere(count: int, seed: int) -> Tensor:
    """Points in and far outside the box."""
    return torch.from_numpy(np.random.default_rng(seed + 1).normal(0.5, 2, (count, *SHAPE)))


def bisected(clean: np.ndarray, change: np.ndarray, epsilon: float) -> np.ndarray:
    """clip(clean + s change) at epsilon rms, or as far as it goes, by bisection over s."""

    def moved(scale: float) -> np.ndarray:
        return np.clip(clean + scale * change, 0, 1)

    low, high = 0.0, 1e12
    for _ in range(400):
        middle = (low + high) / 2 if low > 1e-9 else np.sqrt(max(low, 1e-12) * high)
        if np.sqrt(np.mean((moved(middle) - clean) ** 2)) > epsilon:
            high = middle
        else:
            low = middle
    return moved(low)


@settings(max_examples=30, deadline=None)
@given(seeds, epsilons)
def test_stretch_meets_the_budget_or_the_box(seed: int, epsilon: float) -> None:
    clean, change = images(5, seed), anywhere(5, seed) - 0.5
    found = stretch(clean, change, epsilon)
    for x, r, y in zip(clean.numpy(), change.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(y, bisected(x, r, epsilon), atol=2e-6)


def test_stretch_leaves_an_image_without_a_direction() -> None:
    clean = images(2, 0)
    torch.testing.assert_close(stretch(clean, torch.zeros_like(clean), 0.3), clean)


@settings(max_examples=60, deadline=None)
@given(seeds, epsilons)
def test_no_allowed_point_is_nearer_than_the_projection(seed: int, epsilon: float) -> None:
    """The variational inequality: (point - projection) . (allowed - projection) <= 0."""
    clean, points = images(4, seed), anywhere(4, seed)
    for norm in get_args(Norm):
        threat = Threat(norm, epsilon)
        found = project(clean, points, threat)
        for other in range(10):
            allowed = bisected_into(clean, anywhere(4, seed + 7 * other), threat)
            inner = ((points - found) * (allowed - found)).flatten(1).sum(1)
            assert float(inner.max()) <= 1e-5


def bisected_into(clean: Tensor, points: Tensor, threat: Threat) -> Tensor:
    """Some allowed points: the segment from the clean image, cut at ball and box."""
    points, share = points.clamp(0, 1), torch.ones(len(clean), 1, 1, 1, dtype=clean.dtype)
    far = distance(clean, points, threat.norm).reshape(-1, 1, 1, 1)
    share = torch.minimum(share, threat.epsilon / far.clamp_min(1e-12))
    return clean + share * (points - clean)


def lowered(clean: np.ndarray, point: np.ndarray, epsilon: float) -> np.ndarray:
    """The nearest point of box and l1 ball: the multiplier of the ball, found by bisection."""
    change = point - clean

    def moved(multiplier: float) -> np.ndarray:
        smaller = np.sign(change) * np.maximum(np.abs(change) - multiplier, 0)
        return np.clip(clean + smaller, 0, 1)

    low, high = 0.0, float(np.abs(change).max())
    if np.mean(np.abs(moved(0) - clean)) <= epsilon:
        return moved(0)
    for _ in range(100):
        middle = (low + high) / 2
        far = np.mean(np.abs(moved(middle) - clean)) > epsilon
        low, high = (middle, high) if far else (low, middle)
    return moved(high)


@settings(max_examples=60, deadline=None)
@given(seeds, epsilons, st.sampled_from([0.01, 1.0]))
def test_the_l1_projection_is_that_of_a_bisected_multiplier(
    seed: int, epsilon: float, scale: float
) -> None:
    clean, epsilon = images(3, seed), epsilon * scale
    points = anywhere(3, seed).round(decimals=seed % 3)  # with ties
    found = project(clean, points, Threat("l1", epsilon))
    for x, p, y in zip(clean.numpy(), points.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(y, lowered(x, p, epsilon), atol=1e-9)


def test_the_l1_projection_is_the_nearest_that_a_general_solver_finds() -> None:
    rng = np.random.default_rng(3)
    clean, point = rng.random(6).round(1), rng.normal(0.5, 1, 6)
    up, down = np.eye(6), -np.eye(6)
    solved = minimize(
        lambda parts: np.sum((clean + parts @ np.vstack([up, down]) - point) ** 2),
        np.zeros(12),
        bounds=[*((0, 1 - x) for x in clean), *((0, x) for x in clean)],
        constraints={"type": "ineq", "fun": lambda parts: 6 * 0.15 - parts.sum()},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    oracle = clean + solved.x @ np.vstack([up, down])
    one = torch.from_numpy(clean)[None], torch.from_numpy(point)[None]
    found = project(*one, Threat("l1", 0.15))[0].numpy()
    assert np.mean(np.abs(found - clean)) == pytest.approx(0.15)
    np.testing.assert_allclose(found, oracle, atol=1e-5)


def alternated(clean: np.ndarray, point: np.ndarray, epsilon: float) -> np.ndarray:
    """The nearest point of box and ball by Dykstra's alternating projections (1983)."""
    radius, nearest = epsilon * np.sqrt(clean.size), point
    box_excess, ball_excess = np.zeros_like(point), np.zeros_like(point)
    for _ in range(100_000):
        inside = np.clip(nearest + box_excess, 0, 1)
        box_excess = nearest + box_excess - inside
        away = inside + ball_excess - clean
        before, nearest = nearest, clean + away * min(1, radius / np.linalg.norm(away))
        ball_excess = inside + ball_excess - nearest
        if max(np.abs(nearest - before).max(), np.abs(nearest - inside).max()) < 1e-10:
            return nearest
    raise AssertionError("Dykstra's iteration did not settle.")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("epsilon", [0.02, 0.2, 0.6])
def test_the_l2_projection_is_that_of_alternating_projections(seed: int, epsilon: float) -> None:
    clean, point = images(1, seed), anywhere(1, seed)
    oracle = alternated(clean.numpy().ravel(), point.numpy().ravel(), epsilon)
    found = project(clean, point, Threat("l2", epsilon)).numpy().ravel()
    np.testing.assert_allclose(found, oracle, atol=1e-6)


@pytest.mark.parametrize("norm", get_args(Norm))
def test_allowed_points_stay_where_they_are(norm: str) -> None:
    clean = images(3, 1, at_the_edge=0)
    near = clean + 0.01 * (0.5 - clean)
    torch.testing.assert_close(project(clean, near, Threat(norm, 0.1)), near, rtol=0, atol=0)


@settings(max_examples=60, deadline=None)
@given(seeds, epsilons)
def test_projected_float32_points_pass_the_check(seed: int, epsilon: float) -> None:
    clean, points = images(4, seed).float(), 100 * anywhere(4, seed).float()
    for norm in get_args(Norm):
        check(clean, project(clean, points, Threat(norm, epsilon)), Threat(norm, epsilon))


def test_the_l1_unit_is_the_mean_absolute_change() -> None:
    clean = torch.zeros(1, 1, 28, 28)
    changed = clean.clone()
    changed[0, 0, 3, 5:7] = torch.tensor([1.0, 0.5])
    assert float(distance(clean, changed, "l1")) == pytest.approx(1.5 / 784)


def test_the_l2_unit_is_the_root_mean_square_of_szegedy() -> None:
    clean = torch.zeros(1, 1, 28, 28)
    changed = clean.clone()
    changed[0, 0, 3, 5] = 1
    assert float(distance(clean, changed, "l2")) == pytest.approx(1 / 28)
    assert float(distance(clean, changed, "linf")) == 1
    assert float(rms(torch.full((1, 1, 28, 28), -0.3))) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("pixel", "says"),
    [
        (0.5 + 0.1 + 3e-6, "beyond its budget"),
        (1.1, r"stay in \[0, 1\]"),
        (-0.1, r"stay in \[0, 1\]"),
        (float("nan"), "not finite"),
        (float("inf"), "not finite"),
    ],
)
def test_a_broken_budget_is_noticed(pixel: float, says: str) -> None:
    clean = torch.full((2, *SHAPE), 0.5, dtype=torch.float64)
    broken = clean.clone()
    broken[1, 0, 2, 2] = pixel
    with pytest.raises(BlindspotsError, match=says):
        check(clean, broken, Threat("linf", 0.1))


def test_a_changed_shape_is_noticed() -> None:
    with pytest.raises(BlindspotsError, match="keep the shape"):
        check(images(2, 0), images(1, 0), Threat("l2", 1.0))


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan"), float("inf")])
def test_budgets_outside_the_box_are_refused(epsilon: float) -> None:
    with pytest.raises(BlindspotsError, match="between 0 and 1"):
        Threat("linf", epsilon)


def test_unknown_norms_are_refused() -> None:
    with pytest.raises(BlindspotsError, match="did you mean 'linf'"):
        Threat("linff", 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", get_args(Norm))
def test_random_starts_fill_the_ball(norm: str) -> None:
    like = torch.zeros(2000, *SHAPE)
    offsets = random_offsets(norm, like, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    far = distance(like, offsets, norm)  # type: ignore[arg-type]
    assert float(far.max()) <= 1 + 1e-6
    assert float(offsets.mean(0).abs().max()) < 0.06
    if norm != "linf":
        shares = [float((far < edge).float().mean()) for edge in (0.25, 0.5, 0.75)]
        np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], atol=0.05)


def test_no_images_no_starts() -> None:
    empty = torch.zeros(0, 1, 28, 28)
    assert random_offsets("l2", empty, torch.Generator()).shape == empty.shape
