"""What mathematics says in closed form about single units and linear loops."""

from math import ceil, floor, log

import numpy as np
import pytest
import torch

from networks import RateUnit, SpikingUnit

CHAIN = {"input>a": 1, "a>output": 1}


def constant(value=1.0):
    return torch.tensor([[value]], dtype=torch.float64)


@pytest.mark.parametrize("leak", [0.05, 0.3, 1.0])
def test_leaky_integrator_approaches_its_drive(simulator, wire, weighted, leak):
    wiring = wire({"a": (1, RateUnit(leak=leak))}, CHAIN, steps=40)
    found = simulator(weighted(wiring, {"input>a": 1.7, "a>output": 1}), constant())
    t = np.arange(40)
    np.testing.assert_allclose(found["a.potential"][:, 0, 0], 1.7 * (1 - (1 - leak) ** t))


@pytest.mark.parametrize(("beta", "threshold"), [(0.9, 1.0), (0.5, 0.4), (0.97, 2.5)])
def test_first_spike(simulator, wire, weighted, beta, threshold):
    """u[t] = I (1 - beta^t) / (1 - beta) until the first spike; too weak a current never fires."""
    rheobase = threshold * (1 - beta)
    currents = np.array([0.5, 0.99, 1.05, 1.3, 2.1, 4.7, 33.0]) * rheobase
    unit = SpikingUnit(beta=beta, threshold=threshold)
    wiring = wire({"a": (len(currents), unit)}, CHAIN, steps=150)
    network = weighted(wiring, {"input>a": currents, "a>output": currents})
    spikes = simulator(network, constant())["a.output"].values[:, 0]
    assert not spikes[:, currents <= rheobase].any()
    for current, train in zip(currents[2:], spikes.T[2:], strict=True):
        expected = floor(log(1 - rheobase / current) / log(beta)) + 1
        assert np.flatnonzero(train)[0] == expected


def test_firing_rate_without_leak(simulator, wire, weighted):
    """A perfect integrator fires ceil(I t / threshold) - 1 times up to t, for I < threshold."""
    currents = np.sqrt([0.013, 0.11, 0.37, 0.59, 0.83])
    unit = SpikingUnit(beta=1 - 1e-13, threshold=1.0)
    wiring = wire({"a": (len(currents), unit)}, CHAIN, steps=200)
    network = weighted(wiring, {"input>a": currents, "a>output": currents})
    counts = simulator(network, constant())["a.output"].values[:, 0].cumsum(0)
    expected = [[max(0, ceil(c * t) - 1) for c in currents] for t in range(200)]
    np.testing.assert_array_equal(counts, expected)


def test_firing_rate_with_leak(simulator, wire, weighted):
    """Driven so that it fires every step, the membrane settles at (I - threshold) / (1 - beta)."""
    wiring = wire({"a": (1, SpikingUnit(beta=0.6, threshold=0.5))}, CHAIN, steps=80)
    found = simulator(weighted(wiring, {"input>a": 0.9, "a>output": 1}), constant())
    assert found["a.output"][1:].min() == 1
    assert found["a.potential"][-1, 0, 0] == pytest.approx((0.9 - 0.5) / (1 - 0.6))


@pytest.mark.parametrize("leak", [0.4, 1.0])
def test_linear_loop_settles_where_algebra_says(simulator, drawn, loops, leak):
    """The fixed point of u = W u + W_in x + b over both areas, with any delays."""
    wiring = loops(RateUnit(activation="identity", leak=leak), steps=400)
    network = drawn(wiring, seed=5, scale=0.4)
    w = {p.name: network.values[f"weight/{p.name}"].detach().numpy() for p in wiring.projections}
    bias = {a: network.values[f"bias/{a}"].detach().numpy() for a in ("a", "b", "output")}
    x = np.array([0.2, 0.9, 0.4])
    loop = np.block([[w["a>a"], w["b>a"]], [w["a>b"], w["b>b"]]])
    drive = np.concatenate([w["input>a"] @ x + bias["a"], bias["b"]])
    settled = np.linalg.solve(np.eye(8) - loop, drive)
    found = simulator(network, torch.tensor(x[None]))
    np.testing.assert_allclose(found["a.potential"][-1, 0], settled[:4], rtol=1e-9)
    np.testing.assert_allclose(found["b.potential"][-1, 0], settled[4:], rtol=1e-9)
    answer = w["a>output"] @ settled[:4] + w["b>output"] @ settled[4:] + bias["output"]
    np.testing.assert_allclose(found["output.potential"][-1, 0], answer, rtol=1e-9)


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_answer_of_a_ramp(simulator, wire, weighted, readout):
    """An integrating output, u[t] = 1 - 2^-(t-1): its mean from step 2 on, or its last value."""
    wiring = wire({"a": (1, RateUnit(activation="identity"))}, CHAIN, steps=6, readout=readout)
    slow = wiring.area("output").model_copy(
        update={"unit": RateUnit(activation="identity", leak=0.5)}
    )
    wiring = wiring.replace(areas=(*wiring.areas[:-1], slow))
    network = weighted(wiring, {"input>a": 1, "a>output": 1})
    ramp = [1 - 0.5 ** (t - 1) for t in range(2, 6)]
    expected = np.mean(ramp) if readout == "mean" else ramp[-1]
    assert simulator(network, constant())["logits"].item() == pytest.approx(expected)
    assert network(constant()).item() == pytest.approx(expected)
