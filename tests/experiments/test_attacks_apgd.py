"""Auto-PGD and its sparse form, against closed forms and projected gradient ascent."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.attacks.apgd import apgd_l1, apgd_l2, apgd_linf
from experiments.attacks.goal import Detour, Goal
from experiments.attacks.gradient import pgd_l2, pgd_linf
from experiments.attacks.threat import distance
from experiments.attacks.walk import Halving, sparsest
from networks import BlindspotsError

APGD: dict[str, Any] = {"linf": apgd_linf, "l2": apgd_l2, "l1": apgd_l1}
PGD: dict[str, Any] = {"linf": pgd_linf, "l2": pgd_l2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def filled(net: nn.Module, seed: int, gain: float = 2.0) -> nn.Module:
    """The network in float64 with random weights."""
    rng = seeded(seed)
    for parameter in net.parameters():
        values = torch.randn(parameter.shape, generator=rng)
        parameter.data = gain * values / math.sqrt(parameter[0].numel())
    return net.double()


def mlp(seed: int) -> nn.Module:
    return filled(nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 5)), seed)


def conv(seed: int) -> nn.Module:
    layers = (nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Flatten())
    return filled(nn.Sequential(*layers, nn.Linear(96, 5)), seed)


class Linear(nn.Module):
    """Logits 0 and w x: any attack knows where to go."""

    def __init__(self, pixels: int = 64):
        super().__init__()
        self.weight = torch.randn(pixels, generator=seeded(9), dtype=torch.float64)

    def forward(self, inputs: Tensor) -> Tensor:
        score = inputs.flatten(1) @ self.weight
        return torch.stack([torch.zeros_like(score), score], 1)


def images(count: int, seed: int = 0, low: float = 0.0, high: float = 1.0) -> Tensor:
    share = torch.rand(count, 1, 8, 8, generator=seeded(seed), dtype=torch.float64)
    return low + (high - low) * share


def predicted(model: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return model(inputs).argmax(1)


def margins(model: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return Goal("margin").value(model(inputs), labels)


# --- closed forms on a linear model


def greedy(clean: np.ndarray, weight: np.ndarray, total: float) -> np.ndarray:
    """The largest rise of weight . x within absolute sum and box: the steepest pixels first."""
    moved = clean.copy()
    for pixel in np.argsort(-np.abs(weight)):
        room = 1 - clean[pixel] if weight[pixel] > 0 else clean[pixel]
        spent = min(room, total)
        moved[pixel] += np.sign(weight[pixel]) * spent
        total -= spent
    return moved


def test_linf_steps_to_a_corner_of_the_ball() -> None:
    model, clean = Linear(), images(4, low=0.3, high=0.7)
    out = apgd_linf(
        *(model, clean, torch.zeros(4, dtype=torch.int64)),
        epsilons=[0.1],
        generator=seeded(),
        keep_going=True,
    )[0]
    corner = clean + 0.1 * model.weight.sign().reshape(1, 1, 8, 8)
    torch.testing.assert_close(out, corner)


def test_l2_steps_along_the_weights() -> None:
    model, clean = Linear(), images(4, low=0.4, high=0.6)
    out = apgd_l2(
        *(model, clean, torch.zeros(4, dtype=torch.int64)),
        epsilons=[0.05],
        generator=seeded(),
        keep_going=True,
    )[0]
    along = 0.05 * 8 * model.weight / model.weight.norm()
    torch.testing.assert_close(out, clean + along.reshape(1, 1, 8, 8), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("epsilon", "share"), [(0.005, 0.999), (0.02, 0.995), (0.3, 0.975)])
def test_l1_fills_the_steepest_pixels(epsilon: float, share: float) -> None:
    """Steps are no smaller than a tenth of epsilon, so a budget for most pixels is less exact."""
    model, clean = Linear(), images(6).round(decimals=1)
    out = apgd_l1(
        *(model, clean, torch.zeros(6, dtype=torch.int64)),
        epsilons=[epsilon],
        generator=seeded(),
        keep_going=True,
    )[0]
    weight = model.weight.numpy()
    for x, y in zip(clean.flatten(1).numpy(), out.flatten(1).numpy(), strict=True):
        most = weight @ (greedy(x, weight, 64 * epsilon) - x)
        assert share * most <= weight @ (y - x) <= most + 1e-9


def test_a_sparse_step_passes_over_pixels_that_cannot_move() -> None:
    points = torch.tensor([[0.0, 1.0, 0.5, 0.5, 0.0, 0.0]])
    gradient = torch.tensor([[-9.0, 8.0, -3.0, 1.0, 2.0, 0.0]])
    two = sparsest(points, gradient, torch.tensor([2.0]))
    assert two.tolist() == [[0, 0, -0.5, 0, 0.5, 0]]
    all_of_them = sparsest(points, gradient, torch.tensor([6.0]))
    assert float(all_of_them.abs().sum()) == pytest.approx(1)
    assert int((all_of_them != 0).sum()) == 3
    assert not sparsest(points, torch.zeros_like(gradient), torch.tensor([2.0])).any()


# --- step sizes


def test_checkpoints_are_those_of_the_paper() -> None:
    assert list(Halving.checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert list(Halving.checkpoints(1)) == []


def test_a_step_is_halved_where_too_few_steps_raise_the_loss() -> None:
    walk = Halving.begin(torch.zeros(3, 2))
    heights = {0: [0.0, 0.0, 0.0], 1: [1.0, -1.0, 1.0], 2: [2.0, -2.0, 3.0], 3: [3.0, -1.5, 2.0]}
    clean, marked = torch.zeros(3, 2), torch.arange(6.0).reshape(3, 2)
    for step, loss in heights.items():
        walk.points = marked + step
        walk.begun = torch.full((3,), step > 0)
        walk.see(torch.tensor(loss), marked * step)
    walk.adapt(clean, 3)
    assert walk.size.tolist() == [2, 1, 1]  # rises: 3, 1 and 2 of 3
    assert walk.points.tolist() == (marked + torch.tensor([[3], [0], [2]])).tolist()
    assert walk.gradient.tolist() == (marked * torch.tensor([[3], [0], [2]])).tolist()
    for loss in ([2.0, -1.0, 2.0], [2.5, -0.5, 2.5], [2.8, -0.1, 2.8]):
        walk.see(torch.tensor(loss), marked)
    walk.rises = torch.full((3,), 3.0)
    walk.adapt(clean, 3)
    assert walk.size.tolist() == [1, 1, 1]  # no new summit: the first halves now, the others had


# --- strength


@pytest.mark.parametrize("norm", APGD)
@pytest.mark.parametrize("net", [mlp, conv])
def test_more_steps_raise_the_loss_further(norm: str, net: Callable[[int], nn.Module]) -> None:
    model, clean = net(1), images(30)
    labels = predicted(model, clean)
    means = [
        float(
            margins(
                model,
                APGD[norm](
                    *(model, clean, labels),
                    epsilons=[0.05],
                    generator=seeded(),
                    keep_going=True,
                    steps=steps,
                    loss="margin",
                )[0],
                labels,
            ).mean()
        )
        for steps in (1, 4, 16, 64)
    ]
    assert means == sorted(means)


@pytest.mark.parametrize("norm", PGD)
@pytest.mark.parametrize("net", [mlp, conv])
@pytest.mark.parametrize("loss", ["cross-entropy", "margin"])
def test_it_does_no_worse_than_pgd_at_equal_gradients(
    norm: str, net: Callable[[int], nn.Module], loss: str
) -> None:
    reached: dict[str, float] = {"pgd": 0.0, "apgd": 0.0}
    for seed in range(3):
        model, clean = net(seed), images(40, seed)
        labels = predicted(model, clean)
        for name, attack in (("pgd", PGD[norm]), ("apgd", APGD[norm])):
            out = attack(
                *(model, clean, labels),
                epsilons=[0.04],
                generator=seeded(),
                steps=50,
                loss=loss,
                keep_going=True,
            )[0]
            reached[name] += float(Goal(loss).value(model(out).detach(), labels).mean())  # type: ignore[arg-type]
    assert reached["apgd"] >= reached["pgd"] - 0.002 * abs(reached["pgd"])


def test_restarts_and_targets_fool_no_fewer() -> None:
    model, clean = conv(1), images(60)
    labels = predicted(model, clean)
    common: dict[str, Any] = {"epsilons": [0.02, 0.04], "steps": 10}

    def right(**options: Any) -> list[float]:
        out = apgd_linf(model, clean, labels, **common, generator=seeded(), **options)
        return [float((predicted(model, each) == labels).double().mean()) for each in out]

    once = right(loss="dlr")
    assert 0 < once[1] < once[0] < 1
    assert all(more <= few for more, few in zip(right(loss="dlr", restarts=3), once, strict=True))
    by_all = right(loss="dlr", targets=4)
    first = right(loss="dlr", targets=1)
    assert all(more <= few for more, few in zip(by_all, first, strict=True))
    assert by_all == right(loss="dlr", targets=9)  # five classes: four are wrong


def test_a_target_is_a_way_and_not_the_aim() -> None:
    """Headed for the likeliest wrong class; an image that ends in another is fooled as well."""
    model, clean = mlp(2), images(40)
    labels = predicted(model, clean)
    out = apgd_linf(
        model, clean, labels, epsilons=[0.3], generator=seeded(), targets=1, keep_going=True
    )[0]
    likeliest = model(clean).scatter(1, labels[:, None], -math.inf).argmax(1)
    assert float((predicted(model, out) == likeliest).double().mean()) > 0.9
    goal, logits = Detour("dlr"), torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    assert bool(goal.fooled(logits, torch.tensor([[0, 1]])))
    assert not bool(goal.fooled(logits, torch.tensor([[2, 1]])))


@pytest.mark.parametrize("norm", APGD)
@pytest.mark.parametrize("options", [{}, {"loss": "dlr", "targets": 3}, {"restarts": 2}])
@pytest.mark.parametrize("keep_going", [False, True])
def test_budget_and_batch_size(norm: str, options: dict[str, Any], keep_going: bool) -> None:
    model, clean, labels = mlp(0), images(7), torch.arange(7) % 5
    whole, parts = (
        APGD[norm](
            *(model, clean, labels),
            epsilons=[0.0, 0.02, 0.2],
            generator=seeded(),
            steps=5,
            keep_going=keep_going,
            batch_size=size,
            **options,
        )
        for size in (100, 3)
    )
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-9)
    for each, epsilon in zip(whole, [0.0, 0.02, 0.2], strict=True):
        assert float(distance(clean, each, norm).max()) <= epsilon + 1e-9  # type: ignore[arg-type]
        assert bool(((each >= 0) & (each <= 1)).all())


def test_rank_and_guide() -> None:
    """Inputs without a channel; a guide of the opposite gradient leads nowhere."""
    model, clean = mlp(3), images(10)
    labels, flat = predicted(model, clean), clean.flatten(1)
    led = apgd_linf(model, flat, labels, epsilons=[0.1], generator=seeded(), guide=model)
    misled = apgd_linf(
        *(model, flat, labels), epsilons=[0.1], generator=seeded(), guide=lambda x: -model(x)
    )
    square = apgd_linf(model, clean, labels, epsilons=[0.1], generator=seeded())
    torch.testing.assert_close(led.reshape(square.shape), square)
    assert bool((predicted(model, led[0]) != labels).all())
    assert bool((predicted(model, misled[0]) == labels).any())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "must be positive"),
        ({"restarts": 0}, "must be positive"),
        ({"targets": -1}, "targets 0 or more"),
        ({"targets": 2, "targeted": True}, "give targets = 0"),
        ({"loss": "dlrr"}, "did you mean 'dlr'"),
    ],
)
def test_unsuitable_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        apgd_linf(
            *(mlp(0), images(2), torch.tensor([0, 1])),
            epsilons=[0.1],
            generator=seeded(),
            **options,
        )
