"""Universal perturbations: against the closed form, noise of the same size and another library."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.attacks.names import Norm
from experiments.attacks.threat import Threat, check, rms
from experiments.attacks.universal import applied, universal
from networks import BlindspotsError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int, *shape: int, seed: int = 0) -> Tensor:
    return 0.4 + 0.2 * torch.rand(count, *(shape or (1, 6, 6)), generator=seeded(seed)).double()


class TwoClasses(nn.Module):
    """Logits 0 and w x + b, all grey images of class 0."""

    def __init__(self, seed: int = 3):
        super().__init__()
        self.weight = torch.randn(36, generator=seeded(seed)).double()

    def forward(self, images: Tensor) -> Tensor:
        score = (images - 0.5).flatten(1) @ self.weight.to(images.dtype) - 2
        return torch.stack([torch.zeros_like(score), score], 1)


def zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.int64)


def size(perturbation: Tensor, norm: Norm) -> float:
    return float(perturbation.abs().max() if norm == "linf" else rms(perturbation[None]))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_linear_model_has_one_best_perturbation(norm: Norm) -> None:
    model = TwoClasses()
    out = universal(
        *(model, grey(30), zeros(30)), epsilons=[0.01, 0.1], norm=norm, generator=seeded(), batch=7
    )
    direction = model.weight.sign() if norm == "linf" else model.weight / model.weight.norm() * 6
    for each, epsilon in zip(out, [0.01, 0.1], strict=True):
        torch.testing.assert_close(each.flatten(), epsilon * direction, rtol=0, atol=1e-3 * epsilon)


def test_of_several_models_the_mean_loss_is_raised() -> None:
    """Two models that want pixels moved differently, the one three times as much as the other."""
    strong, weak = TwoClasses(1), TwoClasses(2)
    strong.weight *= 3
    out = universal(
        *((strong, weak), grey(20), zeros(20)),
        epsilons=[0.001],
        norm="linf",
        generator=seeded(),
        loss="margin",
    )
    wanted = (strong.weight + weak.weight).sign()
    assert torch.equal(out[0].flatten().sign(), wanted)
    assert not torch.equal(wanted, strong.weight.sign())
    assert not torch.equal(wanted, weak.weight.sign())


def test_a_guide_is_followed_in_place_of_the_model() -> None:
    guide = TwoClasses(5)
    out = universal(
        *(lambda points: points.detach().flatten(1)[:, :2], grey(9), zeros(9)),
        epsilons=[0.1],
        norm="linf",
        generator=seeded(),
        guide=guide,
    )
    assert torch.equal(out[0].flatten().sign(), guide.weight.sign())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_are_held_in_the_box_and_the_perturbation_in_its_budget(norm: Norm) -> None:
    images = grey(12).round(decimals=1).mul(5).sub(2).clamp(0, 1)  # black, grey and white
    epsilons = [0.0, 0.05, 0.7]
    out = universal(
        *(TwoClasses().float(), images.float(), zeros(12)),
        epsilons=epsilons,
        norm=norm,
        generator=seeded(),
        steps=20,
    )
    assert out.shape == (3, 1, 6, 6)
    changed = applied(images.float(), out)
    assert changed.shape == (3, 12, 1, 6, 6)
    for each, one, epsilon in zip(changed, out, epsilons, strict=True):
        assert size(one, norm) <= epsilon + 1e-6
        check(images.float(), each, Threat(norm, epsilon))
        assert torch.equal(each, applied(images.float(), one))


def test_a_pixel_once_below_black_finds_its_way_back() -> None:
    """Black images, whose pixels only count upwards: the first steps may push the wrong way."""

    def turning(points: Tensor) -> Tensor:
        """White is wrong; a few grey images, in the first batch alone, say the opposite."""
        flat = points.flatten(1)
        pull = torch.where(flat.detach()[:, :1] > 0.5, -40.0, 1.0)
        score = (pull * flat[:, 1:]).sum(1)
        return torch.stack([torch.ones_like(score), score], 1)

    images = torch.zeros(40, 1, 3, 3, dtype=torch.float64)
    first = torch.randperm(40, generator=seeded())[:4]
    images[first, :, 0, 0] = 1.0
    (out,) = universal(
        *(turning, images, zeros(40)),
        epsilons=[0.3],
        norm="linf",
        generator=seeded(),
        batch=4,
        steps=9,
        relative_step=2.0,
        loss="margin",
    )
    assert bool((out.flatten()[1:] > 0.2).all())


def test_chance_comes_from_the_generator_alone_and_is_the_same_for_every_budget() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    for at, parameter in enumerate(net.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=seeded(at)).double()
    images, before = grey(40), torch.random.get_rng_state()
    labels = net(images).argmax(1)

    def out(seed: int, *epsilons: float) -> Tensor:
        return universal(
            *(net, images, labels),
            epsilons=epsilons,
            norm="l2",
            generator=seeded(seed),
            batch=10,
            steps=10,
        )

    assert torch.equal(out(1, 0.05, 0.2)[1], out(1, 0.2)[0])
    assert not torch.equal(out(1, 0.2), out(2, 0.2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 0}, "must be positive"),
        ({"batch": 0}, "must be positive"),
        ({"relative_step": -1.0}, "must be positive"),
        ({"epsilons": [0.2, 0.1]}, "ascending"),
        ({"norm": "linff"}, "did you mean 'linf'"),
        ({"models": []}, "needs a model and images"),
        ({"inputs": grey(0), "labels": zeros(0)}, "needs a model and images"),
        ({"inputs": grey(2) + 1}, "outside"),
        ({"labels": zeros(3)}, "one integer class per image"),
    ],
)
def test_what_it_cannot_work_with_is_refused(change: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {
        "models": TwoClasses(),
        "inputs": grey(2),
        "labels": zeros(2),
        "epsilons": [0.1],
        "norm": "linf",
        "generator": seeded(),
    }
    with pytest.raises(BlindspotsError, match=says):
        universal(**{**given, **change})


def digits_net() -> tuple[nn.Module, Tensor, Tensor]:
    """The nearest class mean of scikit-learn's digits, a linear network; all images and labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = torch.from_numpy(digits.data).float() / 16, torch.from_numpy(digits.target)
    means = torch.stack([x[:1000][y[:1000] == digit].mean(0) for digit in range(10)])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    net[1].weight.data, net[1].bias.data = means, -means.square().sum(1) / 2
    return net, x.reshape(-1, 1, 8, 8), y


