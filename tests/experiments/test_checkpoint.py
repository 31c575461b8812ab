"""Two workers may be at one training: a checkpoint is whole, and its absence stops nobody."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from experiments import checkpoint
from experiments.adam import Adam


def at_epoch(epoch: int) -> tuple[dict[str, Tensor], Adam]:
    """Values that say which epoch they are of, with an optimiser that has moved them."""
    values = {"w": torch.full((3,), float(epoch), requires_grad=True)}
    optimiser = Adam(values.values())
    values["w"].sum().backward()
    optimiser.step(0.0)
    return values, optimiser


def save(epoch: int, directory: Path) -> None:
    values, optimiser = at_epoch(epoch)
    checkpoint.save(values, optimiser, [0.5] * epoch, values, directory)


def test_values_and_history_are_of_one_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another worker saves a later one as this one begins to read."""
    save(1, tmp_path)

    def later(*given: Any) -> Any:
        save(2, tmp_path)
        return safetensors.safe_open(*given)

    monkeypatch.setattr(checkpoint, "safe_open", later)
    values, optimiser = at_epoch(0)
    history, best = checkpoint.resume(values, optimiser, tmp_path)
    assert values["w"].tolist() == [len(history)] * 3
    assert best["w"].tolist() == [len(history)] * 3


def test_what_another_worker_completed_needs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the directory of checkpoints away, which may be in the middle of writing one."""

    def completed(tensors: dict[str, Tensor], path: Path, **facts: Any) -> None:
        shutil.rmtree(path.parent)
        save_file(tensors, path, **facts)

    monkeypatch.setattr(checkpoint, "save_file", completed)
    save(1, tmp_path / "training")
    assert list(tmp_path.iterdir()) == []
