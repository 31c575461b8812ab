"""Individuals attacked at once: each as if alone, with images, labels and chance of its own."""

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.attacks.crowd import Crowd
from experiments.attacks.guides import ways
from experiments.attacks.names import ATTACKS
from experiments.attacks.sources import Sources, drawn
from experiments.attacks.victim import Guide, MaskedGradientWarning
from networks import BlindspotsError, Wiring, wiring_named
from sim import Network

IMAGES, COUNT = 5, 2
CROWDED = [name for name, attack in ATTACKS.items() if attack.takes_crowds]
FEW: dict[str, dict[str, Any]] = {
    "pgd": {"steps": 6, "restarts": 2},
    "apgd": {"steps": 6, "targets": 2, "loss": "dlr"},
    "fmn": {"steps": 4, "tries": 2},
    "deepfool": {"steps": 4, "candidates": 2},
    "fab": {"steps": 3},
    "lbfgs": {"tries": 2, "searches": 2, "evaluations": 5},
    "square": {"queries": 20},
    "spsa": {"steps": 3, "pairs": 4},
}


def options_of(name: str) -> dict[str, Any]:
    return FEW.get(name.partition("-")[0], {})


def individuals(wiring: Wiring) -> list[Network]:
    """In float64, so that rounding decides nothing, and with weights that make them lively."""
    made = [Network.initial(wiring, seed).double() for seed in range(COUNT)]
    with torch.no_grad():
        for value in (value for network in made for value in network.values.values()):
            value.mul_(3)
    return made


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.rand(IMAGES, 1, 28, 28, generator=generator, dtype=torch.float64)


def alone(name: str, network: Network, seed: int, images: Tensor, keep_going: bool) -> Tensor:
    found: Tensor = ATTACKS[name].function(
        *(network, images, network(images).argmax(1)),
        epsilons=[0.02, 0.1],
        generator=torch.Generator().manual_seed(seed),
        keep_going=keep_going,
        **options_of(name),
    )
    return found


def at_once(name: str, crowd: list[Network], images: Tensor, keep_going: bool) -> Tensor:
    """(E, N, individuals, ...)."""
    labels = torch.stack([network(images).argmax(1) for network in crowd], 1)
    model, attack = Crowd.of(crowd, len(images), 4), ATTACKS[name].function
    found: Tensor = attack(
        *(model, model.to_each(images), labels.flatten()),
        epsilons=[0.02, 0.1],
        generator=model.sources(range(len(crowd))),
        keep_going=keep_going,
        batch_size=4,  # which splits the images of one individual, and of all
        **options_of(name),
    )
    return found.unflatten(1, (len(images), len(crowd)))


@pytest.mark.parametrize("name", CROWDED)
def test_each_is_as_if_attacked_alone(name: str, images: Tensor) -> None:
    hold_beside(name, "fc-bt", images, keep_going=True)


@pytest.mark.parametrize("name", ["pgd-linf", "square-linf", "worst-l2"])
def test_fooled_images_of_one_leave_the_others_as_they_are(name: str, images: Tensor) -> None:
    hold_beside(name, "fc-bt", images, keep_going=False)


@pytest.mark.parametrize("wiring", ["FC10", "fc-b-spiking", "conv-bl", "fc-blt-modular-spiking"])
def test_wirings_of_all_kinds_can_be_a_crowd(wiring: str, images: Tensor) -> None:
    hold_beside("pgd-linf", wiring, images[:3], keep_going=True)


def hold_beside(name: str, wiring: str, images: Tensor, *, keep_going: bool) -> None:
    """What is found for all at once beside what is found for each."""
    crowd = individuals(wiring_named(wiring))
    together = at_once(name, crowd, images, keep_going)
    for seed, network in enumerate(crowd):
        found = alone(name, network, seed, images, keep_going)
        near = 1e-5 if name == "lbfgs" else 1e-7  # its line searches magnify rounding
        torch.testing.assert_close(together[:, :, seed], found, rtol=0, atol=near)


@pytest.mark.parametrize("name", ["fc-bt", "fc-blt-spiking"])
def test_every_way_back_leads_through_each(name: str, images: Tensor) -> None:
    crowd = individuals(wiring_named(name))
    model = Crowd.of(crowd, len(images), 4)
    points = model.to_each(images)
    known = ways(model)
    assert known.keys() == ways(crowd[0]).keys()
    for way in known.values():
        logits, gradient = asked(way.through(model), points)
        for place, network in enumerate(crowd):
            own, slope = asked(way.through(network), images)
            torch.testing.assert_close(logits[..., place::COUNT, :], own, rtol=1e-6, atol=1e-6)
            torch.testing.assert_close(gradient[place::COUNT], slope, rtol=1e-5, atol=1e-7)


def asked(guide: Guide, points: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of the first class's."""
    points = points.clone().requires_grad_()
    logits = guide(points)
    (gradient,) = torch.autograd.grad(logits[..., 0].sum(), points)
    return logits.detach(), gradient


@pytest.mark.parametrize("most", [500, 2])
def test_every_image_is_shown_to_its_own(most: int) -> None:
    """Whatever rows are asked about, in whatever order, and though one individual has none."""
    crowd = individuals(wiring_named("fc-bl"))
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(8, 1, 28, 28, generator=generator, dtype=torch.float64)
    crowd.append(Network.initial(wiring_named("fc-bl"), COUNT).double())
    whose = [0, 2, 2, 0, 2, 0, 2, 2]
    model = replace(Crowd.of(crowd, 4, most), whose=torch.tensor(whose))
    for rows in (list(range(8)), [7, 0, 3], [4]):
        found = model.at(torch.tensor(rows))(points[rows])
        for row, logits in zip(rows, found, strict=True):
            torch.testing.assert_close(logits, crowd[whose[row]](points[row : row + 1])[0])
    assert model.at(torch.tensor([], dtype=torch.int64))(points[:0]).shape == (0, 10)


def test_chance_of_some_images_is_what_each_individual_draws_for_its_own() -> None:
    chance = Sources([torch.Generator().manual_seed(seed) for seed in (5, 6)], torch.arange(6) % 2)
    some = chance.at(torch.tensor([5, 0, 1, 3]))  # of the second one, but for the second row
    first, second = (torch.Generator().manual_seed(seed) for seed in (5, 6))
    alone, others = torch.rand(2, 1, generator=first), torch.rand(2, 3, generator=second)
    expected = torch.cat([others[:, :1], alone, others[:, 1:]], 1)
    assert torch.equal(drawn(torch.rand, torch.empty(2, 4), some, axis=1), expected)


def test_a_masked_gradient_is_that_of_one_individual(images: Tensor) -> None:
    wiring = wiring_named("FC10")
    flat = Network.initial(wiring, 1).double()
    with torch.no_grad():
        for value in flat.values.values():
            value.zero_()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        at_once("fgsm", [Network.initial(wiring, 0).double(), flat], images, True)
    (only,) = caught
    assert isinstance(only.message, MaskedGradientWarning)
    assert only.message.individual == 1
    assert f"({IMAGES} of {IMAGES})" in str(only.message)
    assert only.filename == __file__


def test_several_answers_are_asked_of_one_individual_alone(images: Tensor) -> None:
    model = Crowd.of(individuals(wiring_named("FC10")), 1, 4)
    labels = torch.zeros(COUNT, dtype=torch.int64)
    with pytest.raises(BlindspotsError, match="2 answers of many individuals at once"):
        ATTACKS["square-linf"].function(
            *(model, images[:COUNT], labels),
            epsilons=[0.1],
            generator=model.sources([0, 1]),
            answers=2,
        )
