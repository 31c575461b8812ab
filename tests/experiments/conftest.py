"""A small real comparison on the bundled digits, run once and looked at by many tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from experiments.spec import Spec, spec_from
from networks import BlindspotsError, wiring_named

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


@pytest.fixture(scope="session")
def offline() -> Iterator[None]:
    """No MNIST to be had: the bundled digits stand in, as they do for a user without network."""
    patch = pytest.MonkeyPatch()

    def nowhere(*args: object, **kwargs: object) -> None:
        raise BlindspotsError("MNIST is not here.")

    patch.setattr("experiments.data.dataset.find", nowhere)
    patch.delenv("BLINDSPOTS_DATA", raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own."""
    path = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("BLINDSPOTS_CACHE", str(path))
    yield path
    patch.undo()


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
    small_spec: Spec, cache: Path, offline: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run directory of the small comparison."""
    from experiments.compare import compare

    out = tmp_path_factory.mktemp("runs") / "small"
    compare(small_spec, out, console=Console(quiet=True), device="cpu")
    return out
