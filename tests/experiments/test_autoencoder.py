"""The first layer as a sparse autoencoder: what it learns, and that it is then left alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit, rel_entr
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from experiments.autoencoder import SPARSITY, divergence, first_layer, pretrain
from experiments.data.dataset import Dataset
from experiments.recipe import Recipe
from experiments.training import stream_of, train
from networks import (
    Area,
    BlindspotsError,
    InputUnit,
    Projection,
    RateUnit,
    Sparse,
    Wiring,
    wiring_named,
)
from sim import Network

INPUT = Area(name="input", shape=(1, 28, 28), unit=InputUnit())
OUTPUT = Area(name="output", shape=(10,), unit=RateUnit(activation="identity"))
SIGMOID = RateUnit(activation="sigmoid")


def narrow(*projections: Projection, unit: RateUnit = SIGMOID) -> Wiring:
    """784-16-10 with further projections, or others from the input."""
    return Wiring(
        name="narrow",
        areas=(INPUT, Area(name="h", shape=(16,), unit=unit), OUTPUT),
        projections=(Projection(source="h", target="output"), *projections),
        steps=3,
    )


NARROW = narrow(Projection(source="input", target="h"))


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def activities(network: Network, images: Tensor) -> np.ndarray:
    """The first layer's outputs, from its weights alone."""
    weight = network.values["weight/input>h"].detach().double().numpy()
    bias = network.values["bias/h"].detach().double().numpy()
    return expit(images.flatten(1).double().numpy() @ weight.T + bias)


def excess_of_redrawing(network: Network, images: Tensor) -> float:
    """Cross-entropy of the best linear decoder, above that of the images' own pixels.

    The best decoder of given activities is a convex problem, solved anew here.
    """
    hidden = torch.from_numpy(activities(network, images))
    design = torch.cat([hidden, torch.ones(len(hidden), 1, dtype=torch.float64)], 1)
    pixels = images.flatten(1).double()
    decoder = torch.zeros(design.shape[1], 784, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([decoder], max_iter=60, line_search_fn="strong_wolfe")

    def price() -> Tensor:
        solver.zero_grad()
        loss = binary_cross_entropy_with_logits(design @ decoder, pixels)
        loss.backward()
        return loss

    solver.step(price)
    floor = binary_cross_entropy(pixels, pixels)
    return float(price().detach() - floor)


def random_layer(images: Tensor, means: np.ndarray) -> Network:
    """An untrained first layer whose units are, by their biases, as active as asked for."""
    network = Network.initial(NARROW, 0)
    weight = network.values["weight/input>h"].detach().double()
    drives = (images.flatten(1).double() @ weight.T).numpy()
    biases = [
        brentq(lambda bias, drive, mean: expit(drive + bias).mean() - mean, -60, 60, (drive, mean))
        for drive, mean in zip(drives.T, means, strict=True)
    ]
    with torch.no_grad():
        network.values["bias/h"].copy_(torch.tensor(biases))
    return network


@pytest.fixture(scope="module")
def pretrained(digits: Dataset) -> Network:
    network = Network.initial(NARROW, 0)
    pretrain(network, digits.train.images, 100, chance())
    return network


def test_what_is_learnt_redraws_images_it_never_saw(pretrained: Network, digits: Dataset) -> None:
    """Better than random features that are as seldom active."""
    means = activities(pretrained, digits.train.images).mean(0)
    untrained = random_layer(digits.train.images, means)
    np.testing.assert_allclose(activities(untrained, digits.train.images).mean(0), means, rtol=1e-3)
    unseen = digits.test.images[:250]
    learnt = excess_of_redrawing(pretrained, unseen)
    assert 0 < learnt < 0.8 * excess_of_redrawing(untrained, unseen)


def test_units_are_seldom_active(pretrained: Network, digits: Dataset) -> None:
    """Mean activity comes near to what is wanted, and comes from far away."""
    before = activities(Network.initial(NARROW, 0), digits.train.images).mean(0)
    after = activities(pretrained, digits.train.images).mean(0)
    assert np.abs(before - SPARSITY).min() > 0.2
    assert np.abs(after - SPARSITY).max() < 0.05


def test_only_the_first_layer_learns(pretrained: Network) -> None:
    initial = Network.initial(NARROW, 0)
    changed = {k for k, v in pretrained.values.items() if not torch.equal(v, initial.values[k])}
    assert changed == {"weight/input>h", "bias/h"}


@pytest.mark.parametrize("activity", [0.01, 0.1, 0.5, 0.93])
def test_divergence_is_that_of_two_coins(activity: float) -> None:
    expected = rel_entr(SPARSITY, activity) + rel_entr(1 - SPARSITY, 1 - activity)
    found = divergence(torch.full((7,), activity, dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_dead_and_saturated_units_have_a_finite_price() -> None:
    assert torch.isfinite(divergence(torch.tensor([0.0, 1.0])))


def test_the_first_layer_is_fixed_while_the_rest_learns(digits: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, batch=100, rate=1e-2, autoencoder=3)
    trained, _ = train(NARROW, recipe, digits, 4, checkpoint=tmp_path)
    stream = stream_of(NARROW, 4)
    expected = Network.initial(NARROW, stream)
    pretrain(expected, digits.train.images, 3, torch.Generator().manual_seed(stream))
    for name in first_layer(NARROW):
        assert torch.equal(trained.values[name], expected.values[name])
    for name in ("weight/h>output", "bias/output"):
        assert not torch.equal(trained.values[name], expected.values[name])


def test_the_layer_is_named() -> None:
    assert first_layer(NARROW) == ("weight/input>h", "bias/h")
    assert first_layer(wiring_named("AE400-10")) == ("weight/input>h1", "bias/h1")


DENSE = Projection(source="input", target="h")
REFUSED = {
    "relu": narrow(DENSE, unit=RateUnit()),
    "sparse": narrow(Projection(source="input", target="h", pattern=Sparse(density=0.5))),
    "two ways": narrow(DENSE, Projection(source="input", target="output", kind="skip")),
    "convolution": wiring_named("conv-b"),
    "spiking": wiring_named("FC100-100-10-spiking"),
    "no hidden layer": wiring_named("FC10"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_other_first_layers_are_refused(why: str, digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BlindspotsError, match="sigmoid units, densely"):
        first_layer(REFUSED[why])
    recipe = Recipe(epochs=1, batch=100, rate=1e-2, autoencoder=1)
    with pytest.raises(BlindspotsError, match=f"'{REFUSED[why].name}' cannot be pre-trained"):
        train(REFUSED[why], recipe, digits, 0, checkpoint=tmp_path)
