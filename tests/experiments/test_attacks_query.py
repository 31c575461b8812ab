"""Attacks by answers alone: what they ask, and what they find, against closed forms and a peer."""

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from experiments.attacks import ATTACKS
from experiments.attacks.cost import counting
from experiments.attacks.directions import streams
from experiments.attacks.goal import Goal
from experiments.attacks.hopskipjump import hop_skip_jump, hopskipjump_l2
from experiments.attacks.names import Norm
from experiments.attacks.sources import seeds
from experiments.attacks.spsa import Estimator, Plan, estimated, spsa_linf
from experiments.attacks.square import averaged, square_linf
from experiments.attacks.threat import distance
from experiments.attacks.victim import under_attack
from networks import BlindspotsError

QUERIES: dict[str, dict[str, int]] = {
    "square-linf": {"queries": 40},
    "spsa-linf": {"steps": 4, "pairs": 5},
    "hopskipjump-l2": {"steps": 3, "evaluations": 20},
    "hopskipjump-linf": {"steps": 3, "evaluations": 20},
}
PLAN = Plan(1, 20, 0.05, 1.0, "spsa", "sign", 500, False)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int, *shape: int, seed: int = 0) -> Tensor:
    shape = shape or (1, 6, 6)
    return 0.4 + 0.2 * torch.rand(count, *shape, generator=seeded(seed), dtype=torch.float64)


class Simulated:
    """Logits 0 and w x + b in NumPy, all grey images of class 0; hears of no gradient."""

    def __init__(self, pixels: int = 36, bias: float = -2.0):
        rng = np.random.default_rng(4)
        self.weight, self.bias = rng.normal(size=pixels), bias
        self.asked: list[int] = []

    def score(self, images: Tensor) -> np.ndarray:
        return (images.numpy().reshape(len(images), -1) - 0.5) @ self.weight + self.bias

    def __call__(self, images: Tensor) -> Tensor:
        if images.requires_grad or torch.is_grad_enabled():
            raise AssertionError("A gradient was asked for.")
        assert float(images.min()) >= 0
        assert float(images.max()) <= 1
        self.asked.append(len(images))
        score = self.score(images)
        return torch.from_numpy(np.stack([np.zeros_like(score), score], 1))

    def nearest(self, images: Tensor, norm: Norm) -> np.ndarray:
        """Closed form: no smaller change reaches the hyperplane."""
        dual = np.abs(self.weight).sum() if norm == "linf" else np.linalg.norm(self.weight)
        return -self.score(images) / dual / (1 if norm == "linf" else math.sqrt(self.weight.size))


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("batch_size", [7, 500])
def test_a_simulator_is_asked_for_answers_alone_in_batches(name: str, batch_size: int) -> None:
    model, images = Simulated(), grey(4)
    with counting() as cost:
        ATTACKS[name].function(
            *(model, images, torch.zeros(4, dtype=torch.int64)),
            epsilons=[0.002],
            generator=seeded(),
            batch_size=batch_size,
            **QUERIES[name],
        )
    assert cost.forward == sum(model.asked)
    assert cost.backward == 0
    assert max(model.asked) <= max(batch_size, 100)
    if batch_size == 500 and name != "square-linf":  # many directions of all images in one call
        assert max(model.asked) >= 40


@pytest.mark.parametrize("name", [name for name in QUERIES if name != "square-linf"])
def test_inputs_of_any_rank_and_answers_of_one_image_alone(name: str) -> None:
    """An image's result is its own: no matter which directions the others drew."""
    model, images = Simulated(), grey(5, 36)
    common: dict[str, Any] = {"epsilons": [0.02, 0.1], **QUERIES[name]}
    labels = torch.zeros(5, dtype=torch.int64)
    few, many = (
        ATTACKS[name].function(model, images, labels, generator=seeded(), batch_size=size, **common)
        for size in (3, 1000)
    )
    torch.testing.assert_close(few, many, rtol=0, atol=1e-9)
    assert bool((few[1] != images).any())


def slope(estimator: Estimator, pairs: int, images: Tensor, model: Simulated) -> Tensor:
    plan = replace(PLAN, estimator=estimator, pairs=pairs)
    with under_attack(model, images, torch.zeros(len(images), dtype=torch.int64)) as victim:
        part = replace(victim, goal=Goal("margin"))
        return estimated(part, images, streams(seeds(len(images), seeded())), plan)


