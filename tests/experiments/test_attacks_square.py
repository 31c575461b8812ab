"""The Square attack: what it asks of the model, what it draws, and what it finds."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from experiments import load_network, load_result
from experiments.attacks.curve import step_along
from experiments.attacks.gradient import pgd_linf
from experiments.attacks.noise import uniform_noise
from experiments.attacks.square import Chance, painted, side, square_linf, wander
from experiments.attacks.threat import Threat
from experiments.attacks.victim import Found, under_attack
from experiments.bench import scored
from experiments.compare import compare
from experiments.spec import Spec
from networks import BlindspotsError

if TYPE_CHECKING:
    from experiments.bench import Bench


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int, seed: int = 0, side: int = 28) -> Tensor:
    share = torch.rand(count, 1, side, side, generator=seeded(seed), dtype=torch.float64)
    return 0.35 + 0.3 * share


class Linear:
    """Logits 0 and w x + b, without a gradient; counts the images of every call."""

    def __init__(self, seed: int = 9, smooth: bool = True, side: int = 28):
        weight = torch.randn(1, 1, side, side, generator=seeded(seed), dtype=torch.float64)
        self.weight = nn.functional.avg_pool2d(weight, 5, 1, 2) if smooth else weight
        self.asked: list[int] = []

    def score(self, images: Tensor) -> Tensor:
        return ((images - 0.5) * self.weight).flatten(1).sum(1) - 5

    def __call__(self, images: Tensor) -> Tensor:
        if images.requires_grad or torch.is_grad_enabled():
            raise AssertionError("A gradient was asked for.")
        self.asked.append(len(images))
        score = self.score(torch.from_numpy(images.numpy()))
        return torch.stack([torch.zeros_like(score), score], 1)


def fooled(model: Linear, inputs: Tensor) -> list[bool]:
    """Of images of class 0."""
    return (model.score(inputs) > 0).tolist()


@pytest.mark.parametrize("keep_going", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_linear_model_falls_near_margin_over_l1_norm(keep_going: bool) -> None:
    """No input can fool below that budget; a search of 2000 queries comes close to it."""
    model, image = Linear(), grey(1)
    nearest = -float(model.score(image)) / float(model.weight.abs().sum())
    assert 0.001 < nearest < 0.2
    below, above = square_linf(
        *(model, image, torch.tensor([0])),
        epsilons=[0.999 * nearest, 1.15 * nearest],
        generator=seeded(),
        keep_going=keep_going,
        queries=2000,
    )
    assert fooled(model, below) == [False]
    assert fooled(model, above) == [True]


def test_single_pixels_find_the_best_corner_of_a_linear_model() -> None:
    """No query is lost, so 1600 leave 1 pixel in 3500 untried of 196, as coupons collected."""
    model, images, epsilon = Linear(smooth=False, side=14), grey(3, side=14), 0.01
    out = square_linf(
        *(model, images, torch.zeros(3, dtype=torch.int64)),
        epsilons=[epsilon],
        generator=seeded(),
        keep_going=True,
        queries=1600,
        share=1e-6,
    )[0]
    change = (out - images).abs()
    torch.testing.assert_close(change, torch.full_like(change, epsilon))
    gained = model.score(out) - model.score(images)
    assert float(gained.min()) > 0.99 * epsilon * float(model.weight.abs().sum())


def test_the_schedule_is_that_of_the_authors_code() -> None:
    """Side of the square, from their table of the share p for 10,000 queries."""
    ends = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000, 10_000]
    for halved, (last, following) in enumerate(pairwise([0, *ends])):
        expected = max(round(28 * math.sqrt(0.8 / 2**halved)), 1)
        for query in (last + 1, following):
            assert side(query, 10_000, 0.8, 28) == expected
            assert side(query // 10, 1000, 0.8, 28) == expected or query < 10 * last + 10
    assert side(1, 2, 1.0, 28) >= 1
    assert side(1, 1000, 1e-6, 28) == 1


def test_squares_lie_anywhere_in_the_image() -> None:
    clean = grey(60)
    chance = Chance.draw(clean, 300, 0.3, seeded())
    touched = torch.zeros(28, 28)
    signs = []
    for (inside, sign), each in zip(chance.squares(clean), chance.sides, strict=True):
        assert inside.shape == clean.shape
        assert bool((inside.flatten(1).sum(1) == each**2).all())
        tall, wide = inside.any(3).sum(2), inside.any(2).sum(2)
        assert bool((tall == each).all() & (wide == each).all())
        touched += inside.float().mean((0, 1))
        signs.append(sign)
    assert float(touched.min()) > 0
    assert abs(float(torch.stack(signs).mean())) < 0.02
    assert set(chance.stripes.unique().tolist()) == {-1.0, 1.0}


def test_no_query_is_lost_on_a_square_that_changes_nothing() -> None:
    clean = grey(4)
    points = step_along(clean, torch.ones_like(clean), 0.1)
    inside = torch.zeros_like(clean, dtype=torch.bool)
    inside[:, :, 3:6, 2:5] = True
    for sign in (1.0, -1.0):
        changed = painted(clean, points, inside, torch.full((4,), sign).double(), 0.1)
        torch.testing.assert_close(changed[~inside], points[~inside], rtol=0, atol=0)
        torch.testing.assert_close(changed[inside], clean[inside] - 0.1)


def test_the_search_for_the_first_success_leaves_fooled_images_alone() -> None:
    model, images = Linear(), grey(8)
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])  # the last two are wrong as they are
    nearest = float((-model.score(images) / model.weight.abs().sum())[:6].max())
    budgets = [0.2 * nearest, 1.5 * nearest, 2 * nearest]
    out = square_linf(model, images, labels, epsilons=budgets, generator=seeded(), queries=400)
    assert fooled(model, out[1]) == [True] * 6 + [False] * 2
    assert torch.equal(out[2], out[1])
    assert torch.equal(out[:, 6:], images[6:].expand(3, 2, 1, 28, 28))
    first, below, at = model.asked[0], model.asked[1:401], model.asked[401:]
    assert first == 8
    assert below == [6] * 400
    assert at[0] == 6
    assert all(a >= b for a, b in pairwise(at))
    assert len(at) < 400


def test_keep_going_spends_every_query_at_every_budget() -> None:
    model, images = Linear(), grey(5)
    square_linf(
        *(model, images, torch.tensor([0, 0, 0, 1, 1])),
        epsilons=[0.01, 0.3],
        generator=seeded(),
        keep_going=True,
        queries=50,
    )
    assert model.asked == [5] * (1 + 2 * 50)


def test_keep_going_spends_the_budget_even_where_the_clean_image_is_worse() -> None:
    """One query in vain: the label's lead grows, or an image is wrong as it is and stays so."""
    model, images = Linear(), grey(20)
    labels = torch.arange(20) // 10  # the last ten are wrong as they are
    common = {"epsilons": [0.005], "generator": seeded(), "queries": 1}
    (whole,) = square_linf(model, images, labels, **common, keep_going=True)  # type: ignore[arg-type]
    (best,) = square_linf(model, images, labels, **common)  # type: ignore[arg-type]
    assert float((whole - images).abs().flatten(1).amax(1).min()) > 0.0049
    assert bool((best == images).flatten(1).all(1)[:10].any())
    assert torch.equal(best[10:], images[10:])


