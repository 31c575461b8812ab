"""Movies and windows of time: against images that stand still, and against closed forms."""

import pytest
import torch
from torch import Tensor

from experiments.attacks.gradient import fgsm, pgd_linf
from experiments.attacks.guides import ways
from experiments.attacks.movies import Film, felt, filmed, halves, in_time, require_time, still
from experiments.attacks.threat import Threat, check, project
from networks import (
    Area,
    BlindspotsError,
    InputUnit,
    Latency,
    Projection,
    RateUnit,
    SpikingUnit,
    Wiring,
    wiring_named,
)
from networks.derive import coded
from sim import Network


def looped(unit: RateUnit | SpikingUnit, seed: int = 0, steps: int = 7) -> Network:
    wiring = Wiring(
        name="looped",
        areas=(
            Area(name="input", shape=(1, 4, 4), unit=InputUnit()),
            Area(name="h", shape=(10,), unit=unit),
            Area(name="output", shape=(3,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="input", target="h"),
            Projection(source="h", target="h", kind="lateral"),
            Projection(source="h", target="output"),
        ),
        steps=steps,
    )
    return Network.initial(wiring, seed)


TANH, LIF = RateUnit(activation="tanh"), SpikingUnit(threshold=0.3)


def grey(count: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.3 + 0.4 * torch.rand((count, 1, 4, 4), generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("unit", [TANH, LIF])
def test_a_still_movie_is_the_image(unit) -> None:
    network, images = looped(unit), grey(6)
    torch.testing.assert_close(Film(network)(still(images, 7)), network(images))


@pytest.mark.parametrize("unit", [TANH, LIF])
def test_movies_held_still_are_the_static_attack(unit) -> None:
    """The gradient of a movie whose frames are tied is the image's; so is each step of PGD."""
    network, images = looped(unit), grey(20)
    labels, film = network(images).argmax(1), Film(network)

    def tied(points: Tensor) -> Tensor:
        return film(still(points, 7))

    options = {"epsilons": [0.05, 0.1], "steps": 8, "random_start": False, "keep_going": True}
    expected = pgd_linf(network, images, labels, generator=seeded(), **options)
    found = pgd_linf(tied, images, labels, generator=seeded(), **options)
    same = (found - expected).flatten(2).abs().amax(2) < 1e-5
    assert same.double().mean() > 0.95  # a sign may turn where a gradient is nearly 0


def test_frames_outside_the_window_stay_as_they_are_and_frames_inside_keep_the_budget() -> None:
    network, images = looped(TANH), grey(8)
    clean, labels = still(images, 7), network(images).argmax(1)
    found = pgd_linf(
        *(Film(network), clean, labels),
        epsilons=[0.05, 0.2], generator=seeded(), window=(1, 3), keep_going=True,
    )  # fmt: skip
    change = (found - clean).abs()
    assert torch.equal(change[:, :, [0, 3, 4, 5, 6]], torch.zeros_like(change[:, :, :5]))
    for at, epsilon in enumerate((0.05, 0.2)):
        assert (change[at, :, 1:3].flatten(2).amax(2) - epsilon).abs().max() < 1e-6


def test_an_empty_window_is_the_clean_image() -> None:
    network, images = looped(TANH), grey(8)
    clean, labels = still(images, 7), network(images).argmax(1)
    found = pgd_linf(
        Film(network), clean, labels, epsilons=[0.3], generator=seeded(), window=(2, 2)
    )
    assert torch.equal(found[0], clean)


def test_frames_that_come_too_late_have_no_gradient() -> None:
    network = looped(TANH)
    movie = still(grey(3), 7).requires_grad_()
    Film(network)(movie).square().sum().backward()
    felt_by = movie.grad.flatten(2).abs().amax(2).amax(0) > 0
    assert felt_by.tolist() == [True] * felt(network.wiring) + [False] * 2


def test_halves_share_the_frames_that_matter() -> None:
    for steps in (5, 6, 7):
        wiring = looped(TANH, steps=steps).wiring
        early, late = halves(wiring).values()
        assert early[0] == 0
        assert early[1] == late[0]
        assert late[1] == felt(wiring) == steps - wiring.first_answer
        assert 0 <= (early[1] - early[0]) - (late[1] - late[0]) <= 1


def test_a_linear_network_falls_frame_by_frame_as_the_closed_form_says() -> None:
    """Identity units are linear: FGSM's gain is epsilon times the 1-norm of each frame's gradient.

    A movie may take another sign at each frame, so it gains the sum of the frames' norms; an image
    only the norm of their sum.
    """
    network = looped(RateUnit(activation="identity")).double()
    images = grey(5).double()
    labels = network(images).argmin(1)
    clean, film = still(images, 7), Film(network)
    jacobian = torch.autograd.functional.jacobian(lambda m: film(m).sum(0), clean)
    jacobian = jacobian.transpose(0, 1)  # (N, class, steps, 1, 4, 4)
    own = jacobian[torch.arange(5), labels]
    each = own.flatten(2).abs().sum((1, 2))
    once = own.sum(1).flatten(1).abs().sum(1)
    epsilon = 0.01

    def margin(points: Tensor, model) -> Tensor:
        return model(points).gather(1, labels[:, None])[:, 0]

    moved = clean - epsilon * own.sign()
    fallen = margin(clean, film) - margin(moved, film)
    torch.testing.assert_close(fallen, epsilon * each)
    fixed = images - epsilon * own.sum(1).sign()
    torch.testing.assert_close(margin(images, network) - margin(fixed, network), epsilon * once)
    assert (each >= once - 1e-12).all()


def test_no_larger_set_of_movies_is_weaker() -> None:
    network, images = looped(LIF, seed=3), grey(60)
    labels, film = network(images).argmax(1), Film(network)
    found = in_time(network, images, labels, epsilon=0.1, generator=seeded(), steps=10)
    fooled = {name: film(each).argmax(1) != labels for name, each in found.items()}
    assert fooled["movie"].any()
    for name in ("static", "early half", "late half"):
        assert (fooled["movie"] >= fooled[name]).all()
        assert (found[name] - still(images, 7)).abs().max() <= 0.1 + 1e-6
    assert torch.equal(found["static"][:, 0], found["static"][:, 5])


def test_guides_take_movies() -> None:
    network, images = looped(LIF), grey(4)
    clean, labels = still(images, 7), network(images).argmax(1)
    guide = filmed(ways(network)["atan 2"].through(network))
    torch.testing.assert_close(guide(clean), network(images))
    fgsm(Film(network), clean, labels, epsilons=[0.1], generator=seeded(), guide=guide)


def test_refusals() -> None:
    with pytest.raises(BlindspotsError, match="time plays no role"):
        require_time(wiring_named("fc-b"))
    wiring = coded(looped(LIF).wiring, Latency())
    with pytest.raises(BlindspotsError, match="latency coded"):
        in_time(
            *(Network.initial(wiring, 0), grey(2), torch.tensor([0, 1])),
            epsilon=0.1, generator=seeded(),
        )  # fmt: skip
    for window in ((-1, 2), (3, 2)):
        with pytest.raises(BlindspotsError, match="The window is"):
            Threat("linf", 0.1, window=window)
    clean = still(grey(2), 7)
    threat = Threat("linf", 0.1, window=(0, 2))
    assert torch.equal(project(clean, clean + 1, threat)[:, 2:], clean[:, 2:])
    with pytest.raises(BlindspotsError, match="outside its window"):
        check(clean, (clean + 0.05).clamp(0, 1), threat)
