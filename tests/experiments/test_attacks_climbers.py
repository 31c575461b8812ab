"""Projected gradient ascent of many images at once, beside one image and one budget at a time."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.attacks.gradient import pgd_l2, pgd_linf

EPSILONS = [0.02, 0.05, 0.1]
STEPS, SIZE = 6, 8.0


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def net() -> nn.Module:
    """Smooth and in float64, so that rounding decides nothing."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.Tanh(), nn.Linear(12, 3)).double()
    for parameter in net.parameters():
        parameter.data = 2 * torch.randn(parameter.shape, generator=seeded(), dtype=torch.float64)
    return net


@pytest.fixture
def images() -> Tensor:
    return torch.rand(12, 1, 6, 6, generator=seeded(1), dtype=torch.float64)


def one_at_a_time(net: nn.Module, image: Tensor, label: Tensor, offsets: list[Tensor]) -> Tensor:
    """Every step of every restart at every budget (E, ...), until the image is fooled."""
    best, highest, found = image, -math.inf, []
    fooled = bool(net(image).argmax(1) != label)
    for epsilon in EPSILONS:
        for offset in offsets:
            point = (image + epsilon * offset).clamp(0, 1)
            for step in range(STEPS + 1):
                leaf = point.clone().requires_grad_()
                logits = net(leaf)
                loss = nn.functional.cross_entropy(logits, label)
                wrong = bool(logits.argmax(1) != label)
                if not fooled and (wrong or loss > highest):
                    best, highest, fooled = point, float(loss.detach()), wrong
                if fooled or step == STEPS:
                    break
                (gradient,) = torch.autograd.grad(loss, leaf)
                size = (1 + math.cos(math.pi * step / STEPS)) * SIZE * epsilon / STEPS
                point = point + size * gradient.sign()
                point = torch.clamp(point, image - epsilon, image + epsilon).clamp(0, 1)
        found.append(best)
    return torch.cat(found)


@pytest.mark.parametrize("batch_size", [500, 5])
def test_all_at_once_find_what_each_finds_alone(
    net: nn.Module, images: Tensor, batch_size: int
) -> None:
    labels = net(images).argmax(1)
    settings: dict[str, Any] = {"steps": STEPS, "relative_step": SIZE, "restarts": 2}
    together = pgd_linf(
        *(net, images, labels),
        epsilons=EPSILONS,
        generator=seeded(2),
        batch_size=batch_size,
        **settings,
    )
    chance = seeded(2)
    offsets = [
        2 * torch.rand(images.shape, generator=chance, dtype=torch.float64) - 1 for _ in "ab"
    ]
    alone = torch.stack(
        [
            one_at_a_time(
                net, images[i : i + 1], labels[i : i + 1], [o[i : i + 1] for o in offsets]
            )
            for i in range(len(images))
        ],
        1,
    )
    torch.testing.assert_close(together, alone)
    robust = (torch.stack([net(each).argmax(1) for each in together]) == labels).double().mean(1)
    assert 0.1 < robust[1] < 0.9  # budgets at which some are fooled, and some not


@pytest.mark.parametrize("attack", [pgd_linf, pgd_l2])
def test_giving_up_where_steps_lead_nowhere_changes_no_input(
    attack: Any, net: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, shown = net(images).argmax(1), [0]
    net.register_forward_hook(lambda module, given, answer: shown.append(len(given[0])))

    def found() -> tuple[Tensor, int]:
        shown.clear()
        return attack(net, images, labels, epsilons=EPSILONS, generator=seeded()), sum(shown)

    with_it, fewer = found()
    monkeypatch.setattr("experiments.attacks.ascent.IDLE", 10**6)
    without, more = found()
    torch.testing.assert_close(without, with_it)
    assert attack is pgd_l2 or fewer < more  # l2 moves on along the sphere
