"""Exponents against matrix powers, closed forms, and finite differences of a numpy simulation."""

import numpy as np
import pytest
import torch

from networks import BlindspotsError, Poisson, RateUnit, SpikingUnit, wiring_named
from networks.derive import coded
from sim import Network, lyapunov, run
from sim.lyapunov import difference, exponents, growth, leading, spectrum, tangent
from sim.paths import held, kick

W = np.array([[0.9, 0.3, 0.0], [0.0, 0.5, -0.4], [0.2, 0.0, 0.7]])
IN = np.array([[1.0, 0.5], [0.0, 1.0], [-1.0, 2.0]])
READ = np.array([[1.0, -1.0, 0.5]])


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def linear(wire, weighted):
    """Three linear units in a loop of one step, by leak; ``matrix`` maps all potentials."""

    def build(leak=1.0, steps=12):
        unit = RateUnit(activation="identity", leak=leak)
        wiring = wire({"a": (3, unit)}, {"input>a": 1, "a>a": 1, "a>output": 1}, steps, inputs=2)
        network = weighted(wiring, {"input>a": IN, "a>a": W, "a>output": READ})
        loop = (1 - leak) * np.eye(3) + leak * W
        matrix = np.block([[loop, np.zeros((3, 1))], [READ, np.zeros((1, 1))]])
        return network, matrix

    return build


@pytest.fixture(scope="module")
def images():
    return torch.tensor([[0.2, 0.8], [0.5, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize("leak", [1.0, 0.3])
def test_spectrum_of_a_linear_network_is_that_of_its_powers(linear, images, leak):
    """The first j exponents sum to the growth of the volume that j drawn vectors span."""
    network, matrix = linear(leak)
    found = spectrum(network, images, chance(), exponents=3, steps=6)
    assert found.dims == ("exponent", "image")
    start = torch.randn(2, 4, 3, generator=chance(), dtype=torch.float64).numpy()
    for image in range(2):
        q = np.linalg.qr(start[image])[0]
        grown = np.linalg.matrix_power(matrix, 6) @ q
        for j in (1, 2, 3):
            volume = np.sqrt(np.linalg.det(grown[:, :j].T @ grown[:, :j]))
            assert 6 * float(found[:j, image].sum()) == pytest.approx(np.log(volume), abs=1e-8)


def test_over_many_steps_they_are_the_eigenvalues(linear, images):
    network, _ = linear()
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(W))))[::-1]
    found = spectrum(network, images, chance(), exponents=3, settle=40, steps=80)
    np.testing.assert_allclose(found[:, 0], expected, atol=0.03)


def test_a_scalar_map(wire, weighted):
    """u[t] = w tanh(u[t-1]) + b has the mean of ln |w (1 - tanh^2)| along its orbit."""
    w, b, steps = -2.5, 0.7, 20
    unit = RateUnit(activation="tanh")
    wiring = wire({"a": (1, unit)}, {"input>a": 1, "a>a": 1, "a>output": 1}, steps=steps)
    network = weighted(wiring, {"input>a": 0, "a>a": w, "a": b, "a>output": 0})
    orbit = [b]
    for _ in range(steps - 1):
        orbit.append(w * np.tanh(orbit[-1]) + b)
    rates = np.log(np.abs(w * (1 - np.tanh(orbit) ** 2)))
    dark = torch.zeros((1, 1), dtype=torch.float64)
    found = spectrum(network, dark, chance(), exponents=1, settle=1)
    first = found.attrs["first_step"]
    assert (first, found.attrs["steps"]) == (3, 16)  # by 3 the drawn vector points along a alone
    assert found[0, 0] == pytest.approx(rates[3:19].mean(), abs=1e-9)


