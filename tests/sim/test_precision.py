"""Products with fewer digits, and that networks of all kinds are run and trained with them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from networks import BlindspotsError, wiring_named
from sim import Network
from sim.population import Population
from sim.precision import ENVIRONMENT, precision, product


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bits(x: Tensor, kept: int) -> Tensor:
    """Rounded to so many significant bits, by mantissa and exponent."""
    mantissa, exponent = np.frexp(x.double().numpy())
    return torch.from_numpy(np.ldexp(np.round(mantissa * 2**kept) / 2**kept, exponent))


@pytest.mark.parametrize(("named", "kept"), [("tf32", 11), ("bf16", 8)])
def test_operands_and_those_of_the_derivative_are_rounded(
    named: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, named)
    a, b, by = drawn(3, 5), drawn(5, 4, seed=1), drawn(3, 4, seed=2)
    given = [a.requires_grad_(), b.requires_grad_()]
    found = product(*given)
    gradients = torch.autograd.grad(found, given, by)
    x, y, g = (bits(each.detach(), kept) for each in (a, b, by))
    close = {"rtol": 2**-8 if named == "bf16" else 1e-6, "atol": 1e-6}  # bf16: of what comes out
    for one, other in zip((found, *gradients), (x @ y, g @ y.T, x.T @ g), strict=True):
        torch.testing.assert_close(one.double(), other, **close)
    exact = a.double() @ b.double()
    assert 2.0 ** -(kept + 4) < float((found - exact).detach().abs().max()) < 2.0 ** -(kept - 4)


def test_numbers_in_float64_are_multiplied_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "bf16")
    a, b = drawn(3, 5).double(), drawn(5, 4).double()
    assert torch.equal(product(a, b), a @ b)


@pytest.mark.parametrize("name", ["fc-blt-spiking", "FC100-100-10"])
def test_networks_are_run_and_learn_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone and together; the fewer the digits, the farther from the exact answer."""
    networks = [Network.initial(wiring_named(name), seed) for seed in (0, 1)]
    images = drawn(2, 16, 1, 28, 28).abs().clamp(0, 1)
    exact, far = taken(networks, images), []
    for named in ("tf32", "bf16"):
        monkeypatch.setenv(ENVIRONMENT, named)
        pairs = zip(taken(networks, images), exact, strict=True)
        far.append([float((one - other).norm() / other.norm()) for one, other in pairs])
    assert 0 < far[0][0] < far[1][0] < 0.3
    assert all(each > 0 for each in far[0])


def taken(networks: list[Network], images: Tensor) -> list[Tensor]:
    """Logits of both networks, and gradients by their weights: one by one, and together."""
    alone = torch.stack([one(x) for one, x in zip(networks, images, strict=True)])
    values = [value for one in networks for value in one.values.values()]
    population = Population(networks)
    together, stacked = population(images), list(population.values.values())
    return [
        *(alone.detach(), *torch.autograd.grad(alone.logsumexp(2).sum(), values)),
        *(together.detach(), *torch.autograd.grad(together.logsumexp(2).sum(), stacked)),
    ]


def test_an_unknown_precision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "int8")
    with pytest.raises(BlindspotsError, match="int8 names no precision; give one of float32, tf32"):
        precision()