@pytest.mark.parametrize("estimator", ["spsa", "nes"])
def test_more_pairs_turn_the_estimate_towards_the_gradient(estimator: Estimator) -> None:
    """From P random directions among D: a cosine of about sqrt(P / (P + D))."""
    model, images = Simulated(400), grey(8, 400)
    weight = torch.from_numpy(model.weight)[None]
    cosines = [
        float(torch.cosine_similarity(slope(estimator, pairs, images, model), weight).mean())
        for pairs in (4, 40, 400)
    ]
    expected = [math.sqrt(pairs / (pairs + 400)) for pairs in (4, 40, 400)]
    np.testing.assert_allclose(cosines, expected, atol=0.05)


def test_the_box_does_not_bias_the_estimate() -> None:
    """Black pixels are moved half as far; the slope along them comes out as large."""
    model, images = Simulated(20), torch.zeros(1, 20, dtype=torch.float64)
    images[:, 10:] = 0.5
    for estimator in ("spsa", "nes"):
        found = slope(estimator, 20_000, images, model)  # type: ignore[arg-type]
        np.testing.assert_allclose(found[0], model.weight, atol=0.2)


@pytest.mark.parametrize("step", ["adam", "sign"])
@pytest.mark.parametrize("estimator", ["spsa", "nes"])
def test_estimated_ascent_finds_the_corner_of_a_linear_model(step: str, estimator: str) -> None:
    model, images = Simulated(), grey(6)
    nearest = float(model.nearest(images, "linf").max())
    least = float(model.nearest(images, "linf").min())
    below, above = spsa_linf(
        *(model, images, torch.zeros(6, dtype=torch.int64)),
        epsilons=[0.99 * least, 1.1 * nearest],
        generator=seeded(),
        **{"step": step, "estimator": estimator, "pairs": 200},  # type: ignore[arg-type]
    )
    assert (model.score(below) < 0).all()
    assert (model.score(above) > 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_hopskipjump_comes_near_the_closed_form(norm: Norm) -> None:
    model, images = Simulated(), grey(6)
    nearest = model.nearest(images, norm)
    assert 0.002 < nearest.min() < nearest.max() < 0.1
    found, far = hop_skip_jump(
        model, images, torch.zeros(6, dtype=torch.int64), norm=norm, generator=seeded()
    )
    assert (model.score(found) > 0).all()
    np.testing.assert_allclose(far, distance(images, found, norm), rtol=1e-9)
    assert (far.numpy() >= nearest * (1 - 1e-9)).all()
    np.testing.assert_allclose(far, nearest, rtol=0.08)


def test_hopskipjump_looks_at_labels_alone() -> None:
    """Any increasing transformation of the logits leaves every input as it is."""
    model, images = Simulated(), grey(3)
    labels = torch.zeros(3, dtype=torch.int64)
    plain, bent = (
        hopskipjump_l2(
            *(each, images, labels), epsilons=[0.1], generator=seeded(), steps=3, evaluations=20
        )
        for each in (model, lambda points: 1e3 * torch.tanh(model(points)) - 5)
    )
    assert torch.equal(plain, bent)


def test_hopskipjump_without_a_start_says_so() -> None:
    def stubborn(points: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(points), 2)

    images = grey(2)
    found, far = hop_skip_jump(
        stubborn, images, torch.tensor([0, 1]), norm="linf", generator=seeded()
    )
    assert far.tolist() == [math.inf, 0]
    assert torch.equal(found, images)


def test_the_mean_of_answers_is_asked_under_one_chance() -> None:
    def noisy(points: Tensor) -> Tensor:
        return points.flatten(1)[:, :2] + torch.randn(len(points), 2, dtype=points.dtype)

    images, before = grey(5), torch.random.get_rng_state()
    one, again, other = (averaged(noisy, 400, seed)(images) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, images.flatten(1)[:, :2], rtol=0, atol=0.25)


def test_averaged_acceptance_beats_the_luck_of_single_answers() -> None:
    """At equal answers. The noise is that of the model's own chance; the truth is known."""
    quiet, rng = Simulated(196, bias=-30.0), np.random.default_rng(0)
    images, labels = grey(20, 1, 14, 14), torch.zeros(20, dtype=torch.int64)

    def noisy(points: Tensor) -> Tensor:
        noise = torch.from_numpy(rng.normal(0, 3, (len(points), 2)))
        return quiet(points) + noise

    gained = {}
    for answers, queries in ((1, 800), (4, 100)):
        (out,) = square_linf(
            *(noisy, images, labels),
            epsilons=[0.1],
            generator=seeded(),
            keep_going=True,
            queries=queries,
            answers=answers,
        )
        gained[answers] = float((quiet.score(out) - quiet.score(images)).mean())
    assert gained[4] > 1.2 * gained[1] > 0


def test_what_is_fooled_by_luck_once_is_asked_again() -> None:
    """A hundred queries and an answer that errs once in fifty, whatever it is asked."""
    rng = np.random.default_rng(0)

    def erring(points: Tensor) -> Tensor:
        wrong = torch.from_numpy(rng.random(len(points)) < 0.02).double()
        return torch.stack([torch.full_like(wrong, 0.5), wrong], 1)

    def changed(answers: int) -> float:
        (out,) = square_linf(
            *(erring, grey(40), torch.zeros(40, dtype=torch.int64)),
            epsilons=[0.1],
            generator=seeded(),
            queries=100,
            answers=answers,
        )
        return float((out != grey(40)).flatten(1).any(1).double().mean())

    with counting() as cost:
        assert changed(3) < 0.1
    assert cost.forward == 40 * 3 * (1 + 1 + 2 * 99 + 1)
    assert changed(1) > 0.5


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("spsa-linf", {"steps": 0}, "must be positive"),
        ("spsa-linf", {"radius": 0.0}, "must be positive"),
        ("spsa-linf", {"estimator": "spas"}, "did you mean 'spsa'"),
        ("spsa-linf", {"step": "adams"}, "did you mean 'adam'"),
        ("hopskipjump-l2", {"radius": 1.0}, "between 0 and 1"),
        ("hopskipjump-linf", {"evaluations": 0}, "1 or more"),
        ("hopskipjump-linf", {"batch_size": 0}, "1 or more"),
        ("square-linf", {"answers": 0}, "1 or more"),
    ],
)
def test_unsuitable_options_are_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        ATTACKS[name].function(
            *(Simulated(), grey(2), torch.tensor([0, 0])),
            epsilons=[0.1],
            generator=seeded(),
            **options,
        )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_hopskipjump_is_no_worse_than_foolboxs_at_equal_answers(norm: Norm) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox", reason="needs foolbox as the peer")
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    digits = load_digits()
    x, y = digits.data.astype(np.float32) / 16, digits.target
    fitted = MLPClassifier((40,), max_iter=300, random_state=0).fit(x[:1500], y[:1500])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10)).eval()
    for at, layer in enumerate((net[1], net[3])):
        layer.weight.data = torch.from_numpy(fitted.coefs_[at].T.copy()).float()
        layer.bias.data = torch.from_numpy(fitted.intercepts_[at]).float()
    images = torch.from_numpy(x[1500:1540]).reshape(-1, 1, 8, 8)
    labels = net(images).argmax(1)
    with counting() as cost:
        _, ours = hop_skip_jump(net, images, labels, norm=norm, generator=seeded())
    asked = [0]
    net.register_forward_hook(lambda _, given, __: asked.__setitem__(0, asked[0] + len(given[0])))
    np.random.seed(0)
    torch.manual_seed(0)
    peer = foolbox.attacks.HopSkipJumpAttack(
        steps=16, initial_gradient_eval_steps=100, constraint=norm
    )
    model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    _, theirs, _ = peer(model, images, labels, epsilons=None)
    far = distance(images, theirs, norm)
    print(f"\n{norm}: {ours.median():.4f}, foolbox {far.median():.4f}; ", end="")
    print(f"answers per image {cost.forward / 40:.0f}, foolbox {asked[0] / 40:.0f}")
    assert cost.forward <= 1.05 * asked[0]
    assert float(ours.median()) <= 1.05 * float(far.median())
