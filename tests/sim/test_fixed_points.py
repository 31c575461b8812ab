"""Fixed points against roots found by bisection, linear algebra, and networks left to settle."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from networks import BlindspotsError, RateUnit, wiring_named
from sim import Network, run
from sim.fixed_points import slow_points, visited
from sim.flow import Flow

DARK = torch.zeros((1, 1), dtype=torch.float64)


def scalar(wire, weighted, unit, w, delay=1, bias=0.0):
    wiring = wire({"a": (1, unit)}, {"input>a": 1, "a>a": delay, "a>output": 1}, steps=10)
    return weighted(wiring, {"input>a": 0, "a>a": w, "a": bias, "a>output": 0})


def from_a(values):
    """Starts with these potentials of the only unit of a, and 0 of the output."""
    return torch.tensor([[[value, 0.0]] for value in values], dtype=torch.float64)


def moduli(points):
    return np.hypot(points["eigenvalue_real"], points["eigenvalue_imag"])


@pytest.mark.parametrize("leak", [1.0, 0.25])
@pytest.mark.parametrize("delay", [1, 3])
def test_the_three_points_of_a_bistable_unit(wire, weighted, leak, delay):
    """u = w tanh(u): 0 is a saddle, +-u* are stable; lambda^d or the delayed polynomial's roots."""
    network = scalar(wire, weighted, RateUnit(activation="tanh", leak=leak), w=2.0, delay=delay)
    found = slow_points(network, DARK, from_a([-3, -0.4, 0.1, 0.05, 1.5, 2.5]))
    up = brentq(lambda u: 2 * np.tanh(u) - u, 1, 3)
    order = np.argsort(found["a.potential"].values[:, 0])
    np.testing.assert_allclose(found["a.potential"].values[order, 0], [-up, 0, up], atol=1e-6)
    assert found["fixed"].all()
    assert found["stable"].values[order].tolist() == [True, False, True]
    assert int(found["starts"].sum()) == 6
    for u, largest in zip([-up, 0, up], moduli(found)[order, 0], strict=True):
        slope = leak * 2 * (1 - np.tanh(u) ** 2)
        # lambda^d = (1 - k) lambda^(d-1) + k w f'
        polynomial = np.zeros(delay + 1)
        polynomial[:2] = 1, -(1 - leak)
        polynomial[delay] -= slope
        roots = np.roots(polynomial)
        assert largest == pytest.approx(np.abs(roots).max(), abs=1e-6)


def test_a_linear_spiral(wire, weighted):
    """u = R u + b with R a rotation by 1 rad, shrunk to 0.9: one point, eigenvalues 0.9 e^+-i."""
    turn = 0.9 * np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    arrows = {"input>a": 1, "a>a": 1, "a>output": 1}
    wiring = wire({"a": (2, RateUnit(activation="identity"))}, arrows, steps=5)
    values = {"input>a": [1, 2], "a>a": turn, "a": [0.3, -0.1], "a>output": [1, 1]}
    network = weighted(wiring, values)
    images = torch.tensor([[0.0], [0.5]], dtype=torch.float64)
    starts = torch.randn((4, 2, 3), generator=torch.Generator().manual_seed(0))
    found = slow_points(network, images, starts, modes=5)
    assert found["image"].values.tolist() == [0, 1]
    assert found["starts"].values.tolist() == [4, 4]
    for image, x in enumerate((0.0, 0.5)):
        expected = np.linalg.solve(np.eye(2) - turn, [0.3 + x, -0.1 + 2 * x])
        np.testing.assert_allclose(found["a.potential"][image], expected, atol=1e-7)
        assert found["output.potential"][image, 0] == pytest.approx(expected.sum(), abs=1e-6)
    values = found["eigenvalue_real"].values + 1j * found["eigenvalue_imag"].values
    np.testing.assert_allclose(np.sort(np.angle(values[0, :2])), [-1, 1], atol=1e-7)
    np.testing.assert_allclose(np.abs(values[0, :2]), 0.9, atol=1e-7)
    assert np.isnan(values[:, 3:]).all()
    assert found["stable"].all()


