"""The whole state of a training after an epoch, from which it can go on as if never stopped."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from experiments.adam import Adam
from experiments.store import unwritable, writing


def save(
    values: Mapping[str, Tensor],
    optimiser: Adam,
    history: list[Any],
    best: Mapping[str, Tensor],
    directory: Path,
) -> None:
    """Values now and at their best, the optimiser's state, and the history of epochs (JSON).

    Nothing is kept where the directory goes meanwhile: another worker has completed the unit.
    """
    tensors = {f"now/{k}": v.detach().clone() for k, v in values.items()}
    tensors |= {f"best/{k}": v for k, v in best.items()}
    for i, state in optimiser.state.items():
        tensors |= {f"adam/{i}/{k}": v.clone() for k, v in state.items()}
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        draft = directory / f"draft-{uuid.uuid4().hex}"  # another may be at the same unit
        save_file(tensors, draft, metadata={"history": json.dumps(history)})
        draft.replace(directory / "checkpoint.safetensors")
    except (OSError, SafetensorError) as error:
        if directory.exists():
            raise unwritable(directory, error) from None


def resume(
    values: Mapping[str, Tensor], optimiser: Adam, directory: Path
) -> tuple[list[Any], dict[str, Tensor]]:
    """History and best values so far, and the rest put back into ``values`` and ``optimiser``.

    Nothing where there is no checkpoint that can be read.
    """
    path = directory / "checkpoint.safetensors"
    try:
        with safe_open(path, "pt") as file:  # once: another may be at the same unit
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            history = list(json.loads(file.metadata()["history"]))
    except (OSError, SafetensorError):
        return [], {}
    with torch.no_grad():
        for name, value in values.items():
            value.copy_(tensors[f"now/{name}"])
    for name, tensor in tensors.items():
        if name.startswith("adam/"):
            _, index, quantity = name.split("/")
            device = optimiser.values[int(index)].device
            optimiser.state.setdefault(int(index), {})[quantity] = tensor.to(device)
    return history, {k[5:]: v for k, v in tensors.items() if k.startswith("best/")}
