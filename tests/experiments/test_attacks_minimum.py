"""FMN, DeepFool and FAB against closed forms, other optimisers and other libraries."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import Tensor, nn

from experiments.assemble import minimum_distortion
from experiments.attacks.cost import counting
from experiments.attacks.deepfool import DeepFool, deepfool_l2, deepfool_linf
from experiments.attacks.fab import Fab, fab_l2, fab_linf
from experiments.attacks.fmn import Fmn, fmn_l2, fmn_linf
from experiments.attacks.lbfgs import Lbfgs, lbfgs
from experiments.attacks.minimum import Search, smallest
from experiments.attacks.names import Norm
from experiments.attacks.plane import length, to_plane
from experiments.attacks.threat import distance
from networks import BlindspotsError, wiring_named
from sim import Network

PIXELS = 60
NORMS: tuple[Norm, ...] = ("l2", "linf")
CURVES = (lbfgs, fmn_l2, fmn_linf, deepfool_l2, deepfool_linf, fab_l2, fab_linf)


def searches(norm: Norm) -> dict[str, Search]:
    return {
        "fmn": Fmn(norm, 30, 9, 1.0, 0.1),
        "deepfool": DeepFool(norm, 50, 0.02, 9),
        "fab": Fab(norm, 20, 9),
    }


EACH = [(norm, name) for norm in NORMS for name in searches(norm)]
LBFGS = Lbfgs(9, 8, 8, 8, "cross-entropy")
each_search = pytest.mark.parametrize(("norm", "name"), EACH)


def nearest(
    model: Any, images: Tensor, labels: Tensor, norm: Norm, name: str, **options: Any
) -> Any:
    options = {"batch_size": 100, **options}
    return smallest(
        model, images, labels, (searches(norm) | {"lbfgs": LBFGS})[name], norm, **options
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(count: int, seed: int = 0, low: float = 0.35, high: float = 0.65) -> Tensor:
    share = torch.rand(count, PIXELS, generator=seeded(seed), dtype=torch.float64)
    return low + (high - low) * share


def tanh_net(seed: int = 0, classes: int = 5, scale: float = 1.0) -> Callable[[Tensor], Tensor]:
    first, second = (
        torch.randn(shape, generator=seeded(seed + 1), dtype=torch.float64) / math.sqrt(shape[0])
        for shape in ((PIXELS, 20), (20, classes))
    )
    return lambda x: scale * torch.tanh(4 * (x.flatten(1) - 0.5) @ first) @ second


def predicted(model: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        answer: Tensor = model(images).argmax(1)
        return answer


def linear(classes: int, scale: float = 1.0, middle: float = 0.5) -> tuple[Any, Tensor]:
    weight = torch.randn(classes, PIXELS, generator=seeded(classes), dtype=torch.float64)
    return lambda x: scale * (x.flatten(1) - middle) @ weight.T, weight


@each_search
@pytest.mark.parametrize(("classes", "scale"), [(2, 1.0), (6, 0.01), (6, 30.0)])
def test_linear_models_fall_at_margin_over_dual_norm(
    norm: Norm, name: str, classes: int, scale: float
) -> None:
    """Nothing lies nearer than the nearest of the hyperplanes to the other classes."""
    (model, weight), images = linear(classes, scale), grey(12)
    labels = predicted(model, images)
    logits = model(images) / scale
    apart = weight[labels][:, None] - weight[None]
    slope = apart.norm(dim=2) * math.sqrt(PIXELS) if norm == "l2" else apart.abs().sum(2)
    behind = logits.gather(1, labels[:, None]) - logits
    closed = torch.where(slope > 0, behind / slope, math.inf).amin(1)
    found, far = nearest(model, images, labels, norm, name)
    assert bool((far >= closed * (1 - 1e-9)).all())
    np.testing.assert_allclose(far, closed, rtol=0.02)
    assert bool((predicted(model, found) != labels).all())


def boxed(clean: np.ndarray, normal: np.ndarray, needed: float, norm: Norm) -> float:
    """Smallest change with normal . d = needed > 0 in the box: a linear program, or bisection."""
    if norm == "linf":
        ones = np.ones((clean.size, 1))
        solved = linprog(
            np.r_[np.zeros(clean.size), 1],
            A_ub=np.block([[np.eye(clean.size), -ones], [-np.eye(clean.size), -ones]]),
            b_ub=np.zeros(2 * clean.size),
            A_eq=np.r_[normal, 0][None],
            b_eq=[needed],
            bounds=[*((-x, 1 - x) for x in clean), (0, None)],
        )
        return float(solved.fun)
    low, high = 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        below = normal @ (np.clip(clean + middle * normal, 0, 1) - clean) < needed
        low, high = (middle, high) if below else (low, middle)
    return float(np.sqrt(np.mean((np.clip(clean + high * normal, 0, 1) - clean) ** 2)))


@each_search
def test_the_box_bends_the_nearest_point(norm: Norm, name: str) -> None:
    """Most pixels at 0 or 1, as in MNIST: half of all directions lead out of the box."""
    (model, weight), images = linear(2, middle=0.3), grey(10, 3, 0, 1)
    images[:, :40] = images[:, :40].round()
    labels = predicted(model, images)
    _, far = nearest(model, images, labels, norm, name)
    bent = 0
    for x, label, d in zip(images.numpy(), labels.tolist(), far.tolist(), strict=True):
        toward = (weight[1 - label] - weight[label]).numpy()
        needed = -float(toward @ (x - 0.3))
        free = np.linalg.norm(toward) * math.sqrt(PIXELS) if norm == "l2" else abs(toward).sum()
        oracle = boxed(x, toward, needed, norm)
        bent += oracle > 1.05 * needed / free
        assert d == pytest.approx(oracle, rel=0.02)
    assert bent >= 8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(NORMS), st.floats(-1.2, 1.2))
def test_the_hyperplane_is_met_at_its_nearest_point(seed: int, norm: Norm, share: float) -> None:
    """Shares beyond 1 lie outside the box; there all of the room is taken."""
    clean = grey(1, seed, 0, 1)
    clean[:, :30] = clean[:, :30].round()
    normal = torch.randn(1, PIXELS, generator=seeded(seed), dtype=torch.float64)
    normal[:, ::7] = 0
    up = torch.where(normal * share > 0, 1 - clean, -clean)
    most = float((normal * up).sum())
    needed = abs(share) * most
    change = to_plane(clean, normal, torch.tensor([needed]).double(), norm)
    assert bool(((clean + change >= -1e-12) & (clean + change <= 1 + 1e-12)).all())
    reached = float((normal * change).sum())
    assert reached == pytest.approx(needed if abs(share) <= 1 else most, abs=1e-6)
    if 0.01 < abs(share) < 0.99:
        toward = (normal[0] * math.copysign(1, share)).numpy()
        oracle = boxed(clean[0].numpy(), toward, abs(needed), norm)
        assert float(length(change, norm)) == pytest.approx(oracle, rel=1e-5)


@each_search
def test_what_comes_back_is_what_it_says(norm: Norm, name: str) -> None:
    """Recomputed: inputs in the box, distances, who is fooled; one by one, whatever the batch."""
    model, images = tanh_net(), grey(8, 0, 0, 1)
    labels = predicted(model, images)
    labels[:2] = (labels[:2] + 1) % 5
    found, far = nearest(model, images, labels, norm, name)
    alone, apart = nearest(model, images, labels, norm, name, batch_size=3)
    torch.testing.assert_close(far, apart, rtol=1e-6, atol=0)
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-6)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    torch.testing.assert_close(far, distance(images, found, norm))
    assert torch.equal(torch.cat([predicted(model, x) for x in found.split(1)]) != labels, far < 1)
    assert far[:2].tolist() == [0, 0]
    assert torch.equal(found[:2], images[:2])
    back = images + (1 - 1e-3) * (found - images)
    assert torch.equal(predicted(model, back)[2:], labels[2:])


@each_search
def test_neither_the_logits_size_nor_the_inputs_shape_matters(norm: Norm, name: str) -> None:
    images = grey(6)
    labels = predicted(tanh_net(), images)
    _, far = nearest(tanh_net(), images, labels, norm, name)
    for scale in (0.01, 50.0):
        other = nearest(tanh_net(scale=scale), images.reshape(6, 3, 2, 10), labels, norm, name)[1]
        torch.testing.assert_close(other, far, rtol=2e-3, atol=0)


@pytest.mark.parametrize("norm", NORMS)
def test_no_search_is_far_from_the_best(norm: Norm) -> None:
    """All of them look for the same point; DeepFool stops at the first boundary that it meets."""
    images = grey(20, 2, 0, 1)
    labels = predicted(tanh_net(3), images)
    others = [*searches(norm), *(["lbfgs"] if norm == "l2" else [])]
    far = {each: nearest(tanh_net(3), images, labels, norm, each)[1] for each in others}
    best = torch.stack(list(far.values())).amin(0)
    assert bool((best > 0).all())
    for name, found in far.items():
        assert float((found / best).mean()) < (1.1 if name == "deepfool" else 1.02), name


@each_search
def test_targets_are_reached_and_are_no_nearer_than_any_class(norm: Norm, name: str) -> None:
    model, images = tanh_net(1), grey(10)
    labels = predicted(model, images)
    targets = (labels + 1 + torch.arange(10) % 4) % 5
    found, far = nearest(model, images, targets, norm, name, targeted=True)
    _, free = nearest(model, images, labels, norm, "fmn")
    reached = predicted(model, found) == targets
    assert torch.equal(reached, far.isfinite())
    assert int(reached.sum()) >= 9  # FAB may lose its way
    assert bool((far >= 0.98 * free).all())
    assert bool((far > 1.1 * free).any())


@each_search
def test_what_cannot_be_fooled_is_infinitely_far(norm: Norm, name: str) -> None:
    def stubborn(images: Tensor) -> Tensor:
        score = images.mean(1)
        return torch.stack([score + 5, -score], 1)

    found, far = nearest(stubborn, grey(3), torch.tensor([0, 0, 1]), norm, name)
    assert far.tolist() == [math.inf, math.inf, 0]
    assert torch.equal(found, grey(3))


@each_search
def test_a_boundary_that_bends_away_is_crossed(norm: Norm, name: str) -> None:
    """The margin is convex, so that the gradient always promises a boundary nearer than it is."""

    def model(images: Tensor) -> Tensor:
        score = torch.exp(-12 * (images.mean(1) - 0.2)) - math.exp(-12 * 0.6)
        return torch.stack([score, torch.zeros_like(score)], 1)

    images = torch.full((2, PIXELS), 0.2, dtype=torch.float64)
    images[1] = 0.5
    _, far = nearest(model, images, torch.tensor([0, 0]), norm, name)
    np.testing.assert_allclose(far, [0.6, 0.3], rtol=0.02)


@pytest.mark.parametrize(("norm", "name"), [*EACH, ("l2", "lbfgs")])
def test_a_guide_is_followed_where_the_model_gives_no_gradient(norm: Norm, name: str) -> None:
    """One whose answers are rounded; guided by itself unrounded, at two moments."""
    net, images = tanh_net(), grey(3)
    labels = predicted(net, images)

    def rounded(points: Tensor) -> Tensor:
        return (net(points) * 1e4).round() / 1e4

    def guide(points: Tensor) -> Tensor:
        return torch.stack([0.5 * net(points), 1.5 * net(points)])

    _, far = nearest(net, images, labels, norm, name)
    found, guided = nearest(rounded, images, labels, norm, name, guide=guide)
    assert bool((predicted(rounded, found) != labels).all())
    torch.testing.assert_close(guided, far, rtol=0.02, atol=0)


@pytest.mark.parametrize("attack", CURVES)
def test_the_curve_holds_the_nearest_input_wherever_it_fits(attack: Any) -> None:
    model, images = tanh_net(), grey(7)
    labels = predicted(model, images)
    labels[0] = (labels[0] + 1) % 5
    norm: Norm = "linf" if attack.__name__.endswith("linf") else "l2"
    common = (model, images, labels)
    (farthest,) = attack(*common, epsilons=[1.0], generator=seeded())
    far = distance(images, farthest, norm)
    between = float(far.median()) + 1e-9
    curve = attack(*common, epsilons=[0.0, between, 1.0], generator=seeded())
    assert torch.equal(curve[0], images)
    assert torch.equal(curve[2], farthest)
    assert torch.equal((curve[1] != images).any(1), (far <= between) & (far > 0))
    right = [int((predicted(model, each) == labels).sum()) for each in curve]
    assert right[0] == 6 > right[1] > right[2] == 0


@pytest.mark.parametrize("name", ["fmn", "deepfool", "fab"])
def test_the_cost_per_image_is_bounded(name: str) -> None:
    model, images = tanh_net(classes=10), grey(5)
    labels = predicted(model, images)
    with counting() as cost:
        nearest(model, images, labels, "l2", name)
    most = {"fmn": 9 * 30, "fab": 9 * 20, "deepfool": 9 * 8}[name]
    assert cost.backward <= most * 5
    assert cost.forward <= (2 * most + 40) * 5


@pytest.mark.parametrize("attack", [fmn_linf, deepfool_l2, fab_l2])
def test_spiking_networks_are_fooled(attack: Any) -> None:
    network = Network.initial(wiring_named("fc-b-spiking"), 0)
    images = torch.rand(3, 1, 28, 28, generator=seeded())
    labels = predicted(network, images)
    (found,) = attack(network, images, labels, epsilons=[1.0], generator=seeded(), steps=10)
    assert bool((predicted(network, found) != labels).all())


@pytest.mark.parametrize(
    ("attack", "option"),
    [(fmn_l2, "steps"), (fmn_linf, "rate"), (deepfool_l2, "candidates"), (fab_linf, "tries")],
)
def test_no_effort_is_refused(attack: Any, option: str) -> None:
    with pytest.raises(BlindspotsError, match=f"{option} = 0.*must be positive"):
        attack(
            *(tanh_net(), grey(1), torch.tensor([0])),
            epsilons=[0.1],
            generator=seeded(),
            **{option: 0},
        )


def test_a_result_holds_the_nearest_that_any_l2_attack_found() -> None:
    """By hand: one network that is a source and one that is not, 4 images, 3 attacks."""
    attacks = {
        "norm": ["l2", "linf", "l2", "l2"],
        "kind": ["minimum", "minimum", "minimum", "noise"],
    }
    fooled_by = {0: [1, 1, 0, 0], 1: [1, 1, 1, 1], 2: [1, 0, 0, 0], 3: [1, 1, 1, 1]}
    correct = np.ones((2, 1, 1, 4, 2, 4), np.int8)
    far = np.full((1, 1, 4, 2, 4), 0.01, np.float32)
    for at, fooled in fooled_by.items():
        correct[0, 0, 0, at, -1] = 1 - np.array(fooled)
    far[0, 0, 0, -1] = [0.3, 0.2, 0, 0]
    far[0, 0, 2, -1] = [0.1, 0, 0, 0]
    scored = ("network", "individual", "source", "attack", "epsilon", "image")
    result = xr.Dataset(
        {
            "correct": (scored, correct),
            "clean_correct": (("network", "individual", "image"), [[[1, 1, 1, 0]]] * 2),
            "distance_rms": (("source", "individual", *scored[3:]), far),
        },
        {
            **{"network": ["a", "b"], "source": ["a"], "attack": ["one", "max", "two", "noise"]},
            **{key: ("attack", values) for key, values in attacks.items()},
        },
    )
    nearest_found = minimum_distortion(result)["minimum_distortion"]
    np.testing.assert_allclose(nearest_found[0, 0], [0.1, 0.2, np.inf, 0.0])
    assert bool(nearest_found[1].isnull().all())
    assert not minimum_distortion(result.isel(attack=[1, 3]))


def theirs(model: nn.Module, images: Tensor, labels: Tensor, norm: Norm) -> dict[str, Tensor]:
    """What other libraries find; DDN and FMN at 300 gradients (ours: 270), FAB-T at our steps."""
    foolbox = pytest.importorskip("foolbox", reason="compares with Foolbox")
    fab = pytest.importorskip("pyautoattack.fab_pt", reason="compares with pyautoattack")
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    known = foolbox.attacks
    attacks = {
        "l2": {
            "DDN": known.DDNAttack(steps=300),
            "FMN": known.L2FMNAttack(steps=300),
            "DeepFool": known.L2DeepFoolAttack(),
        },
        "linf": {"FMN": known.LInfFMNAttack(steps=300), "DeepFool": known.LinfDeepFoolAttack()},
    }[norm]
    found = {}
    for name, attack in attacks.items():
        _, clipped, _ = attack(wrapped, images, labels, epsilons=None)
        found[name] = clipped
    walker = fab.FABAttack_PT(
        model,
        norm={"l2": "L2", "linf": "Linf"}[norm],
        n_iter=20,
        eps=1e3,
        targeted=True,
        device=torch.device("cpu"),
    )
    found["FAB-T"] = walker.perturb(images, labels)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["perceptron", "recurrent"])
def test_other_libraries_find_nothing_nearer(norm: Norm, kind: str) -> None:
    """Medians on random networks; what does not fool counts as infinitely far."""
    torch.manual_seed(0)
    net: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10))
    for parameter in net.parameters():
        parameter.data *= 3
    if kind == "recurrent":
        net = Network.initial(wiring_named("fc-blt"), 0)
    images = torch.rand(20, 1, 28, 28, generator=seeded())
    labels = predicted(net, images)
    medians = {}
    for name, inputs in theirs(net, images, labels, norm).items():
        fools = predicted(net, inputs) != labels
        far = torch.where(fools, distance(images, inputs, norm), math.inf)
        medians[name] = float(far.median())
    ours = {
        name: float(nearest(net, images, labels, norm, name)[1].median())
        for name in ("fmn", "fab", "deepfool")
    }
    print(kind, norm, {k: round(v, 6) for k, v in {**medians, **ours}.items()})
    assert ours["fmn"] <= 1.02 * min(medians.values())
    assert ours["fab"] <= 1.02 * medians["FAB-T"]
    assert ours["deepfool"] <= 1.02 * medians["DeepFool"]