def test_a_slow_point_is_not_fixed(wire, weighted):
    """w tanh(u) + b with b just above the fold: slowest where it passes between u and its image."""
    w, margin = 2.0, 0.02
    fold = np.arccosh(np.sqrt(w))  # w f'(u) = 1
    bias = -(w * np.tanh(-fold) + fold) + margin
    network = scalar(wire, weighted, RateUnit(activation="tanh"), w, bias=bias)
    found = slow_points(network, DARK, from_a([-fold + 0.05]))
    assert not found["fixed"].any()
    assert found["a.potential"][0, 0] == pytest.approx(-fold, abs=1e-4)
    assert found["slope"][0] < 1e-6
    assert found["speed"][0] == pytest.approx(margin**2 / 2, rel=1e-3)


def test_where_a_recurrent_network_settles():
    network = Network.initial(wiring_named("fc-blt"), 0)
    images = torch.rand((2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    starts = visited(network.wiring, run(network, images))[[0, -1]]
    assert starts.shape == (2, 2, 266)
    found = slow_points(network, images, starts)
    assert found["image"].values.tolist() == [0, 1]
    assert found["fixed"].all()
    assert found["stable"].all()
    flow = Flow(network, images)
    z = flow.reached()[1]
    for _ in range(100):
        z = flow(z)
    settled = np.concatenate([found[f"{a}.potential"] for a in ("h1", "h2", "output")], axis=1)
    np.testing.assert_allclose(settled, flow.potentials(z), atol=1e-5)


def test_without_a_matrix_the_points_and_eigenvalues_are_the_same(wire, weighted, monkeypatch):
    """Large networks multiply with the derivative alone; a small one can be asked both ways.

    The points are held against the steady state of the linear network that has the same weights,
    too, and its leading eigenvalues against those of the weights.
    """
    size, rng = 12, np.random.default_rng(3)
    recurrent = rng.normal(0, 0.5 / np.sqrt(size), (size, size))
    bias = rng.normal(0, 0.3, size)
    arrows = {"input>a": 1, "a>a": 1, "a>output": 1}
    values = {"input>a": rng.normal(size=size), "a>a": recurrent, "a": bias, "a>output": 1 + bias}
    starts = torch.zeros((1, 1, size + 1))
    image = torch.tensor([[0.7]], dtype=torch.float64)
    for activation in ("identity", "tanh"):
        unit = RateUnit(activation=activation)
        network = weighted(wire({"a": (size, unit)}, arrows, steps=5), values)
        found = []
        for whole in (1500, 0):
            monkeypatch.setattr("sim.fixed_points.WHOLE", whole)
            found.append(slow_points(network, image, starts, modes=4))
        dense, free = found
        assert bool(free["fixed"].all())
        assert bool(free["stable"].all())
        np.testing.assert_allclose(free["a.potential"], dense["a.potential"], atol=1e-5)
        np.testing.assert_allclose(moduli(free), moduli(dense), atol=1e-5)
        if activation == "identity":
            at_rest = np.linalg.solve(np.eye(size) - recurrent, 0.7 * values["input>a"] + bias)
            np.testing.assert_allclose(free["a.potential"][0], at_rest, atol=1e-5)
            leading = np.sort(np.abs(np.linalg.eigvals(recurrent)))[::-1][:4]
            np.testing.assert_allclose(moduli(free)[0], leading, atol=1e-8)


def test_starts_that_do_not_fit_are_refused():
    network = Network.initial(wiring_named("fc-blt"), 0)
    images = torch.zeros((3, 1, 28, 28))
    with pytest.raises(BlindspotsError, match=r"shape \(starts, 3, 266\), not \(2, 3, 5\)"):
        slow_points(network, images, torch.zeros((2, 3, 5)))
    spiking = Network.initial(wiring_named("fc-blt-spiking"), 0)
    with pytest.raises(BlindspotsError, match="take its rate twin"):
        slow_points(spiking, images, torch.zeros((1, 3, 266)))