def test_an_input_that_goes_on_fools_by_a_wider_margin() -> None:
    model, images = Linear(), grey(6)
    first, whole = (
        square_linf(
            *(model, images, torch.zeros(6, dtype=torch.int64)),
            epsilons=[0.1],
            generator=seeded(),
            keep_going=each,
        )[0]
        for each in (False, True)
    )
    assert all(fooled(model, first))
    assert bool((model.score(whole) > 2 * model.score(first)).all())


def test_more_queries_of_one_search_never_fool_fewer() -> None:
    model, images = Linear(), grey(40)
    labels = torch.zeros(40, dtype=torch.int64)
    nearest = -model.score(images) / model.weight.abs().sum()
    threat = Threat("linf", 1.3 * float(nearest.max()))
    whole = Chance.draw(images, 600, 0.8, seeded())
    counts, losses = [], []
    with torch.no_grad(), under_attack(model, images, labels) as victim:
        for further in (0, 5, 50, 200, 599):
            part = replace(
                whole,
                sides=whole.sides[:further],
                corners=whole.corners[:further],
                brighter=whole.brighter[:further],
            )
            best = Found.unjudged(images.clone())
            wander(victim, best, threat, part, keep_going=True)
            counts.append(int(best.fooled.sum()))
            losses.append(best.loss)
    assert all(a <= b for a, b in pairwise(counts))
    assert all(bool((a <= b).all()) for a, b in pairwise(losses))
    assert counts[0] < counts[-1] == 40


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"queries": 0}, "give 1 query or more"),
        ({"share": 0.0}, "a share above 0"),
        ({"share": 1.1}, "a share above 0"),
        ({"share": math.nan}, "a share above 0"),
        ({"loss": "margins"}, "did you mean 'margin'"),
        ({"batch_size": 0}, "give 1 or more"),
    ],
)
def test_unsuitable_options_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(BlindspotsError, match=says):
        square_linf(
            *(Linear(), grey(2), torch.tensor([0, 0])),
            epsilons=[0.1],
            generator=seeded(),
            **options,  # type: ignore[arg-type]
        )


def accuracy(model: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return float((model(inputs).argmax(1) == labels).float().mean())


def test_on_a_trained_network_it_lies_between_noise_and_the_gradient(
    small_run: Path, bench: "Bench"
) -> None:
    model, split = load_network(small_run, "fc-blt", 0), scored(bench, 50)
    left = {}
    for attack in (uniform_noise, square_linf, pgd_linf):
        (inputs,) = attack(
            *(model, split.images, split.labels), epsilons=[0.05], generator=seeded()
        )
        left[attack] = accuracy(model, inputs, split.labels)
    assert left[square_linf] < left[uniform_noise] - 0.2
    assert left[pgd_linf] - 0.02 <= left[square_linf] < left[pgd_linf] + 0.15


@pytest.mark.slow
def test_a_comparison_crafts_it_on_every_network(
    small_spec: Spec, bench: "Bench", cache: Path, tmp_path: Path
) -> None:
    """Also on the callable that the user brings."""
    spec = Spec.model_validate({
        **small_spec.model_dump(),
        **{"attacks": ["uniform", "pgd-linf", "square-linf"]},
        **{"options": {"square-linf": {"queries": 60}}, "individuals": 1},
    })  # fmt: skip
    compare(spec, tmp_path / "run", console=Console(quiet=True), device="cpu")
    result = load_result(tmp_path / "run")
    assert list(result["kind"].values) == ["noise", "gradient", "query"]
    square = result.sel(attack="square-linf", individual=0)
    assert bool((square["correct"] >= 0).all())
    far = square["distance_linf"].sel(source=square["network"].values)
    right = square["clean_correct"].rename(network="source") == 1
    assert float((far - square["epsilon"]).max()) <= 1e-6
    assert float(far.where(right).isel(epsilon=0).min()) > 0.0499
    assert (tmp_path / "run" / "figures" / "curves-square-linf.png").exists()
    assert (tmp_path / "run" / "figures" / "noise-square-linf.png").exists()