def test_a_loop_of_three_steps(wire, weighted):
    """u[t] = .6 u[t-3] has three exponents, all ln(.6) / 3."""
    arrows = {"input>a": 1, "a>a": 3, "a>output": 1}
    slow = wire({"a": (1, RateUnit(activation="identity"))}, arrows, steps=9)
    dark = torch.zeros((1, 1), dtype=torch.float64)
    thrice = weighted(slow, {"input>a": 0, "a>a": 0.6, "a>output": 1})
    roots = spectrum(thrice, dark, chance(), exponents=3, settle=3, steps=60)
    np.testing.assert_allclose(roots[:, 0], np.log(0.6) / 3, atol=0.05)


@pytest.mark.parametrize("along", [tangent, difference(0.01)])
def test_a_kick_of_a_linear_network_grows_by_its_powers(linear, images, along):
    network, matrix = linear()
    path = kick(network, images, at=4)
    push = torch.tensor([[1.0, 0, 0, 0], [0.5, 2, 1, 3]]).double()
    grown = growth(path, {"a push": push}, along)
    assert grown.dims == ("direction", "time", "image")
    assert grown["time"].values.tolist() == list(range(4, 12))
    for image in range(2):
        vectors = [np.linalg.matrix_power(matrix, n) @ push[image].numpy() for n in range(8)]
        norms = np.linalg.norm(vectors, axis=1)
        np.testing.assert_allclose(grown[0, :, image], np.log(norms / norms[0]), atol=1e-9)
        rate = exponents(grown).sel(direction="a push")[image]
        assert rate == pytest.approx(np.log(norms[7] / norms[0]) / 7)


def test_a_held_change_accumulates(linear, images):
    """du[t] = sum of M^i W_in dx: and the leading direction is the first singular vector."""
    network, matrix = linear()
    path = held(network, images)
    fed = np.vstack([IN, np.zeros((1, 2))])
    sums = [np.zeros((4, 2))]
    for _ in range(11):
        sums.append(matrix @ sums[-1] + fed)
    change = torch.tensor([[0.6, -0.8], [0.0, 2.0]]).double()
    grown = growth(path, {"change": change, "leading": leading(path, chance(), 50)})
    for t, total in enumerate(sums):
        moved = np.linalg.norm(
            total @ (change / change.norm(dim=1, keepdim=True)).numpy().T, axis=0
        )
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(grown.sel(direction="change")[t], np.log(moved), atol=1e-9)
    largest = np.log(np.linalg.svd(sums[-1])[1][0])
    np.testing.assert_allclose(grown.sel(direction="leading")[-1], largest, atol=1e-6)
    # exponents count from the first step that was reached
    one = grown.sel(direction="change")
    rate = exponents(grown).sel(direction="change")
    np.testing.assert_allclose(rate, (one[11] - one[1]) / 10)


@pytest.mark.parametrize("unit", [RateUnit(activation="tanh", leak=0.4), RateUnit()])
def test_tangents_are_differences_of_another_simulation(loops, drawn, unit, by_equations):
    wiring = loops(unit)
    network = drawn(wiring, seed=4, scale=1.5)
    images = torch.rand((3, 3), generator=chance(1), dtype=torch.float64)
    change = torch.randn((3, 3), generator=chance(2), dtype=torch.float64)
    change /= change.norm(dim=1, keepdim=True)
    found = growth(held(network, images), {"change": change})[0]

    def potentials(shown):
        traces = by_equations(network, np.stack([shown.numpy()] * wiring.steps))
        return np.concatenate([traces[f"{a}.potential"] for a in ("a", "b", "output")], axis=2)

    size = 1e-6
    moved = (potentials(images + size * change) - potentials(images - size * change)) / (2 * size)
    with np.errstate(divide="ignore"):
        expected = np.log(np.linalg.norm(moved, axis=2))
    np.testing.assert_allclose(found, expected, atol=1e-5)


BETA = 0.8


@pytest.fixture(scope="module")
def pair(wire, weighted):
    """Two spiking units that drive each other; the first is close to its threshold."""
    arrows = {"input>a": 1, "a>a": 1, "a>output": 1}
    wiring = wire({"a": (2, SpikingUnit(beta=BETA, threshold=1.0))}, arrows, steps=5)
    return weighted(
        wiring, {"input>a": [0, 0], "a>a": [[0, 0.5], [0.4, 0]], "a": [0.5, 0], "a>output": [1, 1]}
    )


