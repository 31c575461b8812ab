"""Other gradients than a network's own, and what attacks cost."""

import pytest
import torch
from torch import nn

from experiments.attacks.cost import count, counting
from experiments.attacks.gradient import fgsm, pgd_linf
from experiments.attacks.guides import ways
from experiments.attacks.square import square_linf
from networks import SpikingUnit, wiring_named
from networks.derive import as_spiking
from sim import Network


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def spiking():
    wiring = as_spiking(wiring_named("fc-blt"), SpikingUnit(threshold=0.2))
    return Network.initial(wiring, 0)


@pytest.fixture(scope="module")
def images():
    return torch.rand((12, 1, 28, 28), generator=seeded(3))


def accuracy(model, inputs, labels):
    with torch.no_grad():
        return float((model(inputs).argmax(1) == labels).float().mean())


def test_every_way_answers_as_the_network_does_except_smooth_twins(spiking, images):
    with torch.no_grad():
        own = spiking(images)
        for name, way in ways(spiking).items():
            rows = way.through(spiking)(images)
            mean = rows.mean(0) if rows.ndim == 3 else rows
            same = torch.allclose(mean, own, atol=1e-6)
            assert same == (way.family != "smooth" and way.reading != "last"), name


def test_ways_cover_what_the_literature_sweeps(spiking):
    listed = ways(spiking)
    surrogates = [name.split() for name, way in listed.items() if way.family == "surrogate"]
    assert len({shape for shape, _ in surrogates}) >= 4
    assert len({slope for _, slope in surrogates}) >= 3
    families = {way.family for way in listed.values()}
    assert families >= {"adaptive", "straight-through", "smooth", "space", "time", "paths"}


def test_other_networks_have_their_own_gradient_alone():
    assert ways(nn.Flatten()) == {}
    assert ways(Network.initial(wiring_named("fc-b"), 0)) == {}
    recurrent = ways(Network.initial(wiring_named("fc-blt"), 0))
    paths = {"feedforward paths", "feedback paths"}
    assert set(recurrent) == {"each step", "last step", "half the time"} | paths


def test_a_guide_that_averages_moments_has_the_mean_of_their_gradients():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3)).double()
    weights = torch.randn((4, 3, 784), generator=seeded(), dtype=torch.float64)
    images = torch.rand((5, 1, 28, 28), generator=seeded(1), dtype=torch.float64)
    labels = net(images).argmax(1)

    def moments(x):
        return torch.stack([x.flatten(1) @ w.T for w in weights])

    x = images.clone().requires_grad_()
    sum(
        nn.functional.cross_entropy(logits, labels, reduction="sum") for logits in moments(x)
    ).backward()
    expected = (images + 1e-3 * x.grad.sign()).clamp(0, 1)
    found = fgsm(
        *(net, images, labels),
        epsilons=[1e-3],
        generator=seeded(),
        keep_going=True,
        guide=moments,
    )
    torch.testing.assert_close(found[0], expected)


def test_the_model_judges_whatever_the_guide_says(images):
    """The guide knows another network; what it fools is no success."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].bias.copy_(torch.tensor([1.0, 0, 0]))
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    labels = torch.zeros(len(images), dtype=torch.int64)
    found = pgd_linf(
        net, images, labels, epsilons=[0.1, 0.3], generator=seeded(), steps=5, guide=other
    )
    assert accuracy(net, found[1], labels) == 1


def test_a_badly_chosen_surrogate_hides_what_another_finds(images):
    """The trap of training with slope 1000: its own gradient finds next to nothing."""
    wiring = as_spiking(wiring_named("fc-blt"), SpikingUnit(threshold=0.2, slope=1000.0))
    masked = Network.initial(wiring, 0)
    labels = masked(images).argmax(1)
    settings = {"epsilons": [0.02], "steps": 15}
    own = pgd_linf(masked, images, labels, generator=seeded(), **settings)
    guide = ways(masked)["fast_sigmoid 2"].through(masked)
    guided = pgd_linf(masked, images, labels, generator=seeded(), guide=guide, **settings)
    assert accuracy(masked, guided[0], labels) < accuracy(masked, own[0], labels) - 0.2


def test_cost_counts_images_shown_and_gradients_taken(images):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    labels = net(images).argmax(1)
    settings = {"epsilons": [0.1], "keep_going": True}
    with counting() as outer:
        with counting() as pgd:
            pgd_linf(net, images, labels, generator=seeded(), steps=7, **settings)
        with counting() as square:
            square_linf(net, images, labels, generator=seeded(), queries=9, **settings)
    n = len(images)
    assert (pgd.forward, pgd.backward) == (n + 8 * n, 7 * n)  # clean, 7 steps, the last iterate
    assert (square.forward, square.backward) == (n + 9 * n, 0)
    assert outer.forward == pgd.forward + square.forward
    count(forward=5)
    assert outer.forward == pgd.forward + square.forward  # nothing counts any more
