"""Patterns of connections: convolutions by explicit loops, masks, signs; probed from outside."""

import numpy as np
import pytest
import torch

from networks import Area, BlindspotsError, Convolution, Projection, RateUnit, SpikingUnit
from sim import Network
from sim.brian.connections import connected
from sim.parameters import initial_parameters, shapes
from sim.step import transmit


def correlate(x, w, stride):
    """The textbook sum, zero outside the grid: x (C, H, W), w (out, C, k, k)."""
    k, (_, high, wide) = w.shape[-1], x.shape
    out = np.zeros((len(w), -(-high // stride), -(-wide // stride)))
    for o, i, j in np.ndindex(*out.shape):
        for c, di, dj in np.ndindex(len(x), k, k):
            row, column = i * stride + di - k // 2, j * stride + dj - k // 2
            if 0 <= row < high and 0 <= column < wide:
                out[o, i, j] += w[o, c, di, dj] * x[c, row, column]
    return out


GEOMETRIES = [(k, s, side) for k in (1, 3, 5) for s in (1, 2, 3) for side in ((5, 5), (4, 7))]


@pytest.mark.parametrize(("kernel", "stride", "side"), GEOMETRIES)
def test_convolution_and_its_transpose(kernel, stride, side):
    rng = np.random.default_rng(kernel * stride)
    coarse = tuple(-(-s // stride) for s in side)
    x, y = rng.normal(size=(2, *side)), rng.normal(size=(3, *coarse))
    up = rng.normal(size=(3, 2, kernel, kernel))
    pattern = Convolution(kernel=kernel, stride=stride)
    forth = Projection(source="a", target="b", pattern=pattern)
    expected = correlate(x, up, stride)
    found = transmit(forth, torch.tensor(up), torch.tensor(x[None]), (3, *coarse))
    np.testing.assert_allclose(found[0], expected, atol=1e-12)

    back = Projection(
        source="b", target="a", pattern=Convolution(kernel=kernel, stride=stride, upward=False)
    )
    down = torch.tensor(up.swapaxes(0, 1).copy())  # the same kernels: (target, source, k, k)
    returned = transmit(back, down, torch.tensor(y[None]), (2, *side))
    assert returned.shape == (1, 2, *side)
    # <K x, y> = <x, K' y> for every x defines the transpose.
    basis = np.eye(x.size).reshape(-1, 2, *side)
    adjoint = [(correlate(e, up, stride) * y).sum() for e in basis]
    np.testing.assert_allclose(returned.flatten(), adjoint, atol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "side"), GEOMETRIES)
def test_a_convolution_as_single_connections(kernel, stride, side):
    """Their matrix sends every unit where the textbook sum sends it; back by the transpose."""
    rng = np.random.default_rng(kernel * stride)
    fine = Area(name="a", shape=(2, *side))
    coarse = Area(name="b", shape=(3, *(-(-s // stride) for s in side)))
    up = rng.normal(size=(3, 2, kernel, kernel))
    basis = np.eye(fine.size).reshape(-1, *fine.shape)
    expected = np.stack([correlate(e, up, stride).ravel() for e in basis], axis=1)

    def found(weight, source, target, **settings):
        pattern = Convolution(kernel=kernel, stride=stride, **settings)
        p = Projection(source=source.name, target=target.name, pattern=pattern)
        joined = connected(p, source, target, weight)
        matrix = np.zeros((target.size, source.size))
        np.add.at(matrix, (joined.targets, joined.sources), joined.weights)
        assert len(joined.weights) == np.count_nonzero(matrix)
        return matrix

    np.testing.assert_array_equal(found(up, fine, coarse), expected)
    down = up.swapaxes(0, 1).copy()
    np.testing.assert_array_equal(found(down, coarse, fine, upward=False), expected.T)


def effective(simulator, network):
    """The (b, a) weights that act, found by waking each unit of a by a pixel of its own."""
    size = network.wiring.area("a").size
    pixels = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()
    found = simulator(network, pixels.reshape(-1, *network.wiring.input.shape), record=["b"])
    drive = found["b.drive"].values[2]
    return (drive[1:] - drive[0]).T


def two_areas(wire, drawn, settings, seed, shape=4, **area):
    """a shows what the input shows; the projection of ``settings`` leads from it to b."""
    wiring = wire(
        {"a": (shape, RateUnit(), area), "b": (shape, SpikingUnit(), area)},
        {"input>a": {"pattern": {"model": "one-to-one"}}, "a>b": settings, "b>output": 1},
        steps=5,
        inputs=shape,
    )
    network = drawn(wiring, seed)
    network.values["weight/input>a"].data.fill_(1)
    network.values["bias/a"].data.zero_()
    return network


def images(network, count):
    return torch.ones((count, *network.wiring.input.shape), dtype=torch.float64)


FLAT_SIGNS = [
    ("excitatory", [1, 1, 1, 1]),
    ("inhibitory", [-1, -1, -1, -1]),
    ("dale", [1, 1, 1, -1]),
]


@pytest.mark.parametrize(("sign", "expected"), FLAT_SIGNS)
def test_signs_hold_and_survive_training(simulator, wire, drawn, sign, expected):
    network = two_areas(wire, drawn, {"sign": sign}, seed=2, excitatory=0.75)
    optimiser = torch.optim.SGD([network.values["weight/a>b"]], lr=3.0)
    for _ in range(3):
        weights = effective(simulator, network)
        assert (np.sign(weights) == expected).all()
        optimiser.zero_grad()
        network(images(network, 2)).pow(2).sum().backward()
        optimiser.step()


@pytest.mark.parametrize("pattern", ["dense", "one-to-one", "convolution"])
def test_a_unit_has_one_sign_in_all_its_projections(simulator, wire, drawn, pattern):
    """Of 3 channels with 6 units each half are excitatory: channels 0 and 1, by any pattern."""
    given = {"model": pattern} | ({"kernel": 3} if pattern == "convolution" else {})
    settings = {"sign": "dale", "pattern": given}
    network = two_areas(wire, drawn, settings, seed=0, shape=(3, 2, 3), excitatory=0.5)
    weights = effective(simulator, network)
    assert (weights[:, :12] >= 0).all()
    assert (weights[:, 12:] <= 0).all()
    assert (weights != 0).any(0).all()


def block(modules, size):
    return np.kron(np.eye(modules), np.ones((size // modules,) * 2)).astype(bool)


@pytest.mark.parametrize(
    ("settings", "shape", "expected"),
    [
        ({"modules": "within"}, 6, block(3, 6)),
        ({"modules": "between"}, 6, ~block(3, 6)),
        ({"modules": "within"}, (6, 1, 2), block(3, 12)),
        (
            {"modules": "between", "pattern": {"model": "convolution", "kernel": 1}},
            (3, 1, 2),
            np.kron(1 - np.eye(3), np.eye(2)).astype(bool),
        ),
    ],
)
def test_modules_limit_what_acts(simulator, wire, drawn, settings, shape, expected):
    network = two_areas(wire, drawn, settings, seed=3, shape=shape, modules=3)
    weights = effective(simulator, network)
    np.testing.assert_array_equal(weights != 0, expected)


@pytest.mark.parametrize(
    ("pattern", "shape", "count"),
    [
        ({"model": "sparse", "density": 0.3, "seed": 7}, 10, 30),
        ({"model": "convolution", "kernel": 3, "density": 0.25, "seed": 7}, (4, 2, 2), 4 * 16),
    ],
)
def test_sparse_weights_that_do_not_exist_neither_act_nor_learn(
    simulator, wire, drawn, pattern, shape, count
):
    """``count`` entries of the effective matrix act; all others have a gradient of exactly 0."""
    network = two_areas(wire, drawn, {"pattern": pattern}, seed=3, shape=shape)
    weights = effective(simulator, network)
    assert (weights != 0).sum() == count

    value = network.values["weight/a>b"]
    network(images(network, 3)).pow(2).sum().backward()
    gradient = value.grad.abs().reshape(*value.shape[:2], -1).sum(-1)
    with torch.no_grad():
        value[gradient == 0] = 77.0  # where nothing learns, nothing acts
    again = effective(simulator, network)
    unlearned = (gradient == 0).double().mean().item()
    assert unlearned >= 0.7
    np.testing.assert_array_equal(again != 0, weights != 0)
    masked = network.get_buffer_or_none("kept/weight/a>b").squeeze().numpy() == 0
    assert (value.grad.numpy()[masked] == 0).all()


def test_first_values_keep_to_their_bounds_and_their_seed(wire):
    """1 / sqrt(sources), half that for loops; equal for equal seeds."""
    arrows = {"input>a": 1, "a>output": 1, "a>a": 1}
    wiring = wire({"a": (64, RateUnit())}, arrows, steps=5, inputs=100, outputs=9)
    values = initial_parameters(wiring, torch.Generator().manual_seed(0))
    for name, bound in (("input>a", 1 / 10), ("a>output", 1 / 8), ("a>a", 1 / 16)):
        largest = values[f"weight/{name}"].abs().max().item()
        assert 0.9 * bound < largest <= bound
    same = Network.initial(wiring, seed=0)
    assert all(torch.equal(same.values[name], value) for name, value in values.items())
    other = Network.initial(wiring, seed=1)
    assert not torch.equal(other.values["weight/a>a"], values["weight/a>a"])


def test_parameters_that_do_not_fit_are_refused(wire):
    wiring = wire({"a": (2, RateUnit())}, {"input>a": 1, "a>output": 1}, steps=3)
    assert shapes(wiring) == {
        "weight/input>a": (2, 1),
        "weight/a>output": (1, 2),
        "bias/a": (2,),
        "bias/output": (1,),
    }
    good = {name: torch.zeros(shape) for name, shape in shapes(wiring).items()}
    Network(wiring, good)
    bad = good | {"weight/a>output": torch.zeros(2, 1)}
    with pytest.raises(BlindspotsError, match=r"'weight/a>output'.*\(2, 1\).*needs \(1, 2\)"):
        Network(wiring, bad)
    with pytest.raises(BlindspotsError, match="'weight/a>a' does not belong to 'small'"):
        Network(wiring, good | {"weight/a>a": torch.zeros(2, 2)})
    del good["bias/a"]
    with pytest.raises(BlindspotsError, match=r"'bias/a'.*has shape None.*needs \(2,\)"):
        Network(wiring, good)
