"""A small real comparison on the bundled digits, run once and looked at by many tests."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from experiments import processes
from experiments.spec import Spec, spec_from
from networks import BlindspotsError, wiring_named

if TYPE_CHECKING:
    from experiments.bench import Bench
    from experiments.data.dataset import Dataset
    from experiments.units import Unit

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


@pytest.fixture(scope="session", autouse=True)
def _coarse_figures() -> Iterator[None]:
    """Figures are drawn coarsely, as PNG alone; how they look is tested where they are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("figures.save.DPI", 30)
        patch.setattr("figures.save.FORMATS", {"png": {}})
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
        "training": {"epochs": 6, "batch": 100},
        "options": {"pgd-linf": {"steps": 10}},
    }


@pytest.fixture(scope="session")
def small_spec(small_settings: dict[str, object]) -> Spec:
    """The small comparison's specification."""
    return spec_from(small_settings)


@pytest.fixture(scope="session")
def small_run(
    small_spec: Spec, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run directory of the small comparison, worked on in this process."""
    from experiments.compare import compare

    out = tmp_path_factory.mktemp("runs") / "small"
    with digits_alone(shared_cache), pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.command.complete", Work())
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


# --- a comparison with cells

PHYSIOLOGY = "dt_ms = 1.0\ningredients = ['currents', 'jitter', 'noise', 'heterogeneity']\n"
WIRING = """
name = "tiny-spiking"
steps = 8
areas = [
  { name = "input", shape = [1, 28, 28], unit = { model = "input" } },
  { name = "v1", shape = [24], unit = { model = "lif", beta = 0.9, threshold = 1.0 } },
  { name = "v2", shape = [16], unit = { model = "lif", beta = 0.8, threshold = 1.0 } },
  { name = "output", shape = [10], unit = { model = "rate", activation = "identity" } },
]
projections = [
  { source = "input", target = "v1" },
  { source = "v1", target = "v2" },
  { source = "v2", target = "v1", kind = "top-down" },
  { source = "v2", target = "output" },
]
"""


class Work:
    """Stands in for the worker processes: works on units here, and counts them."""

    def __init__(self, most: int = 1000):
        self.most, self.done = most, list[Any]()

    def __call__(self, units: "Iterable[Unit]", workers: int, tell: Callable[..., None]) -> dict:
        from experiments.units import is_complete

        for unit in units:
            self(unit.needs, workers, tell)
            if is_complete(unit):
                continue
            if len(self.done) == self.most:
                raise KeyboardInterrupt
            tell({"what": "planned", "unit": unit})
            tell({"what": "started", "unit": unit})
            unit.run(lambda done, score: None)
            tell({"what": "done", "unit": unit, "seconds": 0.0})
            self.done.append(unit)
        return {}


class Threads(ThreadPoolExecutor):
    """In place of worker processes, which take seconds to start."""

    def __init__(self, workers: int, *, initargs: tuple[object], **others: object):
        super().__init__(workers)
        (processes._messages,) = initargs


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units are worked on in threads of this process."""
    monkeypatch.setattr(processes, "_messages", None)
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Threads)


@contextmanager
def working(work: Work) -> Iterator[Work]:
    """Units are worked on by ``work``; figures of comparisons are left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.command.complete", work)
        patch.setattr("figures.draw_all", lambda *given: {})
        yield work


@pytest.fixture(scope="session")
def cells_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("detailed")
    (directory / "tiny.toml").write_text(WIRING)
    (directory / "cells.toml").write_text(PHYSIOLOGY)
    return directory


@pytest.fixture(scope="session")
def cells_settings(cells_directory: Path) -> dict[str, Any]:
    return {
        "networks": ["FC10", str(cells_directory / "tiny.toml")],
        "sources": ["FC10"],
        "individuals": 1,
        "images": 24,
        "attacks": ["uniform", "pgd-linf"],
        "epsilons": [0.05, 0.1],
        "reference_attack": "pgd-linf",
        "reference_epsilon": 0.1,
        "training": {"epochs": 10, "batch": 50, "rate": 5e-3},
        "seed": 1,
        "options": {"pgd-linf": {"steps": 8}},
        "engine": "detailed",
        "physiology": {
            "dt_ms": 1.0,
            "ingredients": ["currents", "jitter", "noise", "heterogeneity"],
        },
    }


@pytest.fixture(scope="session")
def cells_run(cells_settings: dict[str, Any], cells_directory: Path) -> Path:
    """The run directory of a comparison with a tiny network in cells."""
    from experiments.compare import compare

    spec, out = spec_from(cells_settings), cells_directory / "run"
    with digits_alone(cells_directory / "cache"), working(Work()):
        compare(spec, out, device="cpu", console=Console(quiet=True))
    return out


@pytest.fixture(scope="module")
def cells_alone(cells_directory: Path) -> Iterator[None]:
    """The bundled digits stand in for MNIST; the units of the comparison with cells are there."""
    with digits_alone(cells_directory / "cache"):
        yield


@pytest.fixture(scope="session")
def work_here() -> Callable[..., AbstractContextManager[Work]]:
    """Has units worked on in this process, and counts them: up to so many, then an interrupt."""
    return lambda most=1000: working(Work(most))


@pytest.fixture(scope="session")
def here_on_digits(shared_cache: Path) -> Callable[..., AbstractContextManager[Work]]:
    """Has units worked on in this process, whatever the fixture's scope.

    Those of the small comparison are there already, unless another cache is named.
    """

    @contextmanager
    def here(cache: Path = shared_cache) -> Iterator[Work]:
        with digits_alone(cache), working(Work()) as work:
            yield work

    return here


@pytest.fixture
def cells_copy(cells_run: Path, tmp_path: Path) -> Path:
    """The run once more, to be changed."""

    def linked(source: str, target: str) -> None:
        if source.endswith((".nc", ".json", ".toml")):
            shutil.copy(source, target)
        else:
            os.link(source, target)

    leave = shutil.ignore_patterns("detailed")
    return shutil.copytree(cells_run, tmp_path / "copy", copy_function=linked, ignore=leave)


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., str]:
    """Calls ``blindspots`` in an empty directory; the one sentence that it refuses with."""
    from experiments import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def told(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["blindspots", *map(str, words)])
        capsys.readouterr()
        with working(Work(0)), pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert end.value.code == 1
        assert "Traceback" not in said.out + said.err
        assert said.err.count("Error: ") == 1
        last = said.err.splitlines()[-1]
        assert last.startswith("Error: ")
        return last.removeprefix("Error: ")

    return told
