"""The smallest change that fools, against closed forms and other optimisers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn

from experiments.attacks.descent import Descent
from experiments.attacks.lbfgs import lbfgs, minimum_distortion
from experiments.attacks.threat import distance
from networks import BlindspotsError, wiring_named
from sim import Network

PIXELS = 784


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int, seed: int = 0, low: float = 0.35, high: float = 0.65) -> Tensor:
    share = torch.rand(count, 1, 28, 28, generator=seeded(seed), dtype=torch.float64)
    return low + (high - low) * share


def tanh_net(seed: int = 0, classes: int = 5, width: int = 12) -> nn.Module:
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(PIXELS, width), nn.Tanh(), nn.Linear(width, classes)
    )
    for at, parameter in enumerate(net.parameters()):
        values = torch.randn(parameter.shape, generator=seeded(seed + at))
        parameter.data = 2 * values / math.sqrt(parameter.shape[-1])
    return net.double()


def predicted(model: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1)


class Linear(nn.Module):
    """Logits w x + b; `scale` does not move the boundaries."""

    def __init__(self, classes: int, seed: int = 0, scale: float = 1.0, brightness: float = 0.5):
        super().__init__()
        self.weight = torch.randn(classes, PIXELS, generator=seeded(seed), dtype=torch.float64)
        self.scale, self.brightness = scale, brightness

    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight.to(images.dtype)
        return self.scale * (images - self.brightness).flatten(1) @ weight.T


@pytest.mark.parametrize("classes", [2, 6])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_linear_models_fall_at_margin_over_norm(classes: int, scale: float) -> None:
    """Nothing lies nearer than the nearest of the hyperplanes to the other classes."""
    model, images = Linear(classes, scale=scale), grey(20)
    labels = predicted(model, images)
    logits = model(images)
    own = logits.gather(1, labels[:, None])
    apart = (model.weight[labels][:, None] - model.weight[None]).norm(dim=2) * scale
    nearest = torch.where(apart > 0, (own - logits) / apart, math.inf).amin(1) / 28
    found, far = minimum_distortion(model, images, labels, generator=seeded())
    assert bool((far >= nearest * (1 - 1e-9)).all())
    np.testing.assert_allclose(far, nearest, rtol=5e-3)
    assert bool((predicted(model, found) != labels).all())


def nearest_in_the_box(clean: np.ndarray, weight: np.ndarray, bias: float) -> float:
    """Smallest rms change with weight . x + bias = 0 in [0, 1]: x = clip(clean + s weight)."""
    low, high = 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        below = weight @ np.clip(clean + middle * weight, 0, 1) + bias < 0
        low, high = (middle, high) if below else (low, middle)
    return float(np.sqrt(np.mean((np.clip(clean + high * weight, 0, 1) - clean) ** 2)))


def test_the_box_bends_the_nearest_point() -> None:
    """Images with most pixels at 0, as in MNIST: half of all directions lead out of the box."""
    model, images = Linear(2, brightness=0.2), grey(12, 3, 0, 1)
    images[:, :, :20] = 0
    images[:, :, 24:] = 1
    labels = predicted(model, images)
    _, far = minimum_distortion(model, images, labels, generator=seeded())
    weight = (model.weight[1] - model.weight[0]).numpy()
    for x, label, d in zip(images.flatten(1).numpy(), labels.tolist(), far.tolist(), strict=True):
        toward = weight if label == 0 else -weight
        free = abs(toward @ (x - 0.2)) / np.linalg.norm(toward) / 28
        oracle = nearest_in_the_box(x, toward, -0.2 * toward.sum())
        assert oracle > 1.05 * free
        assert d == pytest.approx(oracle, rel=3e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_penalised_objective_is_as_low_as_scipys(seed: int) -> None:
    """Six images in one batch, each with a weight of its own and with pixels at the box."""
    net, clean = tanh_net(seed), grey(6, seed, 0, 1)
    clean[:, :, :14] = clean[:, :, :14].round()
    target = (predicted(net, clean) + 1) % 5
    weight = torch.tensor([0.003, 0.01, 0.03, 0.1, 0.3, 1.0], dtype=torch.float64)

    def loss(points: Tensor) -> tuple[Tensor, Tensor]:
        points = points.detach().requires_grad_()
        each = nn.functional.cross_entropy(net(points), target, reduction="none")
        return each.detach(), torch.autograd.grad(each.sum(), points)[0]

    descent = Descent.begin(loss, clean.flatten(1), torch.ones_like(weight), memory=8)
    for _ in range(10):  # at another weight first: what is remembered must not mislead
        descent.advance()
    descent.weight = weight
    for _ in range(150):
        descent.advance()
    reached = descent.total(descent.points, descent.value)
    for i in range(6):

        def objective(x: np.ndarray, i: int = i) -> tuple[float, np.ndarray]:
            points = torch.from_numpy(x)[None].requires_grad_()
            each = nn.functional.cross_entropy(net(points), target[i : i + 1])
            each = each + weight[i] / 2 * (points - clean[i].flatten()).square().sum()
            (gradient,) = torch.autograd.grad(each, points)
            return each.item(), gradient[0].numpy()

        solved = minimize(
            *(objective, clean[i].flatten().numpy()),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1)] * PIXELS,
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
        )
        assert float(reached[i]) == pytest.approx(solved.fun, rel=1e-5)
    assert bool(((descent.points == 0) | (descent.points == 1)).any())


def test_the_objective_never_rises() -> None:
    net, clean = tanh_net(), grey(8)
    target = (predicted(net, clean) + 1) % 5

    def loss(points: Tensor) -> tuple[Tensor, Tensor]:
        points = points.detach().requires_grad_()
        each = nn.functional.cross_entropy(20 * net(points), target, reduction="none")
        return each.detach(), torch.autograd.grad(each.sum(), points)[0]

    descent = Descent.begin(loss, clean.flatten(1), torch.full((8,), 0.01).double(), memory=4)
    lowest = descent.total(descent.points, descent.value)
    first = lowest
    for _ in range(40):
        descent.advance()
        now = descent.total(descent.points, descent.value)
        assert bool((now <= lowest + 2e-6 * lowest.abs()).all())
        lowest = now
    assert bool((lowest < 0.9 * first).all())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
@example(492)  # where one image lies on the boundary, to rounding
def test_what_comes_back_is_what_it_says(seed: int) -> None:
    """Recomputed: inputs in the box, distances, who is fooled; in float32 and another batch."""
    model, images = tanh_net(seed).float(), grey(6, seed, 0, 1).float()
    labels = predicted(model, images)
    labels[:2] = (labels[:2] + 1) % 5
    found, far = minimum_distortion(model, images, labels, generator=seeded(), tries=1, searches=4)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    np.testing.assert_allclose(
        np.where(far.isinf(), 0, far),
        (found - images).double().square().flatten(1).mean(1).sqrt(),
        rtol=1e-5,
    )
    with torch.no_grad():
        alone = torch.cat([model(each) for each in found.split(1)])
    best = alone.topk(2, 1).values
    level = best[:, 0] - best[:, 1] < 1e-5  # another batch rounds otherwise
    assert bool(((alone.argmax(1) != labels) | level)[far.isfinite()].all())
    assert bool((alone.argmax(1) == labels)[far.isinf()].all())
    assert bool((far[:2] == 0).all())
    assert torch.equal(found[:2], images[:2])


def test_results_lie_just_beyond_the_boundary() -> None:
    model, images = tanh_net(), grey(10)
    labels = predicted(model, images)
    found, _ = minimum_distortion(model, images, labels, generator=seeded())
    assert bool((predicted(model, found) != labels).all())
    back = images + (1 - 1e-3) * (found - images)
    assert bool((predicted(model, back) == labels).all())


def test_what_cannot_be_fooled_is_infinitely_far() -> None:
    def stubborn(images: Tensor) -> Tensor:
        score = images.mean((1, 2, 3))
        return torch.stack([score + 5, -score], 1)

    images = grey(3)
    found, far = minimum_distortion(stubborn, images, torch.tensor([0, 0, 1]), generator=seeded())
    assert far.tolist() == [math.inf, math.inf, 0]
    assert torch.equal(found, images)


def test_targets_are_reached_and_are_no_nearer_than_any_class() -> None:
    model, images = tanh_net(), grey(10)
    labels = predicted(model, images)
    targets = (labels + 1 + torch.arange(10) % 4) % 5
    targets[0] = labels[0]
    found, far = minimum_distortion(model, images, labels, generator=seeded(), targets=targets)
    _, free = minimum_distortion(model, images, labels, generator=seeded(), tries=4)
    assert torch.equal(predicted(model, found), targets)
    assert far[0] == 0
    assert bool((far[1:] >= 0.995 * free[1:]).all())
    assert bool((far[1:] > 1.05 * free[1:]).any())


def test_more_tries_come_no_less_near() -> None:
    model, images = tanh_net(1, classes=5), grey(8)
    labels = predicted(model, images)
    far = [
        minimum_distortion(model, images, labels, generator=seeded(), tries=tries)[1]
        for tries in (1, 2, 100)
    ]
    assert bool((far[1] <= far[0] * (1 + 1e-3)).all())
    assert bool((far[2] <= far[1] * (1 + 1e-3)).all())


def test_the_curve_holds_the_nearest_input_wherever_it_fits() -> None:
    model, images = tanh_net(), grey(12)
    labels = predicted(model, images)
    labels[0] = (labels[0] + 1) % 5
    few: dict[str, Any] = {"tries": 1, "searches": 4}
    found, far = minimum_distortion(model, images, labels, generator=seeded(), **few)
    between = float(far.median())
    few |= {"epsilons": [0.0, between, 1.0]}
    curve = lbfgs(model, images, labels, generator=seeded(), **few)
    on = lbfgs(model, images, labels, generator=seeded(), keep_going=True, **few)
    assert torch.equal(curve, on)
    assert torch.equal(curve[0], images)
    assert torch.equal(curve[2], found)
    kept = distance(images, curve[1], "l2")
    assert torch.equal(kept > 0, (far <= between) & (far > 0))
    assert 4 <= int((kept > 0).sum()) <= 8


def test_the_cost_per_image_is_bounded() -> None:
    shown = []
    net, images = tanh_net(classes=10), grey(4)

    def model(points: Tensor) -> Tensor:
        shown.append((len(points), points.requires_grad))
        return net(points)

    minimum_distortion(model, images, predicted(net, images), generator=seeded())
    gradients = sum(count for count, wanted in shown if wanted) / len(images)
    assert 100 <= gradients <= 200
    assert sum(count for count, _ in shown) / len(images) <= gradients + 40


@pytest.mark.parametrize("name", ["fc-blt", "fc-blt-spiking"])
def test_recurrent_and_spiking_networks_are_fooled(name: str) -> None:
    network, images = Network.initial(wiring_named(name), 0), grey(4).float()
    labels = predicted(network, images)
    found, far = minimum_distortion(network, images, labels, generator=seeded(), tries=1)
    assert bool((far < 0.3).all())
    assert bool((predicted(network, found) != labels).all())


@pytest.mark.parametrize("option", ["tries", "searches", "evaluations", "memory"])
def test_no_effort_is_refused(option: str) -> None:
    options: dict[str, Any] = {option: 0}
    with pytest.raises(BlindspotsError, match=f"{option} = 0.* must be positive"):
        minimum_distortion(tanh_net(), grey(1), torch.tensor([0]), generator=seeded(), **options)


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BlindspotsError, match="one integer class per image"):
        minimum_distortion(
            *(tanh_net(), grey(2), torch.tensor([0, 1])),
            generator=seeded(),
            targets=torch.tensor([1]),
        )