def test_between_spikes_membranes_forget_at_their_leak(pair):
    dark = torch.zeros((1, 1), dtype=torch.float64)
    path = kick(pair, dark, at=1)
    push = {"first": torch.tensor([[0.3, 0, 0]]).double()}
    for along in (tangent, difference(1e-6)):
        grown = growth(path, push, along)
        np.testing.assert_allclose(grown[0, :, 0], np.arange(4) * np.log(BETA), atol=1e-9)
        assert exponents(grown)[0, 0] == pytest.approx(np.log(BETA))


def test_a_difference_that_adds_a_spike_by_hand(pair):
    """u = .9 at step 1; pushed by .2 it fires: du[2] = (.8 * .2 - 1, .4, 1), reset and sent on."""
    dark = torch.zeros((1, 1), dtype=torch.float64)
    assert run(pair, dark)["a.potential"].values[1, 0].tolist() == [0.9, 0.0]
    path = kick(pair, dark, at=1)
    grown = growth(path, {"first": torch.tensor([[1.0, 0, 0]]).double()}, difference(0.2))
    np.testing.assert_allclose(grown[0, 0, 0], 0, atol=1e-12)
    moved = np.linalg.norm([0.8 * 0.2 - 1, 0.4, 1.0])
    np.testing.assert_allclose(grown[0, 1, 0], np.log(moved / 0.2), atol=1e-9)


def test_the_surrogate_leads_spiking_networks_further_than_chance():
    network = Network.initial(wiring_named("fc-blt-spiking"), 0)
    for value in network.values.values():
        value.data *= 2
    images = torch.rand((4, 1, 28, 28), generator=chance())
    path = held(network, images)
    towards = {"random": lyapunov.drawn(path, chance(1)), "leading": leading(path, chance(1), 5)}
    np.testing.assert_allclose(towards["leading"].flatten(1).norm(dim=1), 1)
    for along in (tangent, difference(1.0)):
        last = growth(path, towards, along)[:, -1]
        assert (last.sel(direction="leading") > last.sel(direction="random")).all()


def test_without_loops_nothing_is_remembered():
    network = Network.initial(wiring_named("fc-b"), 0)
    images = torch.rand((2, 1, 28, 28), generator=chance())
    assert (spectrum(network, images, chance(), exponents=8, settle=3, steps=2) == -np.inf).all()
    still = growth(held(network, images), {"none": torch.zeros_like(images)})
    assert still.isnull().all()
    assert exponents(still).isnull().all()


def test_what_cannot_be_measured_is_refused(linear, images):
    spiking = Network.initial(wiring_named("fc-blt-spiking"), 0)
    shown = torch.rand((2, 1, 28, 28), generator=chance())
    with pytest.raises(BlindspotsError, match="spikes, so its step is no smooth map"):
        spectrum(spiking, shown, chance())
    network, _ = linear()
    with pytest.raises(BlindspotsError, match="changes from step to step"):
        spectrum(network, torch.rand((12, 2, 2), generator=chance()), chance(), exponents=1)
    with pytest.raises(BlindspotsError, match="has 4 exponents; give 1 to 4, not 5"):
        spectrum(network, images, chance())
    with pytest.raises(BlindspotsError, match="over 0 steps"):
        spectrum(network, images, chance(), exponents=1, steps=0)
    with pytest.raises(BlindspotsError, match="pushed at step 11: give one from 0 to 10"):
        kick(network, images, at=11)
    with pytest.raises(BlindspotsError, match="size 0 is none"):
        difference(0)
    by_chance = Network(
        coded(spiking.wiring, Poisson()), dict(spiking.values.items()), torch.Generator()
    )
    with pytest.raises(BlindspotsError, match="draw once and give the movie"):
        held(by_chance, shown)
    movie = torch.stack(list(by_chance.frames(shown)))
    assert np.isfinite(growth(held(by_chance, movie), {"up": torch.ones_like(shown)})[0, -1]).all()
