"""What every attack keeps to, and what gradient attacks find, against closed forms."""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from experiments.attacks import ATTACKS, attack_named
from experiments.attacks.gradient import fgsm, pgd_l2, pgd_linf
from experiments.attacks.names import Norm
from experiments.attacks.noise import gaussian_noise, uniform_noise
from experiments.attacks.threat import distance
from experiments.attacks.victim import MaskedGradientWarning
from networks import BlindspotsError

NAMES = sorted(n for n in ATTACKS if ATTACKS[n].kind != "ensemble")  # it has tests of its own
AIMED = [name for name in NAMES if ATTACKS[name].kind != "noise"]
FOLLOWERS = [name for name in AIMED if ATTACKS[name].kind != "query"]
CURVE = [0.0, 0.03, 0.1, 0.4]
FEW: dict[str, dict[str, int]] = {  # where nothing need be found
    "square-linf": {"queries": 60},
    "lbfgs": {"tries": 1, "searches": 3},
    **{name: {"steps": 10} for name in ("pgd-linf", "pgd-l2")},
    **{name: {"steps": 12} for name in NAMES if name.startswith("apgd")},
    "spsa-linf": {"steps": 4, "pairs": 4},
    "hopskipjump-l2": {"steps": 3, "evaluations": 20},
    "hopskipjump-linf": {"steps": 3, "evaluations": 20},
    **{f"{name}-{norm}": {"steps": 8} for name in ("fmn", "fab") for norm in ("l2", "linf")},
}
MONOTONE = ("pgd_linf", "pgd_l2", "apgd_linf", "apgd_l2", "apgd_l1", "square_linf")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_net(seed: int = 0, classes: int = 4) -> nn.Module:
    """A small smooth network in float64, so that rounding decides nothing."""
    rng = seeded(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.Tanh(), nn.Linear(12, classes))
    for parameter in net.parameters():
        values = torch.randn(parameter.shape, generator=rng) / math.sqrt(parameter.shape[-1])
        parameter.data = 2 * values
    return net.double()


def grey(count: int, seed: int = 0, low: float = 0.35, high: float = 0.65) -> Tensor:
    """Images that stay away from black and white."""
    share = torch.rand(count, 1, 28, 28, generator=seeded(seed), dtype=torch.float64)
    return low + (high - low) * share


def right_labels(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1)


def accuracy(model: Callable[[Tensor], Tensor], curve: Tensor, labels: Tensor) -> list[float]:
    with torch.no_grad():
        return [float((model(each).argmax(1) == labels).double().mean()) for each in curve]


class Counting(nn.Module):
    """Counts the images that the model is shown."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.images = model, 0

    def forward(self, images: Tensor) -> Tensor:
        self.images += len(images)
        return self.model(images)


class TwoClasses(nn.Module):
    """Logits 0 and w x + b, with b such that every image of `grey` is of class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(784, generator=seeded(9), dtype=torch.float64)

    def forward(self, images: Tensor) -> Tensor:
        score = (images - 0.5).flatten(1) @ self.weight - 5
        return torch.stack([torch.zeros_like(score), score], 1)


@pytest.mark.parametrize("steps", [1, 20])
def test_linear_model_falls_at_margin_over_l1_norm(steps: int) -> None:
    model, images = TwoClasses(), grey(1)
    labels = right_labels(model, images)
    margin = -float(model(images)[0, 1])
    nearest = margin / float(model.weight.abs().sum())
    assert labels.item() == 0
    assert 0.001 < nearest < 0.2
    attack: Any = fgsm if steps == 1 else pgd_linf
    curve = attack(
        *(model, images, labels),
        epsilons=[0.999 * nearest, 1.001 * nearest],
        generator=seeded(),
    )
    assert accuracy(model, curve, labels) == [1.0, 0.0]


def test_linear_model_falls_at_margin_over_l2_norm() -> None:
    model, images = TwoClasses(), grey(1)
    labels = right_labels(model, images)
    nearest = -float(model(images)[0, 1]) / float(model.weight.norm()) / 28
    budgets = [0.999 * nearest, 1.001 * nearest]
    curve = pgd_l2(model, images, labels, epsilons=budgets, generator=seeded(), random_start=False)
    assert accuracy(model, curve, labels) == [1.0, 0.0]


def test_fgsm_is_goodfellows_formula() -> None:
    model, images = random_net(), grey(6, low=0, high=1)
    labels = right_labels(model, images)
    leaf = images.clone().requires_grad_()
    nn.functional.cross_entropy(model(leaf), labels, reduction="sum").backward()
    assert leaf.grad is not None
    curve = fgsm(model, images, labels, epsilons=[0.07], generator=seeded(), keep_going=True)
    torch.testing.assert_close(curve[0], (images + 0.07 * leaf.grad.sign()).clamp(0, 1))


