"""Individuals attacked at once: each as if alone, with images, labels and chance of its own."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.attacks.crowd import Crowd
from experiments.attacks.names import ATTACKS
from experiments.attacks.victim import MaskedGradientWarning
from networks import Wiring, wiring_named
from sim import Network

IMAGES, COUNT = 7, 3
CROWDED = [name for name, attack in ATTACKS.items() if attack.takes_crowds]
FEW: dict[str, dict[str, Any]] = {
    "pgd": {"steps": 6, "restarts": 2},
    "apgd": {"steps": 6, "targets": 2, "loss": "dlr"},
    "fmn": {"steps": 4, "tries": 2},
    "deepfool": {"steps": 4, "candidates": 2},
    "fab": {"steps": 3},
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
    attack: Any = ATTACKS[name].function
    found: Tensor = attack(
        *(Crowd.of(crowd, len(images)), images.repeat_interleave(len(crowd), 0), labels.flatten()),
        epsilons=[0.02, 0.1],
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(crowd))],
        keep_going=keep_going,
        batch_size=8,  # which splits the images of one individual, and of all
        **options_of(name),
    )
    return found.unflatten(1, (len(images), len(crowd)))


@pytest.mark.parametrize("keep_going", [False, True])
@pytest.mark.parametrize("name", CROWDED)
def test_each_is_as_if_attacked_alone(name: str, keep_going: bool, images: Tensor) -> None:
    crowd = individuals(wiring_named("fc-blt"))
    together = at_once(name, crowd, images, keep_going)
    for seed, network in enumerate(crowd):
        found = alone(name, network, seed, images, keep_going)
        torch.testing.assert_close(together[:, :, seed], found)


@pytest.mark.parametrize("wiring", ["FC10", "fc-b-spiking", "conv-bl", "fc-blt-modular-spiking"])
def test_wirings_of_all_kinds_can_be_a_crowd(wiring: str, images: Tensor) -> None:
    crowd = individuals(wiring_named(wiring))
    together = at_once("pgd-linf", crowd, images[:3], True)
    for seed, network in enumerate(crowd):
        found = alone("pgd-linf", network, seed, images[:3], True)
        torch.testing.assert_close(together[:, :, seed], found)


def test_every_image_is_shown_to_its_own() -> None:
    """Whatever rows are asked about, in whatever order, and though one individual has none."""
    crowd = individuals(wiring_named("fc-bl"))
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(8, 1, 28, 28, generator=generator, dtype=torch.float64)
    whose = [0, 2, 2, 0, 2, 0, 2, 2]
    model = Crowd.of(crowd, 4).at(torch.tensor(whose))
    for rows in (list(range(8)), [7, 0, 3], [4]):
        found = model.at(torch.tensor(rows))(points[rows])
        for row, logits in zip(rows, found, strict=True):
            torch.testing.assert_close(logits, crowd[whose[row]](points[row : row + 1])[0])


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
