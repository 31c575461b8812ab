"""What an attack cannot work with is refused in a sentence that says how to mend it."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.attacks import ATTACKS, attack_named
from experiments.attacks.gradient import fgsm, pgd_linf
from networks import BlindspotsError

NAMES = sorted(ATTACKS)
FOLLOWERS = [name for name in NAMES if ATTACKS[name].kind in ("gradient", "minimum")]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_net() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 4))
    net[1].weight.data = torch.randn(4, 784, generator=seeded())
    return net.double()


def grey(count: int) -> Tensor:
    return 0.35 + 0.3 * torch.rand(count, 1, 28, 28, generator=seeded(), dtype=torch.float64)


def right_labels(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1)


@pytest.mark.parametrize("name", FOLLOWERS)
@pytest.mark.parametrize(
    "model",
    [
        lambda x: nn.functional.one_hot((9 * x[:, 0, 0, 0]).long(), 10).double(),
        lambda x: x.detach().flatten(1)[:, :10],
    ],
)
def test_models_without_a_gradient_are_refused(name: str, model: Any) -> None:
    images = grey(3)
    with pytest.raises(BlindspotsError, match="no gradient by its input"):
        attack_named(name).function(
            model, images, right_labels(model, images), epsilons=[0.1], generator=seeded()
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: x.flatten(1)[:, :4] * math.nan, "not finite"),
        (lambda x: x.flatten(1)[:, :4] / 0, "not finite"),
        (lambda x: x.flatten(1)[:, 0], "one row of logits per image"),
        (lambda x: x.flatten(1)[:1, :4], "one row of logits per image"),
        (lambda x: x.flatten(1)[:, :2], "knows 2 classes"),
    ],
)
def test_answers_that_are_no_logits_are_refused(name: str, answer: Any, says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        attack_named(name).function(
            answer, grey(3), torch.tensor([0, 1, 2]), epsilons=[0.1], generator=seeded()
        )


def test_gradients_that_are_not_finite_are_refused() -> None:
    def model(images: Tensor) -> Tensor:
        return (images.flatten(1)[:, :4] - 0.5).abs().clamp_min(0).sqrt() + images.mean() * 0

    images = torch.full((2, 1, 28, 28), 0.5)
    with pytest.raises(BlindspotsError, match="gradient by the input is not finite"):
        fgsm(model, images, torch.tensor([0, 0]), epsilons=[0.1], generator=seeded())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("epsilons", [[], [0.1, 1.01], [-0.1], [0.2, 0.1], [0.1, 0.1], [math.nan]])
def test_unsuitable_epsilons_are_refused(name: str, epsilons: list[float]) -> None:
    with pytest.raises(BlindspotsError, match="psilon"):
        attack_named(name).function(
            random_net(), grey(2), torch.tensor([0, 1]), epsilons=epsilons, generator=seeded()
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (grey(2) * 255, torch.tensor([0, 1]), "divide intensities by 255"),
        (grey(2) * math.nan, torch.tensor([0, 1]), r"outside \[0, 1\]"),
        (grey(2).half(), torch.tensor([0, 1]), "give float32"),
        (grey(2).flatten(), torch.tensor([0, 1]), "give float32"),
        (grey(2), torch.tensor([0]), "one integer class per image"),
        (grey(2), torch.tensor([0.0, 1.0]), "one integer class per image"),
        (grey(2), torch.tensor([0, -100]), "counted from 0"),
    ],
)
def test_unsuitable_images_and_labels_are_refused(
    name: str, images: Tensor, labels: Tensor, says: str
) -> None:
    with pytest.raises(BlindspotsError, match=says):
        attack_named(name).function(
            random_net(), images, labels, epsilons=[0.1], generator=seeded()
        )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("pgd-lnf", "pgd-linf"), ("FGSN", "fgsm"), ("lbgfs", "lbfgs"), ("gausian", "gaussian")],
)
def test_unknown_attacks_suggest_the_nearest(wrong: str, says: str) -> None:
    with pytest.raises(BlindspotsError, match=f"did you mean .*'{says}'"):
        attack_named(wrong)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"loss": "crossentropy"}, "did you mean 'cross-entropy'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"steps": 0}, "must be positive"),
        ({"restarts": 0}, "must be positive"),
        ({"relative_step": 0.0}, "must be positive"),
        ({"batch_size": 0}, "give 1 or more"),
    ],
)
def test_unsuitable_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        pgd_linf(
            *(random_net(), grey(2), torch.tensor([0, 1])),
            epsilons=[0.1],
            generator=seeded(),
            **options,
        )
