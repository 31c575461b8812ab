"""The recipes on full MNIST: clean accuracy is reached, and none of it survives an attack."""

import os
from pathlib import Path

import pytest
import torch

from experiments.attacks.gradient import pgd_linf
from experiments.data.dataset import Dataset, load_data, scored_images
from experiments.recipe import recipe_for
from experiments.training import accuracy, train
from networks import wiring_named

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "BLINDSPOTS_DATA" not in os.environ,
        reason="needs MNIST: name a directory with its IDX files by BLINDSPOTS_DATA",
    ),
]


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load_data(Path(os.environ["BLINDSPOTS_DATA"]))


@pytest.mark.parametrize(
    ("name", "clean"),
    [("FC100-100-10", 0.98), ("fc-blt", 0.98), ("fc-blt-spiking", 0.97), ("AE400-10", 0.96)],
)
def test_a_recipe_reaches_its_accuracy_and_no_robustness(
    mnist: Dataset, name: str, clean: float, tmp_path: Path
) -> None:
    wiring = wiring_named(name)
    network, facts = train(wiring, recipe_for(wiring), mnist, seed=11, checkpoint=tmp_path)
    assert accuracy(network, mnist.test) >= clean
    assert max(facts["validation"]) >= clean - 0.005
    chosen, _ = scored_images(mnist, 200)
    generator = torch.Generator().manual_seed(0)
    (fooling,) = pgd_linf(
        network, chosen.images, chosen.labels, epsilons=[0.15], generator=generator
    )
    with torch.no_grad():
        assert float((network(fooling).argmax(1) == chosen.labels).double().mean()) < 0.05
