"""A small real comparison on the bundled digits, run once and looked at by many tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from experiments.spec import Spec, spec_from
from networks import BlindspotsError, wiring_named

if TYPE_CHECKING:
    from experiments.bench import Bench
    from experiments.data.dataset import Dataset

BROUGHT = '''
import torch
from torch import nn


class TimeAveraged(nn.Module):
    """Answers with a time axis: (time, images, classes)."""

    def __init__(self):
        super().__init__()
        weight = torch.randn(10, 784, generator=torch.Generator().manual_seed(3))
        self.layer = nn.Linear(784, 10)
        self.layer.load_state_dict({"weight": weight / 28, "bias": torch.zeros(10)})

    def forward(self, images):
        logits = self.layer(images.flatten(1))
        return torch.stack([logits, 2 * logits, 3 * logits])
'''


def nowhere(*args: object, **kwargs: object) -> None:
    """Stands in for the search for MNIST."""
    raise BlindspotsError("MNIST is not here.")


@contextmanager
def digits_alone(cache: Path) -> Iterator[None]:
    """No MNIST to be had, as for a user without network; what is computed goes to ``cache``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.data.dataset.find", nowhere)
        patch.delenv("BLINDSPOTS_DATA", raising=False)
        patch.setenv("BLINDSPOTS_CACHE", str(cache))
        yield


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the units that the small comparison is made of."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache(shared_cache: Path) -> Iterator[Path]:
    """The bundled digits stand in for MNIST, and the units of the small comparison are there."""
    with digits_alone(shared_cache):
        yield shared_cache


@pytest.fixture
def empty_cache(tmp_path: Path) -> Iterator[Path]:
    """The bundled digits stand in for MNIST, and no unit is there yet."""
    path = tmp_path / "empty-cache"
    with digits_alone(path):
        yield path


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A catalogue network, its recurrent twin, a wiring file and a callable with a time axis."""
    directory = tmp_path_factory.mktemp("own")
    wiring = wiring_named("fc-bt").replace(name="mine")
    (directory / "mine.toml").write_text(wiring.to_toml())
    (directory / "brought_model.py").write_text(BROUGHT)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(directory)
    return {
        "title": "small",
        "networks": ["fc-b", "fc-blt", str(directory / "mine.toml"), "brought_model:TimeAveraged"],
        "sources": ["fc-b"],
        "individuals": 2,
        "images": 40,
        "attacks": ["uniform", "pgd-linf"],
        "epsilons": [0.05, 0.2],
        "reference_attack": "pgd-linf",
        "reference_epsilon": 0.2,
        "effort": 5.0,
    }


@pytest.fixture(scope="session")
def small_spec(small_settings: dict[str, object]) -> Spec:
    """The small comparison's specification."""
    return spec_from(small_settings)


@pytest.fixture(scope="session")
def small_run(
    small_spec: Spec, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run directory of the small comparison."""
    from experiments.compare import compare

    out = tmp_path_factory.mktemp("runs") / "small"
    with digits_alone(shared_cache):
        compare(small_spec, out, console=Console(quiet=True), device="cpu")
    return out


@pytest.fixture(scope="session")
def digits() -> "Dataset":
    """The bundled digits: 1000 images to train on, 297 for validation, 500 to score."""
    from experiments.data.dataset import DIGITS, load_again

    return load_again(DIGITS, None)


@pytest.fixture(scope="session")
def bench(digits: "Dataset") -> "Bench":
    """What units are worked on with: the bundled digits, on the processor."""
    from experiments.bench import Bench

    return Bench(digits.name, None, digits.sha256, "cpu", "tests")