def test_fgsm_is_one_step_of_pgd() -> None:
    model, images = random_net(), grey(6)
    labels = right_labels(model, images)
    common: dict[str, Any] = {"epsilons": [0.01, 0.05], "generator": seeded(), "keep_going": True}
    one = pgd_linf(model, images, labels, **common, steps=1, relative_step=1.0, random_start=False)
    torch.testing.assert_close(one, fgsm(model, images, labels, **common))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.integers(0, 1000),
    st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True).map(sorted),
    st.booleans(),
)
def test_every_result_is_finite_and_within_box_and_budget(
    name: str, seed: int, epsilons: list[float], keep_going: bool
) -> None:
    attack, model = ATTACKS[name], random_net(seed).float()
    images = grey(5, seed, 0, 1).float()
    images[:, :, :10] = images[:, :, :10].round()
    labels = torch.arange(5) % 4
    out = attack.function(
        *(model, images, labels),
        epsilons=epsilons,
        generator=seeded(seed),
        keep_going=keep_going,
        **FEW.get(name, {}),
    )
    assert out.shape == (len(epsilons), *images.shape)
    assert out.dtype == torch.float32
    assert bool(torch.isfinite(out).all())
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    for each, epsilon in zip(out, epsilons, strict=True):
        change = (each - images).double().flatten(1).numpy()
        size = {
            "linf": np.abs(change),
            "l2": np.sqrt(np.mean(change**2, 1)),
            "l1": np.mean(np.abs(change), 1),
        }[attack.norm]
        assert size.max() <= epsilon + 1e-6
    right = accuracy(model, torch.cat([images[None], out]), labels)
    climbs = attack.attribute in MONOTONE
    if not keep_going or climbs or attack.kind == "minimum":
        assert all(a >= b for a, b in pairwise(right))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_get_no_gradient_and_want_it_again_afterwards(name: str) -> None:
    model, images = random_net(), grey(3)
    parameters = list(model.parameters())
    parameters[0].requires_grad_(False)
    wanted = [p.requires_grad for p in parameters]
    seen = []
    model.register_forward_hook(lambda *_: seen.append(any(p.requires_grad for p in parameters)))
    labels = right_labels(model, images)
    seen.clear()
    few = FEW.get(name, {})
    attack_named(name).function(model, images, labels, epsilons=[0.1], generator=seeded(), **few)
    assert seen
    assert not any(seen)
    assert [p.requires_grad for p in parameters] == wanted
    assert all(p.grad is None for p in parameters)
    assert not images.requires_grad
    with pytest.raises(BlindspotsError):
        attack_named(name).function(model, images + 1, labels, epsilons=[0.1], generator=seeded())
    assert [p.requires_grad for p in parameters] == wanted


@pytest.mark.parametrize("name", NAMES)
def test_chance_comes_from_the_generator_alone(name: str) -> None:
    model, images = random_net(), grey(5)
    labels = right_labels(model, images)
    kept, before = images.clone(), torch.random.get_rng_state()

    def inputs(seed: int) -> Tensor:
        return attack_named(name).function(
            *(model, images, labels),
            epsilons=[0.02, 0.1],
            generator=seeded(seed),
            keep_going=True,
            **FEW.get(name, {}),
        )

    first, again, other = inputs(1), inputs(1), inputs(2)
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name == "fgsm" or ATTACKS[name].kind == "minimum")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(images, kept)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep_going", [False, True])
def test_the_batch_size_changes_nothing(name: str, keep_going: bool) -> None:
    model, images = random_net(), grey(5)
    labels = torch.arange(5) % 4
    small, large = (
        attack_named(name).function(
            *(model, images, labels),
            epsilons=CURVE,
            generator=seeded(),
            keep_going=keep_going,
            batch_size=size,
            **FEW.get(name, {}),
        )
        for size in (3, 100)
    )
    torch.testing.assert_close(small, large, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        *("fgsm", "uniform", "gaussian", "pgd-l2", "pgd-linf", "square-linf"),
        *("apgd-linf", "apgd-l2", "apgd-l1"),
    ],
)
def test_keep_going_spends_the_whole_budget(name: str) -> None:
    attack, model, images = ATTACKS[name], random_net(), grey(6)
    labels = torch.arange(6) % 4
    common: dict[str, Any] = {"epsilons": [0.05, 0.2], "generator": seeded()}
    common |= FEW[name] if name == "square-linf" else {}  # the others need their steps for it
    out = attack.function(model, images, labels, **common, keep_going=True)
    for each, epsilon in zip(out, common["epsilons"], strict=True):
        size = distance(images, each, attack.norm)
        least = 0.98 if name in ("uniform", "pgd-l2", "apgd-l2", "apgd-l1") else 0.999
        assert float(size.min()) >= least * epsilon
    stopping = attack.function(model, images, labels, **common)
    wrong = right_labels(model, images) != labels
    assert bool(wrong.any())
    assert torch.equal(stopping[1][wrong], images[wrong])


