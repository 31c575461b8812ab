"""Gradients through feedforward and feedback paths, held against finite differences."""

import pytest
import torch
from torch import Tensor

from experiments.attacks.guides import ways
from networks import Area, InputUnit, Projection, RateUnit, SpikingUnit, Wiring
from networks.projection import FEEDBACK
from sim import Network
from sim.scaled import scaled


def looped(unit: RateUnit | SpikingUnit, seed: int = 0) -> Network:
    wiring = Wiring(
        name="looped",
        areas=(
            Area(name="input", shape=(1, 2, 2), unit=InputUnit()),
            Area(name="h1", shape=(5,), unit=unit),
            Area(name="h2", shape=(4,), unit=unit),
            Area(name="output", shape=(3,), unit=RateUnit(activation="identity")),
        ),
        projections=(
            Projection(source="input", target="h1"),
            Projection(source="h1", target="h2"),
            Projection(source="h2", target="output"),
            Projection(source="h1", target="h1", kind="lateral"),
            Projection(source="h2", target="h1", kind="top-down"),
        ),
        steps=7,
    )
    return Network.initial(wiring, seed).double()


def grey(count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand((count, 1, 2, 2), generator=generator, dtype=torch.float64)


def jacobian(guide, point: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(lambda x: guide(x).flatten(), point).flatten(1)


def by_differences(function, point: Tensor, step: float = 1e-6) -> Tensor:
    """The Jacobian of a function by central differences."""
    columns = []
    for at in range(point.numel()):
        nudge = torch.zeros(point.numel(), dtype=point.dtype)
        nudge[at] = step
        nudge = nudge.reshape(point.shape)
        columns.append((function(point + nudge) - function(point - nudge)).flatten() / (2 * step))
    return torch.stack(columns, 1)


def held(network: Network, around: Tensor):
    """The network with every lateral and top-down projection fed with what it got at ``around``.

    Written anew with matrices and a list of the past: what feedback delivers stands still while
    the image moves, so that its derivative is that through the feedforward paths.
    """
    weights = {name: value.detach() for name, value in network.values.items()}

    def unroll(image: Tensor, delivered: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        zero = [torch.zeros(n, dtype=image.dtype) for n in (4, 5, 4)]
        past_input, h1, h2 = zero[0], zero[1], zero[2]
        answers, sent = [], []
        for t in range(network.wiring.steps):
            fed = weights["weight/h1>h1"] @ h1 + weights["weight/h2>h1"] @ h2
            if t == 0:
                fed = torch.zeros_like(fed)
            sent.append(fed)
            now = delivered[t] if delivered else fed
            into1 = weights["bias/h1"] + now
            into2, into3 = weights["bias/h2"], weights["bias/output"]
            if t:
                into1 = into1 + weights["weight/input>h1"] @ past_input
                into2 = into2 + weights["weight/h1>h2"] @ h1
                into3 = into3 + weights["weight/h2>output"] @ h2
            past_input, h1, h2 = image.flatten(), torch.tanh(into1), torch.tanh(into2)
            answers.append(into3)
        rows = torch.stack([answers[t] for t in network.wiring.answers])
        return rows.mean(0), sent

    _, delivered = unroll(around, None)
    return lambda image: unroll(image, delivered)[0]


def test_feedforward_paths_are_the_network_with_its_feedback_held() -> None:
    network, point = looped(RateUnit(activation="tanh")), grey()
    frozen = held(network, point)
    torch.testing.assert_close(frozen(point), network(point)[0])
    found = jacobian(ways(network)["feedforward paths"].through(network), point)
    torch.testing.assert_close(found, by_differences(frozen, point), rtol=1e-6, atol=1e-9)


def test_feedback_paths_are_what_is_left() -> None:
    network, point = looped(RateUnit(activation="tanh")), grey()
    expected = by_differences(network, point) - by_differences(held(network, point), point)
    found = jacobian(ways(network)["feedback paths"].through(network), point)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize("unit", [RateUnit(activation="tanh"), SpikingUnit(threshold=0.2)])
def test_both_kinds_of_path_together_are_the_whole_gradient(unit) -> None:
    network, points = looped(unit), grey(4)
    found = ways(network)
    whole = jacobian(network, points)
    parts = [
        jacobian(found[f"{each} paths"].through(network), points)
        for each in ("feedforward", "feedback")
    ]
    torch.testing.assert_close(sum(parts), whole)
    for each in ("feedforward", "feedback"):
        torch.testing.assert_close(found[f"{each} paths"].through(network)(points), network(points))


def test_without_feedback_its_paths_carry_nothing() -> None:
    """At gain 0 the feedforward paths are the whole gradient."""
    network, points = scaled(looped(RateUnit(activation="tanh")), FEEDBACK, 0), grey(3)
    found = ways(network)
    whole = jacobian(network, points)
    torch.testing.assert_close(jacobian(found["feedforward paths"].through(network), points), whole)
    nothing = jacobian(found["feedback paths"].through(network), points)
    torch.testing.assert_close(nothing, torch.zeros_like(nothing))