def errors(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float((net(images).argmax(1) != labels).float().mean())


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.25), ("l2", 0.25)])
def test_it_fools_held_out_images_that_noise_of_its_size_does_not(
    norm: Norm, epsilon: float
) -> None:
    net, x, y = digits_net()
    out = universal(
        *(net, x[:1000], y[:1000]),
        epsilons=[epsilon / 2, epsilon],
        norm=norm,
        generator=seeded(),
        steps=60,
    )
    wrong = [errors(net, each, y[1000:]) for each in applied(x[1000:], out)]
    noise = epsilon * torch.randn(20, 1, 8, 8, generator=seeded()).sign()
    noisy = max(errors(net, each, y[1000:]) for each in applied(x[1000:], noise))
    clean = errors(net, x[1000:], y[1000:])
    assert clean < 0.15
    assert clean < wrong[0] < wrong[1]
    assert wrong[1] > noisy + 0.15


@pytest.mark.slow
def test_it_fools_as_many_as_that_of_the_adversarial_robustness_toolbox() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("art", reason="needs adversarial-robustness-toolbox as the peer")
        from art.attacks.evasion import UniversalPerturbation
        from art.estimators.classification import PyTorchClassifier
    net, x, y = digits_net()
    epsilon, few = 0.15, 100
    (ours,) = universal(net, x[:few], y[:few], epsilons=[epsilon], norm="linf", generator=seeded())
    np.random.seed(0)
    peer = UniversalPerturbation(
        PyTorchClassifier(net, nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0.0, 1.0)),
        attacker="fgsm",
        attacker_params={"eps": epsilon, "eps_step": epsilon / 2},
        delta=0.01,
        max_iter=5,
        eps=epsilon,
        norm=math.inf,
        verbose=False,
    )
    peer.generate(x[:few].numpy(), y[:few].numpy())
    theirs = torch.from_numpy(np.asarray(peer.noise, dtype=np.float32)).reshape(1, 8, 8)
    assert float(theirs.abs().max()) <= epsilon + 1e-6
    found = [errors(net, applied(x[1000:], each), y[1000:]) for each in (ours, theirs)]
    print(f"\nheld-out error {found[0]:.3f}, ART {found[1]:.3f}")
    assert found[0] >= found[1] - 0.02
