"""Exponents of an individual against matrix powers, and against a simulation in numpy."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from experiments.dynamics.sensitivity import sensitivity
from networks import Wiring, from_toml
from sim import Network
from sim.lyapunov import leading
from sim.parameters import weight_name
from sim.paths import Path, held, kick

Floats = NDArray[np.float64]

STEPS, FELT = 9, 2  # the output first feels an image at step 3
LEAK, BETA, THRESHOLD = 0.6, 0.8, 0.5
WEIGHTS = {
    "input>a": np.array([[1.0, 0.5], [-0.3, 1.0], [0.8, -0.6]]),
    "a>a": np.array([[0.9, 0.4, 0.0], [0.0, 0.6, -0.7], [0.5, 0.0, 0.3]]),
    "a>b": np.array([[0.7, -0.2, 0.9], [0.4, 0.8, 0.1]]),
    "b>a": np.array([[0.5, -0.4], [0.9, 0.2], [0.1, 0.6]]),
    "b>output": np.array([[1.0, -1.0], [0.5, 2.0]]),
}
BIAS = np.array([0.3, 0.1, 0.2, 0.25, 0.15, 0.0, 0.0])  # of a, b and the output
CLEAN = np.array([[0.2, 0.7], [0.6, 0.3], [0.4, 0.5]])
CHANGE = np.array([[0.1, -0.1], [-0.05, 0.2], [0.3, 0.3]])


def wired(unit: str) -> Wiring:
    return from_toml(
        f"""
        name = "small"
        steps = {STEPS}
        areas = [
          {{ name = "input", shape = [1, 1, 2], unit = {{ model = "input" }} }},
          {{ name = "a", shape = [3], unit = {unit} }},
          {{ name = "b", shape = [2], unit = {unit} }},
          {{ name = "output", shape = [2], unit = {{ model = "rate", activation = "identity" }} }},
        ]
        projections = [
          {{ source = "input", target = "a" }},
          {{ source = "a", target = "a", kind = "lateral" }},
          {{ source = "a", target = "b" }},
          {{ source = "b", target = "a", kind = "top-down" }},
          {{ source = "b", target = "output" }},
        ]
        """
    )


def network_of(unit: str) -> Network:
    wiring = wired(unit)
    values = {weight_name(p): torch.tensor(WEIGHTS[p.name]) for p in wiring.projections}
    parts = zip(("a", "b", "output"), np.split(BIAS, [3, 5]), strict=True)
    return Network(wiring, values | {f"bias/{name}": torch.tensor(part) for name, part in parts})


def measured(network: Network) -> xr.Dataset:
    clean, change = torch.from_numpy(CLEAN), torch.from_numpy(CHANGE)
    shape = (-1, 1, 1, 2)
    return sensitivity(
        network, clean.reshape(shape), (clean + change).reshape(shape), generator_of_tests()
    )


def generator_of_tests() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def unit_vectors(generator: torch.Generator, size: int) -> Floats:
    """One for each image, the next that the generator draws."""
    found: Floats = torch.randn((len(CLEAN), size), generator=generator, dtype=torch.float64)
    return (found / found.norm(dim=1, keepdim=True)).numpy()  # type: ignore[attr-defined,no-any-return]


def matrices() -> tuple[Floats, Floats]:
    """Of a linear network: from all potentials to the next ones, and from the image to them."""
    step, feed = np.zeros((7, 7)), np.zeros((7, 2))
    step[:5, :5] = (1 - LEAK) * np.eye(5)
    step[:3, :3] += LEAK * WEIGHTS["a>a"]
    step[:3, 3:5] = LEAK * WEIGHTS["b>a"]
    step[3:5, :3] = LEAK * WEIGHTS["a>b"]
    step[5:, 3:5] = WEIGHTS["b>output"]
    feed[:3] = LEAK * WEIGHTS["input>a"]
    return step, feed


def test_exponents_of_a_linear_network_are_those_of_its_matrix_powers() -> None:
    unit = f'{{ model = "rate", activation = "identity", leak = {LEAK} }}'
    found = measured(network_of(unit))
    step, feed = matrices()
    last, powers = STEPS - 1, [np.linalg.matrix_power(step, n) for n in range(STEPS)]
    response = sum(powers[:last]) @ feed  # of a change that is held
    chance = generator_of_tests()
    length = np.linalg.norm
    for name, direction in (("adversarial", CHANGE), ("random", unit_vectors(chance, 2))):
        grown = length(direction @ response.T, axis=1) / length(direction, axis=1)
        np.testing.assert_allclose(
            found["exponent"].sel(direction=name), np.log(grown) / last, rtol=1e-5
        )
    np.testing.assert_allclose(
        found["exponent"].sel(direction="leading"), np.log(length(response, 2)) / last, rtol=1e-5
    )
    unit_vectors(chance, 2)  # where the search for the leading direction started
    pushed = CHANGE @ (sum(powers[:FELT]) @ feed).T
    grow = powers[last - FELT]
    for name, direction in (("adversarial", pushed), ("random", unit_vectors(chance, 7))):
        grown = length(direction @ grow.T, axis=1) / length(direction, axis=1)
        np.testing.assert_allclose(
            found["state_exponent"].sel(direction=name), np.log(grown) / (last - FELT), rtol=1e-5
        )
    np.testing.assert_allclose(
        found["state_exponent"].sel(direction="leading"),
        np.log(length(grow, 2)) / (last - FELT),
        rtol=1e-3,
    )
    assert found["exponent"].attrs["method"] == "tangent"


def spiking(image: Floats, push: Floats | None = None) -> Floats:
    """Potentials (steps, unit) of the spiking network under one image, pushed at step ``FELT``."""
    u, out, rows = np.zeros(7), np.zeros(5), []
    shown = np.zeros(2)
    for t in range(STEPS):
        a, b = out[:3], out[3:]
        drive = BIAS + np.concatenate([
            WEIGHTS["input>a"] @ shown + WEIGHTS["a>a"] @ a + WEIGHTS["b>a"] @ b,
            WEIGHTS["a>b"] @ a,
            WEIGHTS["b>output"] @ b,
        ])  # fmt: skip
        u = drive + np.append(BETA * u[:5] - THRESHOLD * out, [0.0, 0.0])
        if t == FELT and push is not None:
            u = u + push
        out, shown = (u[:5] > THRESHOLD).astype(float), image
        rows.append(u)
    return np.stack(rows)


def test_exponents_of_a_spiking_network_are_differences_of_the_changes_own_size() -> None:
    network = network_of(f'{{ model = "lif", beta = {BETA}, threshold = {THRESHOLD} }}')
    found = measured(network)
    plain = np.stack([spiking(image) for image in CLEAN])
    chance, last = generator_of_tests(), STEPS - 1

    def leading_one(path: Path) -> Floats:
        along: Floats = leading(path, chance).flatten(1).numpy()
        return along

    def compared(
        name: str, directions: dict[str, Floats], size: float, steps: int,
        follow: Callable[[int, Floats], Floats],
    ) -> None:  # fmt: skip
        for direction, each in directions.items():
            moved = size * each / np.linalg.norm(each, axis=1, keepdims=True)
            end = np.stack([follow(at, by)[last] for at, by in enumerate(moved)])
            rate = np.log(np.linalg.norm(end - plain[:, last], axis=1) / size) / steps
            np.testing.assert_allclose(found[name].sel(direction=direction), rate, rtol=1e-5)

    images = torch.from_numpy(CLEAN).reshape(-1, 1, 1, 2)
    whole = {"adversarial": CHANGE, "random": unit_vectors(chance, 2)}
    whole["leading"] = leading_one(held(network, images))
    size = float(np.median(np.linalg.norm(CHANGE, axis=1)))
    compared("exponent", whole, size, last, lambda at, by: spiking(CLEAN[at] + by))

    changed = np.stack([spiking(image)[FELT] for image in CLEAN + CHANGE])
    pushed = {"adversarial": changed - plain[:, FELT], "random": unit_vectors(chance, 7)}
    pushed["leading"] = leading_one(kick(network, images, FELT))
    size = float(np.median(np.linalg.norm(pushed["adversarial"], axis=1)))
    compared("state_exponent", pushed, size, last - FELT, lambda at, by: spiking(CLEAN[at], by))
    assert found["exponent"].attrs["method"] == "finite difference"


def test_an_image_without_a_change_has_no_exponent_along_it() -> None:
    network = network_of('{ model = "rate", activation = "tanh" }')
    clean = torch.from_numpy(CLEAN).reshape(-1, 1, 1, 2)
    changed = clean.clone()
    changed[1:] += 0.1
    found = sensitivity(network, clean, changed, generator_of_tests())
    for name in ("exponent", "state_exponent"):
        along = found[name].sel(direction="adversarial")
        assert along.isnull().to_numpy().tolist() == [True, False, False]
        assert np.isfinite(found[name].sel(direction=["random", "leading"])).all()


def test_a_feedforward_network_forgets_a_push() -> None:
    from networks.derive import without

    network = network_of('{ model = "rate", activation = "tanh" }')
    bare = without(without(network.wiring, "lateral"), "top-down")
    kept = {weight_name(p) for p in bare.projections} | {f"bias/{a.name}" for a in bare.areas}
    cut = Network(bare, {n: v.detach() for n, v in network.values.items() if n in kept})
    clean = torch.from_numpy(CLEAN).reshape(-1, 1, 1, 2)
    found = sensitivity(cut, clean, clean + 0.1, generator_of_tests())["state_exponent"]
    assert (found.sel(direction=["adversarial", "random"]) == -np.inf).all()
    assert found.sel(direction="leading").isnull().all()
