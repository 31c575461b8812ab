"""The checks of codes, spikes, time and feedback, on a tiny spiking network with feedback."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from experiments.audit import chance, codes, gradients, spikes
from experiments.audit.allowance import Allowance
from experiments.audit.broken import taught
from experiments.audit.subject import Claim, Subject
from experiments.data.dataset import Dataset
from networks import Wiring, wiring_named
from networks.code import Poisson
from networks.derive import coded, feedforward_part, hidden
from sim import Network

FEW = Allowance(images=10, few=6, handful=2, draws=500, samples=1000, steps=8, queries=50)


def small(name: str, width: int = 24) -> Wiring:
    wiring = wiring_named(name)
    inner = {area.name for area in hidden(wiring)}
    areas = [
        a.model_copy(update={"shape": (width,)}) if a.name in inner else a for a in wiring.areas
    ]
    return wiring.replace(areas=tuple(areas), steps=8)


@pytest.fixture(scope="module")
def spiking(digits: Dataset) -> Network:
    network = Network.initial(small("fc-blt-spiking"), 0)
    taught(network, digits.train)
    return network


@pytest.fixture(scope="module")
def rate(digits: Dataset) -> Network:
    network = Network.initial(small("fc-b"), 0)
    taught(network, digits.train)
    return network


def subject(network: Network, data: Dataset, epsilon: float, **changes: Any) -> Subject:
    """Twenty images; the claim is that all withstand 40 steps of PGD, unless said otherwise."""
    images, labels = data.test.images[:20], data.test.labels[:20]
    return Subject(
        *("tiny", network, images, labels, Claim("pgd-linf", epsilon)), allowance=FEW, **changes
    )


ALL = torch.ones(20, dtype=torch.bool)
CHECKS = [codes.codes, spikes.surrogates, spikes.time_axis, spikes.feedback_off]


@pytest.mark.parametrize("check", CHECKS)
def test_a_tiny_budget_overturns_nothing(check, spiking: Network, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    found = check(subject(spiking, digits, 1e-4))
    assert found.outcome == "pass", found.sentence
    assert found.number == 0


@pytest.mark.parametrize("check", CHECKS)
def test_a_false_claim_is_overturned(check, spiking: Network, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    found = check(subject(spiking, digits, 0.2, recorded=ALL))
    assert found.outcome == "fail", found.sentence
    assert found.overturned


@pytest.mark.parametrize("check", CHECKS)
def test_a_feedforward_network_has_none_of_these(check, rate: Network, digits: Dataset) -> None:  # type: ignore[no-untyped-def]
    assert check(subject(rate, digits, 0.1)).outcome == "not applicable"


class Wrapped(nn.Module):
    """A network behind a change of contrast, whose surrogate cannot be exchanged from outside."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(0.9 * images)


@pytest.mark.parametrize("check", CHECKS[1:])
def test_what_a_wrapped_network_conceals_is_no_pass(  # type: ignore[no-untyped-def]
    check, spiking: Network, digits: Dataset
) -> None:
    found = check(replace(subject(spiking, digits, 0.1), model=Wrapped(spiking)))
    assert found.outcome == "warn"
    assert "wraps" in found.sentence


def test_derivatives_set_by_hand_are_named(spiking: Network, digits: Dataset) -> None:
    unknown = replace(subject(spiking, digits, 0.1), model=spiking.forward)
    found = spikes.surrogates(unknown)
    assert found.outcome == "warn"
    assert "by hand (ThroughTime)" in found.sentence
    plain = replace(unknown, model=lambda x: x.flatten(1)[:, :10] ** 2)
    assert spikes.surrogates(plain).outcome == "not applicable"


def test_the_cut_network_is_that_without_feedback(spiking: Network, digits: Dataset) -> None:
    cut = spikes.without_feedback(spiking)
    assert cut.wiring == feedforward_part(spiking.wiring)
    assert {p.kind for p in cut.wiring.projections} == {"feedforward"}
    images = digits.test.images[:5]
    assert not torch.equal(cut(images), spiking(images))


def test_another_code_keeps_the_weights(spiking: Network, digits: Dataset) -> None:
    one = subject(spiking, digits, 0.1)
    drawn = codes.behind(Poisson(), spiking.wiring, spiking, one)
    assert drawn.wiring == coded(spiking.wiring, Poisson())
    for name, value in spiking.values.items():
        assert torch.equal(drawn.values[name], value)


def test_the_path_back_through_the_smooth_twin_is_right(spiking: Network, digits: Dataset) -> None:
    found = gradients.gradient_correctness(subject(spiking, digits, 0.1))
    assert found.outcome != "fail", found.sentence
    assert "smooth twin" in found.sentence
    assert found.number > 0.05


def test_zero_gradients_are_counted_for_every_surrogate(spiking: Network, digits: Dataset) -> None:
    found = gradients.zero_gradient(subject(spiking, digits, 0.1))
    assert found.outcome == "pass"
    assert "30 other surrogates" in found.sentence


def test_a_dead_network_has_no_gradient(spiking: Network, digits: Dataset) -> None:
    silent = Network(spiking.wiring, {n: 0 * v.detach() for n, v in spiking.values.items()})
    labels = torch.zeros(20, dtype=torch.int64)  # its answer to everything
    found = gradients.zero_gradient(replace(subject(silent, digits, 0.1), labels=labels))
    assert (found.outcome, found.number) == ("fail", 100)


def test_a_poisson_network_is_random(spiking: Network, digits: Dataset) -> None:
    one = subject(spiking, digits, 0.1)
    drawn = codes.behind(Poisson(), spiking.wiring, spiking, one)
    assert chance.is_random(replace(one, model=drawn))
    assert not chance.is_random(replace(one, model=chance.frozen_at(drawn, 3)))
