"""What a gradient follows: surrogates against snnTorch's, paths and time against closed forms."""

import pytest
import torch
from scipy.integrate import quad
from snntorch import surrogate as snntorchs

from networks import RateUnit, SpikingUnit
from sim import Network
from sim.rule import DERIVATIVES, PLAIN, Rule, adaptive, graded, surrogate
from sim.unroll import potentials

LINEAR = RateUnit(activation="identity", leak=0.6)
FEEDBACK = frozenset({"lateral", "top-down"})


def answer(network, images, **settings):
    return potentials(network.circuit(), network.frames(images), **settings)


def gradient(network, images, **settings):
    images = images.clone().requires_grad_()
    answer(network, images, **settings).mean(0).square().sum().backward()
    return images.grad


@pytest.fixture
def images():
    return torch.rand((3, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("shape", ["atan", "sigmoid", "triangle", "rectangle"])
@pytest.mark.parametrize("slope", [0.5, 3.0])
def test_derivatives_are_those_of_a_step_of_one(shape, slope):
    density = lambda x: float(DERIVATIVES[shape](torch.tensor(x), slope))  # noqa: E731
    inner, _ = quad(density, -3 / slope, 3 / slope, points=[-1 / slope, 0, 1 / slope], limit=200)
    tails = 2 * quad(density, 3 / slope, float("inf"))[0] if shape in ("atan", "sigmoid") else 0
    assert inner + tails == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("shape", ["fast_sigmoid", "atan", "sigmoid"])
@pytest.mark.parametrize("slope", [0.5, 2.0, 10.0])
def test_derivatives_are_snntorchs(shape, slope):
    above = torch.linspace(-2, 2, 41, requires_grad=True)
    getattr(snntorchs, shape)(slope)(above).sum().backward()
    torch.testing.assert_close(DERIVATIVES[shape](above.detach(), slope), above.grad)


def test_sigmoid_stays_finite_far_below_threshold():
    """snnTorch's own answers inf / inf there."""
    above = torch.tensor([-40.0, 40.0], requires_grad=True)
    snntorchs.sigmoid(25)(above).sum().backward()
    assert above.grad.isnan().any()
    assert DERIVATIVES["sigmoid"](above.detach(), 25).tolist() == [0, 0]


@pytest.mark.parametrize("shape", DERIVATIVES)
def test_other_surrogates_change_the_gradient_alone(loops, drawn, images, shape):
    network = drawn(loops(SpikingUnit(threshold=0.3)), 0, 3.0)
    plain = answer(network, images)
    for fire in (surrogate(shape, 3.0), adaptive(shape, 1.0)):
        rule = Rule(fire)
        assert torch.equal(answer(network, images, rule=rule), plain)
        found = gradient(network, images, rule=rule)
        assert found.isfinite().all()
        assert not torch.equal(found, gradient(network, images))


def test_the_surrogate_of_training_by_another_way(loops, drawn, images):
    unit = SpikingUnit(threshold=0.3, surrogate="atan", slope=4)
    network = drawn(loops(unit), 0, 3.0)
    torch.testing.assert_close(
        gradient(network, images, rule=Rule(surrogate("atan", 4))),
        gradient(network, images),
        rtol=1e-5,  # snnTorch answers in float32
        atol=1e-7,
    )


def test_adaptive_slopes_depend_on_an_image_alone(loops, drawn, images):
    network = drawn(loops(SpikingUnit(threshold=0.3)), 0, 3.0)
    rule = Rule(adaptive("triangle", 1.0))
    together = gradient(network, images, rule=rule)
    alone = torch.cat([gradient(network, each[None], rule=rule) for each in images])
    torch.testing.assert_close(together, alone)


def test_a_smooth_twin_has_its_true_gradient_and_nears_the_spikes(loops, drawn, images):
    network = drawn(loops(SpikingUnit(threshold=0.3)), 0, 3.0)
    smooth = lambda x: answer(network, x, rule=Rule(graded(4.0), resets=True)).mean(0)  # noqa: E731
    assert torch.autograd.gradcheck(smooth, images.clone().requires_grad_())
    far = [
        (answer(network, images, rule=Rule(graded(slope))) - answer(network, images)).abs().max()
        for slope in (1.0, 1e6)
    ]
    assert far[1] < 1e-6 < far[0]


def test_blocked_feedback_leaves_the_feedforward_gradient(loops, drawn, images):
    """In a linear network the gradient does not depend on the state."""
    network = drawn(loops(LINEAR), 0, 1.0)
    values = dict(network.values.items())
    for p in network.wiring.projections:
        if p.kind in FEEDBACK:
            values[f"weight/{p.name}"] = torch.zeros_like(values[f"weight/{p.name}"])
    cut = Network(network.wiring, values)

    def jacobian(model, rule):
        return torch.autograd.functional.jacobian(
            lambda x: answer(model, x, rule=rule).mean(0).sum(0), images
        )

    blocked = PLAIN._replace(blocked=FEEDBACK)
    torch.testing.assert_close(jacobian(network, blocked), jacobian(cut, PLAIN))
    assert not torch.allclose(jacobian(network, PLAIN), jacobian(cut, PLAIN))
    assert torch.equal(answer(network, images, rule=blocked), answer(network, images))


def test_membranes_that_hand_on_nothing(wire, weighted):
    """One leaky unit: with memory sum k (1 - k)^i, without it k, of each frame that it sees."""
    network = weighted(wire({"a": (1, LINEAR)}, {"input>a": 1, "a>output": 1}, 6),
                       {"input>a": [[2.0]], "a>output": [[3.0]]})  # fmt: skip
    network.wiring = network.wiring.replace(readout="last")
    x = torch.tensor([[0.5]], dtype=torch.float64)
    slope = lambda rule: torch.autograd.functional.jacobian(  # noqa: E731
        lambda x: answer(network, x, rule=rule)[-1].sum(), x
    ).item()
    k = LINEAR.leak
    assert slope(PLAIN) == pytest.approx(6 * sum(k * (1 - k) ** i for i in range(4)))
    assert slope(PLAIN._replace(carries=False)) == pytest.approx(6 * k)


def test_truncation_forgets_what_was_shown_before(loops, drawn):
    network = drawn(loops(LINEAR, 10).replace(readout="last"), 0, 1.0)
    movie = torch.rand((10, 2, 3), dtype=torch.float64, requires_grad=True)
    full, part = (
        torch.autograd.grad(potentials(network.circuit(), list(movie), cut=cut).sum(), movie)[0]
        for cut in (0, 5)
    )
    assert full[:5].abs().amax((1, 2)).min() > 0
    assert (part[:5] == 0).all()
    torch.testing.assert_close(part[5:], full[5:])
