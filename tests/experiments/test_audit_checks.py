"""Each check of the audit on a tiny model for which the answer is known, both ways."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.audit import budgets, chance, effort, elsewhere, gradients, outputs, strongest
from experiments.audit.allowance import Allowance
from experiments.audit.broken import FeedbackAligned
from experiments.audit.subject import Claim, Subject

SIDE, CLASSES, N = 6, 3, 40
TINY = Allowance(images=20, few=12, handful=4, draws=2000, samples=2000, steps=10, queries=300)
WEAK = {"steps": 4, "relative_step": 0.2, "schedule": "constant", "random_start": False}


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


IMAGES = 0.5 + 0.1 * numbers(0, N, 1, SIDE, SIDE).clamp(-2, 2)
WEIGHT = numbers(1, CLASSES, SIDE * SIDE)


class Linear(nn.Module):
    """Logits linear in the image, so that the nearest input that fools is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(WEIGHT.clone())

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - 0.5) @ self.weight.T


class Flat(Linear):
    """The same of images made black and white: no gradient anywhere."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward((images > 0.5).to(images.dtype) + 0 * images)


class Softened(Linear):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(1)


class Coarse(Linear):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).round()


class Noisy(Linear):
    def __init__(self, size: float) -> None:
        super().__init__()
        self.size, self.generator = size, torch.Generator().manual_seed(0)

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits + self.size * torch.randn(logits.shape, generator=self.generator)


class Optimising(Linear):
    def forward(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            inner = images.detach().requires_grad_()
            (slope,) = torch.autograd.grad(super().forward(inner).sum(), inner)
        return super().forward(images + 0 * slope)


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, sign: float) -> Tensor:
        ctx.sign = sign
        return (inputs > 0.5).to(inputs.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return ctx.sign * gradient, None


class Through(Linear):
    """Black and white images, with the identity (or its negative) as their gradient."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(_Turned.apply(images, self.sign))


def subject(model: nn.Module, epsilon: float = 0.02, **changes: Any) -> Subject:
    """The model with images that it answers rightly, under 40 steps of PGD."""
    with torch.no_grad():
        labels = model(IMAGES).argmax(1)
    claim = Claim("pgd-linf", epsilon, changes.pop("options", {}))
    return Subject("tiny", model, IMAGES, labels, claim, allowance=TINY, **changes)


def closed_form(epsilon: float) -> Tensor:
    """Which images of the linear model withstand any change of epsilon per pixel; no box is met."""
    logits = Linear()(IMAGES).detach()
    top = logits.argmax(1)
    gaps = logits.gather(1, top[:, None]) - logits
    lengths = (WEIGHT[top][:, None] - WEIGHT).abs().sum(2)
    return ((gaps > epsilon * lengths) | (lengths == 0)).all(1)


# --- what the model answers


@pytest.mark.parametrize(("size", "expected"), [(0.0, "pass"), (0.1, "warn")])
def test_determinism(size: float, expected: str) -> None:
    assert outputs.determinism(subject(Noisy(size))).outcome == expected


@pytest.mark.parametrize(
    ("model", "expected"), [(Linear, "pass"), (Softened, "fail"), (Coarse, "warn")]
)
def test_outputs(model: Callable[[], nn.Module], expected: str) -> None:
    assert outputs.outputs(subject(model())).outcome == expected


def test_probabilities_of_a_saturated_model_are_counted() -> None:
    sure = nn.Sequential(Linear(), nn.Softmax(1))
    with torch.no_grad():
        sure[0].weight.mul_(1000)
    found = outputs.outputs(subject(sure))
    assert found.outcome == "fail"
    assert found.number > 0.9


def test_dynamic_inference() -> None:
    assert outputs.dynamic_inference(subject(Linear().eval())).outcome == "pass"
    found = outputs.dynamic_inference(subject(Optimising()))
    assert (found.outcome, found.number) == ("fail", 1)


def test_training_mode_is_told() -> None:
    model = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(SIDE * SIDE), nn.Linear(SIDE * SIDE, CLASSES)
    )
    before = model[1].running_mean.clone()  # type: ignore[union-attr]
    assert outputs.dynamic_inference(subject(model.train())).outcome == "fail"
    assert outputs.dynamic_inference(subject(model.eval())).outcome == "pass"
    assert not torch.equal(before, model[1].running_mean)  # by `subject`, in training mode


# --- the gradient


@pytest.mark.parametrize(("model", "expected", "share"), [(Linear, "pass", 0), (Flat, "fail", 100)])
def test_zero_gradient(model: Callable[[], nn.Module], expected: str, share: float) -> None:
    found = gradients.zero_gradient(subject(model()))
    assert (found.outcome, found.number) == (expected, share)


