"""The loss dlr, the difference of logits ratio, against its formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.attacks.goal import Detour, Goal


def logits_of(classes: int, seed: int = 0) -> Tensor:
    return torch.randn(
        30, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_dlr_is_the_formula(classes: int) -> None:
    logits, labels = logits_of(classes), torch.arange(30) % classes
    found = Goal("dlr").value(logits, labels)
    aim = (labels + 1) % classes
    towards = Detour("dlr").value(logits, torch.stack([labels, aim], 1))
    for z, y, t, loss, gain in zip(
        logits.numpy(), labels.tolist(), aim.tolist(), found, towards, strict=True
    ):
        first, _, third, *rest = np.sort(z)[::-1]
        rival = max(z[k] for k in range(classes) if k != y)
        assert float(loss) == pytest.approx(-(z[y] - rival) / (first - third))
        low = (third + rest[0]) / 2 if rest else third
        assert float(gain) == pytest.approx(-(z[y] - z[t]) / (first - low))


@pytest.mark.parametrize("classes", [3, 4, 10])
@pytest.mark.parametrize("goal", [Goal("dlr"), Goal("dlr", targeted=True), Detour("dlr")])
def test_dlr_knows_neither_scale_nor_shift(classes: int, goal: Goal) -> None:
    logits, labels = logits_of(classes), torch.arange(30) % classes
    if isinstance(goal, Detour):
        labels = torch.stack([labels, (labels + 1) % classes], 1)
    plain = goal.value(logits, labels)
    for scale, shift in ((1e-6, 0.0), (1e6, 0.0), (1.0, 5.0), (0.1, -3.0)):
        torch.testing.assert_close(goal.value(scale * logits + shift, labels), plain)


@pytest.mark.parametrize("goal", [Goal("dlr"), Goal("dlr", targeted=True), Detour("dlr")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dlr_and_its_gradient_are_finite_where_counts_are_tied(
    goal: Goal, dtype: torch.dtype
) -> None:
    """Every pattern of counts up to 2 of five classes, and of two classes, at two scales."""
    for classes in (2, 3, 5):
        counts = torch.cartesian_prod(*[torch.arange(3)] * classes).to(dtype)
        for scale in (1.0, 1e-4):
            leaf = (scale * counts).requires_grad_()
            labels = torch.arange(len(counts)) % classes
            pair = torch.stack([labels, (labels + 1) % classes], 1)
            value = goal.value(leaf, pair if isinstance(goal, Detour) else labels)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
            assert bool(torch.isfinite(value).all())
            assert bool(torch.isfinite(gradient).all())
            held = (leaf.argmax(1) == labels) & (
                leaf.amax(1) == leaf.gather(1, labels[:, None])[:, 0]
            )
            if type(goal) is Goal and not goal.targeted and classes != 3:
                assert bool((gradient[held].abs().amax(1) > 0).all())


def test_of_two_classes_dlr_is_the_margin() -> None:
    logits, labels = logits_of(2), torch.arange(30) % 2
    assert torch.equal(Goal("dlr").value(logits, labels), Goal("margin").value(logits, labels))