@pytest.mark.parametrize("attack", [gaussian_noise, uniform_noise])
def test_noise_of_full_size_never_asks_the_model(attack: Any) -> None:
    model = Counting(random_net())
    out = attack(
        *(model, grey(3), torch.tensor([0, 1, 2])),
        epsilons=[0.02, 0.04],
        generator=seeded(),
        keep_going=True,
    )
    assert model.images == 0
    ratio = (out[1] - grey(3)) / (out[0] - grey(3))
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2.0), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_images_already_wrong_are_not_worked_on(name: str) -> None:
    model, images = Counting(random_net()), grey(8)
    labels = (right_labels(model.model, images) + 1) % 4
    out = attack_named(name).function(
        model, images, labels, epsilons=[0.1, 0.2, 0.3], generator=seeded()
    )
    assert model.images == 8
    assert torch.equal(out, images.expand_as(out))


def test_an_image_is_left_alone_once_it_is_fooled_or_steps_lead_nowhere() -> None:
    """Both classes fall at known budgets, so the number of images shown is known as well."""
    model, images = Counting(TwoClasses()), grey(2)
    labels = torch.tensor([0, 1])  # the second is wrong as it is
    nearest = -float(model.model(images)[0, 1]) / float(model.model.weight.abs().sum())
    budgets = [0.5 * nearest, 1.01 * nearest, 2 * nearest]
    settings: dict[str, Any] = {"steps": 20, "schedule": "constant", "random_start": False}
    pgd_linf(model, images, labels, epsilons=budgets, generator=seeded(), **settings)
    judged, to_the_corner, idle, to_the_next_corner = 2, 1, 2, 2
    assert model.images == judged + to_the_corner + idle + to_the_next_corner
    model.images = 0
    pgd_linf(
        *(model, images[:1], labels[:1]),
        epsilons=budgets[:1],
        generator=seeded(),
        keep_going=True,
        **settings,
    )
    assert model.images == 1 + 21  # clean, every step, the last iterate


@pytest.mark.parametrize("name", AIMED)
def test_targets_are_reached(name: str) -> None:
    model, images = random_net(3), grey(12)
    targets = (right_labels(model, images) + 2) % 4
    out = attack_named(name).function(
        *(model, images, targets), epsilons=[0.001, 0.35], generator=seeded(), targeted=True
    )
    reached = accuracy(model, out, targets)
    assert reached[0] < 0.2
    assert reached[1] > (0.5 if name == "fgsm" else 0.95)


def test_untargeted_ascent_is_no_less_than_targeted() -> None:
    model, images = random_net(3), grey(12)
    labels = right_labels(model, images)
    free = pgd_linf(model, images, labels, epsilons=[0.05], generator=seeded())
    aimed = pgd_linf(
        *(model, images, (labels + 1) % 4), epsilons=[0.05], generator=seeded(), targeted=True
    )
    assert accuracy(model, free, labels) <= accuracy(model, aimed, labels)


@pytest.mark.parametrize("name", NAMES)
def test_no_images_give_no_inputs(name: str) -> None:
    out = attack_named(name).function(
        *(random_net(), grey(0), torch.zeros(0, dtype=torch.int64)),
        epsilons=[0.1, 0.2],
        generator=seeded(),
    )
    assert out.shape == (2, 0, 1, 28, 28)


@pytest.mark.parametrize("name", FOLLOWERS)
def test_a_saturated_model_is_reported(name: str) -> None:
    net, images = random_net(), grey(4)

    def saturated(points: Tensor) -> Tensor:
        return torch.sigmoid(1e6 * net(points))

    labels = right_labels(saturated, images)
    with pytest.warns(MaskedGradientWarning, match=r"exactly zero for 100 % .* \(4 of 4\)"):
        attack_named(name).function(saturated, images, labels, epsilons=[0.1], generator=seeded())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attack_named(name).function(net, images, labels, epsilons=[0.1], generator=seeded())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_cosine_schedule_walks_as_far_as_the_constant(norm: Norm) -> None:
    from experiments.attacks.ascent import Plan

    paths = [
        sum(Plan(20, 1, 2.5, each, False, False).step_size(i, 0.2) for i in range(20))
        for each in ("constant", "cosine")
    ]
    assert paths[0] == pytest.approx(0.5)
    assert paths[1] == pytest.approx(0.5, rel=0.06)