def test_queries_follow_no_gradient() -> None:
    queries = replace(subject(Flat()), claim=Claim("square-linf", 0.02))
    for check in (gradients.zero_gradient, gradients.gradient_correctness, effort.single_step):
        assert check(queries).outcome == "not applicable"


def test_gradient_is_the_slope_of_a_linear_model() -> None:
    found = gradients.gradient_correctness(subject(Linear()))
    assert found.outcome == "pass"
    assert found.number == pytest.approx(1, abs=1e-6)


def test_feedback_alignment_is_not_its_slope() -> None:
    images = torch.rand((10, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    model = FeedbackAligned()
    labels = model(images).argmax(1)
    astray = Subject("fa", model, images, labels, Claim("pgd-linf", 0.1), allowance=TINY)
    found = gradients.gradient_correctness(astray)
    assert found.outcome == "fail"
    assert abs(found.number) < 0.5


@pytest.mark.parametrize(("sign", "expected"), [(1.0, "pass"), (-1.0, "warn")])
def test_a_flat_model_is_held_against_its_smoothed_loss(sign: float, expected: str) -> None:
    found = gradients.gradient_correctness(subject(Through(sign)))
    assert found.outcome == expected
    assert found.number * sign > 0.5


def test_the_estimated_slope_is_that_of_a_linear_loss() -> None:
    image, label = IMAGES[:1], torch.zeros(1, dtype=torch.int64)
    model = Linear()
    chance_ = torch.Generator().manual_seed(0)
    estimate = gradients.estimated(subject(model).answers, image, label, 4000, chance_)
    true = gradients.slopes(model, image, label).flatten()
    assert torch.cosine_similarity(estimate, true, dim=0) > 0.95
    assert estimate.norm() == pytest.approx(float(true.norm()), rel=0.2)


# --- the budget


def test_budget_and_record_are_kept() -> None:
    sound = subject(Linear())
    assert budgets.budget_validity(sound).outcome == "pass"
    beyond = replace(sound, inputs=(IMAGES + 0.021).clamp(0, 1))
    assert budgets.budget_validity(beyond).outcome == "fail"
    wrong = replace(sound, inputs=IMAGES.clone(), recorded=torch.arange(N) > 0)
    found = budgets.budget_validity(wrong)
    assert found.outcome == "fail"
    assert "1 of 40" in found.sentence


class Fading(Subject):
    """An attack that loses its strength where the budget is large."""

    def attacked(self, rows: Tensor, *, epsilon: float | None = None, **rest: Any) -> Tensor:
        if epsilon is not None and epsilon > self.claim.epsilon:
            return self.images[rows]
        return super().attacked(rows, epsilon=epsilon, **rest)


def test_monotone() -> None:
    sound = subject(Linear(), 0.05)
    assert budgets.monotone(sound).outcome == "pass"
    fading = Fading("fading", sound.model, IMAGES, sound.labels, sound.claim, allowance=TINY)
    found = budgets.monotone(fading)
    assert found.outcome == "fail"
    left = 100 * float(closed_form(0.05).float().mean())
    assert found.number == pytest.approx(100 - left, abs=3)


def test_reaches_chance() -> None:
    assert budgets.reaches_chance(subject(Linear())).outcome == "pass"
    assert budgets.reaches_chance(subject(Flat())).outcome == "fail"


def test_the_nearest_input_that_fools_is_that_of_the_closed_form() -> None:
    sound = subject(Linear())
    rows, near, far = budgets.nearest(sound)
    assert (Linear()(near).argmax(1) != sound.labels[rows]).all()
    logits = Linear()(IMAGES[: TINY.few]).detach()
    top = logits.argmax(1)
    gaps = (logits.gather(1, top[:, None]) - logits).scatter(1, top[:, None], math.inf)
    lengths = torch.linalg.vector_norm(WEIGHT[top][:, None] - WEIGHT, dim=2).clamp_min(1e-9)
    assert torch.allclose(far, (gaps / lengths).amin(1), rtol=0.05)
    assert float(far.median()) < budgets.blank_distance(sound, rows)


def test_a_nearest_input_within_the_budget_overturns_the_claim() -> None:
    idle = replace(subject(Linear(), 0.2), inputs=IMAGES)
    found = budgets.reaches_chance(replace(idle, recorded=torch.ones(N, dtype=torch.bool)))
    assert found.outcome in ("warn", "fail")
    assert found.overturned


# --- the effort


@pytest.mark.parametrize("check", [effort.single_step, effort.more_steps, effort.plateau])
def test_too_little_effort(check: Callable[[Subject], Any]) -> None:
    assert check(subject(Linear(), 0.02)).outcome == "pass"
    found = check(subject(Linear(), 0.05, options=WEAK))
    assert found.outcome == ("warn" if check is effort.plateau else "fail")


def test_more_restarts() -> None:
    assert effort.more_restarts(subject(Linear(), 0.05)).outcome == "pass"
    lucky = subject(Flat(), 0.1, options={"random_start": False, "steps": 2})
    assert effort.more_restarts(lucky).outcome == "fail"


def test_an_attack_of_one_step_has_no_more_to_give() -> None:
    single = replace(subject(Linear()), claim=Claim("fgsm", 0.02))
    for check in (effort.more_steps, effort.plateau, effort.more_restarts, effort.single_step):
        assert check(single).outcome == "not applicable"


# --- elsewhere


def others(model: nn.Module, epsilon: float) -> Subject:
    return subject(model, epsilon, options=WEAK, others={"linear": Linear()})


@pytest.mark.parametrize("check", [elsewhere.square, elsewhere.noise, strongest.strongest])
def test_what_needs_no_gradient_finds_a_masked_model_out(check: Callable[[Subject], Any]) -> None:
    assert check(subject(Linear(), 0.02)).outcome == "pass"
    found = check(subject(Flat(), 0.15, options=WEAK))
    assert found.outcome == "fail"
    assert len(found.overturned) > 1


def test_transfer() -> None:
    assert elsewhere.transfer(subject(Linear())).outcome == "warn"
    assert elsewhere.transfer(subject(Linear(), others={"twin": Linear()})).outcome == "pass"
    masked = subject(Flat(), 0.15, options={"steps": 4}, others={"linear": Linear()})
    assert elsewhere.transfer(masked).outcome == "fail"


def test_transfer_counts_what_the_run_scored() -> None:
    sound = subject(Linear())
    rows = sound.survivors[:5]
    scored = torch.ones(N, dtype=torch.bool)
    scored[rows] = False
    found = elsewhere.transfer(replace(sound, transferred={"fc-b pgd-linf": scored}))
    assert found.overturned == tuple(rows.tolist())


def test_noise_stays_within_the_budget() -> None:
    directions = numbers(3, 500, 1, SIDE, SIDE)
    clean = IMAGES[:1].expand_as(directions)
    at_corners, uniform = (
        elsewhere.shaken(clean, directions, 0.1, "linf", each) - clean for each in (True, False)
    )
    assert at_corners.abs().min() == pytest.approx(0.1, abs=1e-6)
    assert uniform.abs().max() <= 0.1 + 1e-6
    assert uniform.std() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    gaussian = elsewhere.shaken(clean, directions, 0.1, "l2", True) - clean
    assert gaussian.square().mean((1, 2, 3)).sqrt().max() == pytest.approx(0.1, abs=1e-5)


def test_the_worst_case_of_a_linear_model_is_the_closed_form() -> None:
    weak = subject(Linear(), 0.05, options=WEAK)
    found = strongest.strongest(weak)
    left = set(weak.survivors.tolist()) - set(found.overturned)
    assert left == set(closed_form(0.05).nonzero()[:, 0].tolist())
    assert found.outcome == "fail"


def test_a_weak_claim_lends_the_strongest_nothing() -> None:
    """Options of the claim must not weaken the attacks that it is held against."""
    weak = subject(Linear(), 0.05, options=WEAK)
    default = subject(Linear(), 0.05)
    made = [
        each.attacked(each.everything, attack="pgd-linf", what="same") for each in (weak, default)
    ]
    assert torch.equal(*made)


# --- chance


def test_random_draws() -> None:
    assert chance.random_draws(subject(Linear())).outcome == "not applicable"
    hardly = subject(Noisy(1e-3), 0.005)
    assert chance.random_draws(hardly).outcome == "pass"
    lucky = subject(Noisy(4.0), 0.05)
    assert chance.random_draws(lucky).outcome == "fail"


def test_fixed_chance_goes_on_as_if_nothing_was_drawn() -> None:
    model = Noisy(1.0)
    before = model.generator.get_state()
    with chance.fixed(model, 7):
        first = model(IMAGES)
    with chance.fixed(model, 7):
        assert torch.equal(first, model(IMAGES))
    assert torch.equal(before, model.generator.get_state())
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with chance.fixed(Linear(), 7):
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)
