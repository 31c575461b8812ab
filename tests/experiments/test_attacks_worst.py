"""The ensemble: no weaker than any of its parts, and not misled where one of them is."""

import pytest
import torch
from torch import nn

from experiments.attacks.names import attack_named
from experiments.attacks.threat import distance
from experiments.attacks.worst import stages, worst_case, worst_linf
from networks import wiring_named
from sim import Network


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def digits_like(count=16):
    return torch.rand((count, 1, 28, 28), generator=seeded(3))


@pytest.fixture(scope="module")
def net():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.Tanh(), nn.Linear(20, 4))
    for parameter in layers.parameters():
        parameter.data = torch.randn(parameter.shape, generator=seeded(len(parameter))) / 8
    return layers


class Rounded(nn.Module):
    """Sees sixteenths of an intensity, and passes a gradient of zero."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(torch.round(images * 16) / 16)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_after_each_stage_fewer_withstand_and_all_keep_to_the_budget(net, norm):
    images = digits_like()
    labels = net(images).argmax(1)
    told = list(
        worst_case(net, images, labels, norm=norm, epsilons=[0.004, 0.01], generator=seeded())
    )
    assert len(told) == 2 * len(stages(net, norm))
    before = torch.zeros(len(images), dtype=torch.bool)
    for at, each in enumerate(told):
        assert (each.found.fooled >= before).all()
        before = each.found.fooled
        epsilon = (0.004, 0.01)[at // len(stages(net, norm))]
        assert distance(images, each.found.inputs, norm).max() <= epsilon + 1e-6
        assert torch.equal(net(each.found.inputs).argmax(1) != labels, before)
    assert before.any()


def test_no_part_alone_fools_what_the_whole_does_not(net):
    images = digits_like()
    labels = net(images).argmax(1)
    worst = worst_linf(net, images, labels, epsilons=[0.006], generator=seeded())[0]
    withstood = net(worst).argmax(1) == labels
    for stage in stages(net, "linf"):
        alone = attack_named(stage.attack).function(
            *(net, images, labels), epsilons=[0.006], generator=seeded(1), **stage.options
        )[0]
        broken = (net(alone).argmax(1) != labels) & withstood
        assert broken.float().mean() <= 1 / len(images), stage.name


def test_queries_break_what_gradients_cannot(net):
    blind = Rounded(net)
    images = digits_like()
    labels = blind(images).argmax(1)
    with pytest.warns(UserWarning, match="exactly zero"):
        *followed, last = worst_case(
            blind, images, labels, norm="linf", epsilons=[0.1], generator=seeded()
        )
    assert "Square" in last.stage.name
    assert last.found.fooled.float().mean() > followed[-1].found.fooled.float().mean() + 0.2


def test_spiking_networks_are_attacked_along_several_gradients():
    spiking = Network.initial(wiring_named("fc-blt-spiking"), 0)
    names = [stage.name for stage in stages(spiking, "linf")]
    assert sum("through" in name for name in names) >= 2


def test_the_first_stage_spends_its_budget_where_inputs_shall_transfer(net):
    images = digits_like()
    labels = net(images).argmax(1)
    going, stopping = (
        worst_linf(net, images, labels, epsilons=[0.05], generator=seeded(), keep_going=going)[0]
        for going in (True, False)
    )
    loss = nn.CrossEntropyLoss()
    assert loss(net(going), labels) > loss(net(stopping), labels)
    assert (net(going).argmax(1) != labels).all()
